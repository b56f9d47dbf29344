/* Inside http: the body of a request (RFC 9112, 6 and 7.1): by a length, by chunks, or up to an end that others tell of. Pure, and
 * as strict as the heads: in a chunk's line a bare CR or LF, white space or more than eight digits are refused; extensions and
 * trailers are read over, a little of them. */
#ifndef GEX_HTTP_BODY_H
#define GEX_HTTP_BODY_H

#include <sys/types.h>

#include "base/base.h"

#define HTTP_BODY_OPEN UINT64_MAX /* as a length: until its end is told */

struct http_body {
	char *data; /* so far, terminated */
	size_t n, cap, max;
	bool chunked, done;
	int state;	       /* of chunks */
	unsigned seen, beside; /* digits of a size; bytes that were read over */
	uint64_t left;	       /* of all, or of the chunk */
};
/* max: of its bytes. length is of one that is not chunked. */
void http_body_begin(struct http_body *b, bool chunked, uint64_t length, size_t max);
/* Takes of n bytes what is the body's; b->done says that it is whole. How many bytes that were; -400, -413; -ENOMEM. */
ssize_t http_body_take(struct http_body *b, const char *p, size_t n) MUST_USE;
void http_body_finish(struct http_body *b);

#endif
