/* Of url.c, for the other files of stream. */
#ifndef GEX_STREAM_URL_H
#define GEX_STREAM_URL_H

#include "stream/stream.h"

/* The container that an output of this URL is written in: ?format=, else by the scheme and a file's extension. */
const char *url_out_format(const struct stream_url *u);

#endif
