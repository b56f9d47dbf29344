#include "cmaf/range.h"
#include "cmaf/m3u8.h"

#include <errno.h>
#include <inttypes.h>

#define WAIT_US (60 * SEC_US)
#define REPEAT_US (10 * SEC_US) /* the same event so near to where it was is the same range */

/* ---- what there is ---- */

static void drop(struct range *a)
{
	buf_unref(a->out);
	buf_unref(a->in);
	a->out = a->in = NULL;
}

static void go(struct range *a, int64_t now_us)
{
	drop(a);
	a->gone = true;
	a->changed_us = now_us;
}

void ranges_finish(struct ranges *r)
{
	struct range *a;

	vec_for (a, &r->at)
		drop(a);
	vec_free(&r->at);
}

static bool is_known(const struct ranges *r, const struct range *fresh)
{
	const struct range *a;

	vec_for (a, &r->at) {
		if (!strcmp(a->id, fresh->id))
			return true;
		if (!a->gone && a->event == fresh->event && a->type == fresh->type &&
		    a->paired == fresh->paired &&
		    llabs(a->start_us - fresh->start_us) < REPEAT_US &&
		    (a->end_us == SPLICE_NONE || fresh->start_us < a->end_us))
			return true;
	}
	return false;
}

static void make_room(struct ranges *r)
{
	size_t i = 0;

	if (r->at.len < RANGES_MAX)
		return;
	while (i < r->at.len && !r->at.at[i].gone)
		i++;
	i = i < r->at.len ? i : 0;
	drop(&r->at.at[i]);
	vec_remove(&r->at, i);
}

/* A range begins. */
static int begin(struct ranges *r, struct range fresh, const uint8_t *p, size_t n)
{
	long long s = (long long)base_floor_div(fresh.start_us, SEC_US);

	if (fresh.type)
		snprintf(fresh.id, sizeof(fresh.id), "%" PRIu32 "-%02x-%lld", fresh.event,
			 (unsigned)fresh.type, s);
	else
		snprintf(fresh.id, sizeof(fresh.id), "%" PRIu32 "-%lld", fresh.event, s);
	if (is_known(r, &fresh))
		return 0;
	fresh.out = buf_copy(p, n);
	if (!fresh.out)
		return -ENOMEM;
	make_room(r);
	if (vec_push(&r->at, fresh)) {
		buf_unref(fresh.out);
		return -ENOMEM;
	}
	return 0;
}

/* The way back in of an event: of its newest range that has begun. *found: there is one, whether it had ended or not. */
static int end(struct ranges *r, uint32_t event, int type, const uint8_t *p, size_t n,
	       int64_t at_us, int64_t now_us, bool *found)
{
	struct range *a, *last = NULL;

	vec_for (a, &r->at)
		if (!a->gone && a->paired && a->event == event && a->type == type &&
		    a->start_us < at_us)
			last = a;
	*found = last;
	if (!last || last->in)
		return 0;
	last->in = buf_copy(p, n);
	if (!last->in)
		return -ENOMEM;
	if (last->end_us == SPLICE_NONE)
		last->end_us = at_us;
	last->changed_us = now_us;
	return 0;
}

static void cancel(struct ranges *r, uint32_t event, bool insert, int64_t now_us)
{
	struct range *a;

	vec_for (a, &r->at)
		if (!a->gone && a->event == event && insert == !a->type && a->start_us > now_us)
			go(a, now_us);
}

/* ---- cues ---- */

static int64_t ticks_us(int64_t ticks)
{
	return ticks == SPLICE_NONE ? SPLICE_NONE : base_scale(ticks, SEC_US, SPLICE_CLOCK);
}

static int take_insert(struct ranges *r, const struct splice *s, const uint8_t *p, size_t n,
		       int64_t at_us, int64_t now_us)
{
	bool found = false;
	int rc = 0;

	if (s->cancel) {
		cancel(r, s->id, true, now_us);
		return 0;
	}
	if (!s->out)
		rc = end(r, s->id, 0, p, n, at_us, now_us, &found);
	if (rc || found)
		return rc;
	return begin(r,
		     (struct range){.event = s->id,
				    .paired = s->out,
				    .auto_return = s->auto_return,
				    .start_us = at_us,
				    .planned_us = s->out ? ticks_us(s->duration) : SPLICE_NONE,
				    .end_us = SPLICE_NONE,
				    .changed_us = now_us},
		     p, n);
}

