/* An outlet over a descriptor that can be polled: socket, pipe, FIFO. */
#ifndef GEX_STREAM_OUTLET_FD_H
#define GEX_STREAM_OUTLET_FD_H

#include "stream/sink.h"

extern const struct outlet_ops outlet_fd_reader; /* one of many; it may come and go */
extern const struct outlet_ops
    outlet_fd_vital; /* standard output: the sink stands and falls with it */

/* Takes fd over in any case; it has to be non-blocking. Begins to write when the sink has tracks. 0 or a negative errno. */
int outlet_fd_create(struct stream_sink *s, int fd, const struct outlet_ops *ops,
		     const char *peer) MUST_USE;

#endif
