/* Inside http: the fields of an answer, the same whatever protocol carries it. */
#ifndef GEX_HTTP_ANSWER_H
#define GEX_HTTP_ANSWER_H

#include "http/http.h"

#define ANSWER_FIELDS 24

struct answer {
	struct {
		const char *name, *value;
	} field[ANSWER_FIELDS];
	size_t n;
	char length[24], retry[16], modified[40]; /* values made here */
};

const char *answer_reason(int status);
/* Everything but what belongs to the protocol itself. length: as proto_ops.start; range: the value of
 * Content-Range or NULL. Values point into a, ans and static memory that lasts until the clock's next
 * second. */
void answer_fill(struct answer *ans, const struct http_answer *a, int64_t length,
		 const char *range);
/* What OPTIONS is answered with, for CORS preflights (Fetch standard, section 4.8). */
void answer_fill_options(struct answer *ans, bool posts);
/* The time as HTTP writes it (RFC 9110, section 5.6.7). */
void answer_date(int64_t utc_s, char out[40]);

#endif