static int take_segment(struct ranges *r, const struct splice_segment *g, const uint8_t *p,
			size_t n, int64_t at_us, int64_t now_us)
{
	bool found = false;
	int rc = 0;

	if (g->cancel) {
		cancel(r, g->id, false, now_us);
		return 0;
	}
	if (g->type && splice_type_is_out(g->type - 1))
		rc = end(r, g->id, g->type - 1, p, n, at_us, now_us, &found);
	if (rc || found)
		return rc;
	return begin(r,
		     (struct range){.event = g->id,
				    .type = g->type,
				    .paired = splice_type_is_out(g->type),
				    .start_us = at_us,
				    .planned_us = ticks_us(g->duration),
				    .end_us = SPLICE_NONE,
				    .changed_us = now_us},
		     p, n);
}

int ranges_cue(struct ranges *r, const struct splice *s, const uint8_t *p, size_t n, int64_t at_us,
	       int64_t now_us)
{
	int rc = 0;

	if (s->command == SPLICE_INSERT)
		return take_insert(r, s, p, n, at_us, now_us);
	for (int i = 0; i < s->segments && !rc; i++)
		rc = take_segment(r, &s->segment[i], p, n, at_us, now_us);
	return rc;
}

/* ---- time goes by ---- */

/* Where it is over as far as one knows; INT64_MAX: it is not. A way back that does not come is waited for beyond the plan. */
static int64_t over_us(const struct range *a)
{
	if (a->end_us != SPLICE_NONE)
		return a->end_us;
	if (!a->paired)
		return a->start_us + MAX(a->planned_us, 0);
	return a->planned_us != SPLICE_NONE ? a->start_us + a->planned_us + WAIT_US : INT64_MAX;
}

bool ranges_pass(struct ranges *r, int64_t oldest_us, int64_t newest_us, int64_t keep_us)
{
	bool changed = false;

	for (size_t i = 0; i < r->at.len;) {
		struct range *a = &r->at.at[i];

		if (a->gone && a->changed_us < newest_us - keep_us) {
			vec_remove(&r->at, i);
			continue;
		}
		i++;
		if (a->gone)
			continue;
		if (a->auto_return && a->planned_us != SPLICE_NONE && a->end_us == SPLICE_NONE &&
		    a->start_us + a->planned_us <= newest_us) {
			a->end_us = a->start_us + a->planned_us;
			a->changed_us = newest_us;
			changed = true;
		}
		if (over_us(a) < oldest_us) {
			go(a, newest_us);
			changed = true;
		}
	}
	return changed;
}

/* ---- text ---- */

static void write_hex(const char *name, const struct buf *b, FILE *f)
{
	if (!b)
		return;
	fprintf(f, ",%s=0x", name);
	for (size_t i = 0; i < b->len; i++)
		fprintf(f, "%02X", b->data[i]);
}

void range_write(const struct range *a, FILE *f)
{
	fprintf(f, "#EXT-X-DATERANGE:ID=\"%s\",START-DATE=\"", a->id);
	m3u8_date(a->start_us, f);
	fputc('"', f);
	if (a->end_us != SPLICE_NONE)
		fprintf(f, ",DURATION=%.3f", (double)(a->end_us - a->start_us) / 1e6);
	if (a->planned_us != SPLICE_NONE)
		fprintf(f, ",PLANNED-DURATION=%.3f", (double)a->planned_us / 1e6);
	write_hex(a->paired ? "SCTE35-OUT" : "SCTE35-CMD", a->out, f);
	write_hex("SCTE35-IN", a->in, f);
	fputc('\n', f);
}

void ranges_write(const struct ranges *r, int64_t since_us, FILE *f)
{
	const struct range *a;

	vec_for (a, &r->at)
		if (!a->gone && a->changed_us >= since_us)
			range_write(a, f);
}

void ranges_write_removed(const struct ranges *r, int64_t since_us, FILE *f)
{
	const char *tab = "";
	const struct range *a;

	vec_for (a, &r->at) {
		if (!a->gone || a->changed_us < since_us)
			continue;
		fprintf(f, "%s%s", tab, a->id);
		tab = "\t";
	}
}
