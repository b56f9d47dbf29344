/* fetch: a small file by HTTP or HTTPS, for the thread that may wait for it. */
#ifndef GEX_MEDIA_FETCH_H
#define GEX_MEDIA_FETCH_H

#include <sys/types.h>

#include "media/media.h"

/* GET of url into out. A certificate is checked against the system's; a redirect is an error. authorization: value of
 * that header; NULL: none. Returns the length; -EFBIG for more than cap, -ECANCELED once *cancel, -ETIMEDOUT after
 * timeout_us in all (the resolver's own time apart), or another negative errno, with one line in err (MEDIA_ERR bytes),
 * in which is neither the URL nor the header. */
ssize_t media_fetch(const char *url, const char *authorization, const _Atomic bool *cancel,
		    int64_t timeout_us, void *out, size_t cap, char *err) MUST_USE;

#endif
