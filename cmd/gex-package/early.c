/* Requests that come before there is a stream, while one is about to be: after a restart those of the players that were there
 * before, whose attempts are few and soon over. They wait, for some seconds, and are then asked again. */
#include "package.h"

#define EARLY_US (5 * SEC_US)	 /* from the start, or when media come already */
#define PATIENCE_US (4 * SEC_US) /* for so long a request waits */

struct early {
	struct package *p;
	const char *path; /* in the request's */
};

static void let_go(struct http_request *r)
{
	struct early *e = r->user;

	list_remove(&r->link);
	e->p->held--;
	free(e);
	r->user = NULL;
	r->gone = NULL;
}

static void on_gone(struct http_request *r)
{
	let_go(r);
}

static void refuse(struct http_request *r)
{
	http_reply(r,
		   &(struct http_answer){.status = 503, .cache = "no-store", .retry_after_s = 1});
}

static bool about_to_be(const struct package *p, const struct http_request *r)
{
	int64_t now = loop_now_us(p->loop);

	return !p->over && !p->refused && (p->cmaf || now - p->began_us < EARLY_US) &&
	       now - r->since_us < PATIENCE_US;
}

void early_keep(struct package *p, const char *path, struct http_request *r)
{
	struct early *e = about_to_be(p, r) ? malloc(sizeof(*e)) : NULL;

	if (!e) {
		refuse(r);
		return;
	}
	*e = (struct early){p, path};
	r->user = e;
	r->gone = on_gone;
	list_append(&p->early, &r->link);
	p->held++;
}

void early_ask_again(struct package *p)
{
	struct http_request *last = list_last(&p->early, struct http_request, link), *r;
	bool all = !last;

	if (last && !p->cmaf && about_to_be(p, list_first(&p->early, struct http_request, link)))
		return;
	while (!all) {
		r = list_first(&p->early, struct http_request, link);
		all = r == last; /* those behind it wait again */
		const char *path = ((struct early *)r->user)->path;

		let_go(r);
		serve(p, path, r);
	}
}

void early_drain(struct package *p)
{
	struct http_request *r, *tmp;

	list_for_safe (r, tmp, &p->early, link) {
		let_go(r);
		refuse(r);
	}
}
