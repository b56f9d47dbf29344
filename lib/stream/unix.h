/* Of unix.c, for the sink's side. */
#ifndef GEX_STREAM_UNIX_H
#define GEX_STREAM_UNIX_H

#include <sys/un.h>

/* 0, or -ENAMETOOLONG and a reason in err (MEDIA_ERR bytes). */
int unix_address(struct sockaddr_un *a, const char *path, char *err);

#endif
