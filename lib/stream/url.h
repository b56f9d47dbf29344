/* Of url.c, for the other files of stream. */
#ifndef GEX_STREAM_URL_H
#define GEX_STREAM_URL_H

#include "stream/stream.h"

/* url_params.c. Says why in err, of MEDIA_ERR bytes; returns -EINVAL. */
int url_fail(char *err, const char *fmt, ...) PRINTF(2, 3);
/* What stands behind the question mark: those of u's scheme, each once. 0 or url_fail's. */
int url_params(struct stream_url *u, const char *s, char *err);
/* The value of one of them, which stands in an RTMP URL's query as well. */
int url_publisher(struct stream_url *u, char *value, char *err);

#endif
