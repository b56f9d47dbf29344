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

static void note(struct viewer *w, const struct cmaf_track *t, int64_t now_us)
{
	w->seen_us = now_us;
	w->rendition[t->kind != MEDIA_VIDEO] = (int8_t)t->index;
}

void viewers_seen(struct viewers *v, const struct http_request *r, const struct cmaf_track *t,
		  int64_t now_us)
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
			note(w, t, now_us);
			return;
		}
		if (!oldest || w->seen_us < oldest->seen_us)
			oldest = w;
	}
	*oldest = (struct viewer){id, now_us, {-1, -1}};
	note(oldest, t, now_us);
}

int viewers_count(const struct viewers *v, int64_t now_us)
{
	int n = 0;

	for (size_t i = 0; i < VIEWERS_SLOTS; i++)
		n += v->slot[i].id && now_us - v->slot[i].seen_us < AWAY_US;
	return n;
}

int viewers_of(const struct viewers *v, const struct cmaf_track *t, int64_t now_us)
{
	int n = 0;

	for (size_t i = 0; i < VIEWERS_SLOTS; i++) {
		const struct viewer *w = &v->slot[i];

		n += w->id && now_us - w->seen_us < AWAY_US &&
		     w->rendition[t->kind != MEDIA_VIDEO] == t->index;
	}
	return n;
}
