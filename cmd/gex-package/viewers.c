/* How many watch: those who asked for a media playlist or an MPD's segment in the last ten seconds,
 * told apart by address and user agent. An estimate: people behind one address with the same
 * browser are one. The table is of fixed size. */
#include "os/os.h"
#include "package.h"

#define AWAY_US (10 * SEC_US)
#define PROBES 8

static uint64_t mix(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return h;
}

void viewers_seen(struct viewers *v, const struct http_request *r, int64_t now_us)
{
	char agent[256] = "";

	if (!v->key)
		os_random(&v->key, sizeof(v->key));
	http_request_header(r, "user-agent", agent, sizeof(agent));
	uint64_t id = mix(mix(v->key ^ UINT64_C(14695981039346656037), r->peer), agent) | 1;
	struct viewer *oldest = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		struct viewer *w = &v->slot[((id >> 20) + i) % VIEWERS_SLOTS];

		if (w->id == id) {
			w->seen_us = now_us;
			return;
		}
		if (!oldest || w->seen_us < oldest->seen_us)
			oldest = w;
	}
	*oldest = (struct viewer){id, now_us};
}

int viewers_count(const struct viewers *v, int64_t now_us)
{
	int n = 0;

	for (size_t i = 0; i < VIEWERS_SLOTS; i++)
		n += v->slot[i].id && now_us - v->slot[i].seen_us < AWAY_US;
	return n;
}
