/* Of udp.c, for the sink's side. */
#ifndef GEX_STREAM_UDP_H
#define GEX_STREAM_UDP_H

#include <sys/socket.h>

#include "stream/stream.h"

/* The address of u's host ("" is any) and port; blocks on DNS for a name. */
int udp_resolve(const struct stream_url *u, struct sockaddr_storage *a, socklen_t *len, char *err);
bool udp_is_multicast(const struct sockaddr_storage *a);

#endif
