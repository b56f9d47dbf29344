/* srtsock: libsrt as the rest of the tree wants it, and the only place that includes it: started once, its lines in
 * our log, sockets that never block, errors as errno. What a socket is for, and thus most of its options, is the
 * user's affair: stream has live sockets that libsrt's own clock drives, carrier has messages.
 *
 * libsrt 1.5.1's traps that concern everybody: options go before bind or connect, SRTO_TRANSTYPE before all others,
 * as it resets them; a blocking close or connect can hang, so a socket is set not to block, and not to linger; a
 * passphrase without SRTO_ENFORCEDENCRYPTION leaves half-open sockets. */
#ifndef GEX_SRTSOCK_H
#define GEX_SRTSOCK_H

#include <sys/socket.h>

#include "base/base.h"
#include "log/log.h"

/* It includes <syslog.h>, whose macros hide two levels of log.h. */
#include <srt/srt.h>
#undef LOG_INFO
#undef LOG_DEBUG
#include <srt/access_control.h>

/* Starts libsrt, once for the process and after any fork. 0 or -EIO: srt_getlasterror_str tells. */
int srtsock_start(void) MUST_USE;

/* A socket of that type, which never blocks or lingers; SRT_INVALID_SOCK. */
SRTSOCKET srtsock_create(SRT_TRANSTYPE type);
bool srtsock_set_int(SRTSOCKET s, SRT_SOCKOPT opt, int v);
bool srtsock_set_bool(SRTSOCKET s, SRT_SOCKOPT opt, bool v);
bool srtsock_set_str(SRTSOCKET s, SRT_SOCKOPT opt, const char *v);

/* Binds and listens, on a port that nobody has; hook (may be NULL) is asked, in libsrt's thread, about every caller. 0
 * or a negative errno: -EADDRINUSE; -EIO: srt_getlasterror_str tells. */
int srtsock_listen(SRTSOCKET s, const struct sockaddr *a, socklen_t len,
		   srt_listen_callback_fn *hook, void *arg);

/* Of a socket that connects: 0 connected, -EINPROGRESS, or why it failed: -EACCES (passphrase, or stream id),
 * -ETIMEDOUT, -EBUSY, -ECONNREFUSED. */
int srtsock_connected(SRTSOCKET s);
/* The same for people; "" while there is nothing to say. */
const char *srtsock_reason(SRTSOCKET s);

#endif
