/* Of srt.c: what the source's and the sink's side of SRT share. */
#ifndef GEX_STREAM_SRT_H
#define GEX_STREAM_SRT_H

#include "srtsock/srtsock.h"
#include "stream/stream.h"

/* Bytes of a message: seven packets of MPEG-TS, what every SRT program sends and can take. */
#define SRT_MESSAGE 1316

/* A listener or a caller of one URL. */
struct srt_end {
	const struct stream_url *url; /* the owner's; outlives this */
	char passphrase[80];
};

/* Starts libsrt (once a process, after any fork) and reads the passphrase. 0, or a negative errno with a reason. */
int srt_end_init(struct srt_end *e, const struct stream_url *u, char *err) MUST_USE;
void srt_end_finish(struct srt_end *e);
/* A socket in live mode that never blocks; SRT_INVALID_SOCK and a reason. */
SRTSOCKET srt_end_socket(struct srt_end *e, char *err);
/* Binds and listens; hook (may be NULL) is asked, in libsrt's thread, about every caller. */
SRTSOCKET srt_end_listen(struct srt_end *e, srt_listen_callback_fn *hook, void *arg, int *error,
			 char *err);
/* Begins to connect; in rendezvous mode from the port that is called. */
SRTSOCKET srt_end_connect(struct srt_end *e, const struct sockaddr *a, socklen_t len, char *err);
/* 0 connected, -EINPROGRESS, or a negative errno with a reason. */
int srt_end_connected(SRTSOCKET s, char *err);
/* "HOST:PORT" of the other side. */
void srt_peer_name(SRTSOCKET s, char *out, size_t cap);
/* Is the streamid what the URL asks for (any, when it asks for none)? Also as a resource, "#!::r=NAME". */
bool srt_streamid_fits(const struct stream_url *u, const char *streamid);

#endif
