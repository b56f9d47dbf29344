/* Inside http: memory for nghttp2. Each session has one big buffer, 16 KB for the frame that it writes, of
 * which the head is all that is ever used here (bodies are not copied into it). From malloc it would
 * be memory that was used before, so all of it counts for each of thousands of connections that only
 * wait. It gets pages of its own, of which only the first is ever touched. */
#ifndef GEX_HTTP_H2_MEM_H
#define GEX_HTTP_H2_MEM_H

#include <nghttp2/nghttp2.h>

/* Of one session; zeroed before, and there until the session is deleted. */
struct h2_mem {
	void *big; /* NULL: not asked for yet */
	size_t size;
};
nghttp2_mem h2_mem_of(struct h2_mem *m);

#endif
