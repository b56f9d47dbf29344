#include "fan/fan.h"

#include <errno.h>

#include "fan/queue.h"

/* A leading track that has had no key frame for this long while another had one is given up. */
#define LEAD_DEAD_US (20 * SEC_US)
#define TIME_MAX_US (INT64_MAX / 4)

/* Which tracks a reader gets: those whose first item from the start on has been seen. */
struct gate {
	int64_t from_us;
	uint32_t open;
};

struct fan {
	struct fan_limits limits;
	struct fan_ops ops;
	uint32_t video;
	int lead;	  /* the track whose key frames are starts; -1: not yet known */
	int64_t start_us; /* of the last start */
	bool kept_whole;  /* kept holds all since the last start */
	struct fan_queue kept;
	struct list readers;
};

struct fan_reader {
	struct list link;
	struct fan *fan; /* NULL: detached */
	struct fan_ops ops;
	struct fan_queue queue;
	struct gate gate;
	bool waiting; /* for the next start */
	bool cut;
	int64_t late_us; /* since when it has been losing; NEVER_US: it is not */
	int64_t taken, dropped, skips;
};

int fan_create(struct fan **out, const struct fan_limits *limits, const struct fan_ops *ops)
{
	struct fan *f = calloc(1, sizeof(*f));

	*out = f;
	if (!f)
		return -ENOMEM;
	f->limits = *limits;
	f->ops = *ops;
	f->kept.ops = &f->ops;
	list_init(&f->readers);
	fan_start(f, 0);
	return 0;
}

void fan_destroy(struct fan *f)
{
	if (!f)
		return;
	fan_queue_finish(&f->kept);
	free(f);
}

void fan_start(struct fan *f, uint32_t video)
{
	struct fan_reader *r;

	f->video = video;
	f->lead = -1;
	f->kept_whole = false;
	fan_queue_clear(&f->kept);
	list_for (r, &f->readers, link)
		r->waiting = true;
}

/* ---- starts ---- */

static bool is_video(const struct fan *f, int track)
{
	return f->video >> track & 1;
}

static bool is_start(struct fan *f, const struct fan_item *it)
{
	bool can = f->video ? it->key && is_video(f, it->track) : true;

	if (can && (f->lead < 0 || it->us - f->start_us > LEAD_DEAD_US))
		f->lead = it->track;
	return can && it->track == f->lead;
}

static bool at_or_after(void *arg, const struct fan_slot *s)
{
	return s->it.us >= *(int64_t *)arg;
}

/* A start has come: what a joining reader needs begins at its time. */
static void begin(struct fan *f, const struct fan_item *it)
{
	bool jumped_back = it->us < f->start_us;

	f->start_us = it->us;
	if (jumped_back)
		fan_queue_clear(&f->kept);
	else
		fan_queue_filter(&f->kept, at_or_after, &f->start_us);
	f->kept_whole = true;
}

static void keep(struct fan *f, const struct fan_slot *s)
{
	/* Before the first start, and after an overflow, what comes is still kept as long as there is room: sound may be ahead
	 * of the picture that it belongs to. */
	int r = s->start ? fan_queue_push_front(&f->kept, s) : fan_queue_push(&f->kept, s);

	if (!r && f->kept.bytes <= f->limits.burst_bytes &&
	    fan_queue_us(&f->kept) <= f->limits.burst_us)
		return;
	fan_queue_clear(&f->kept);
	f->kept_whole = s->start && !fan_queue_push(&f->kept, s);
}

/* ---- readers ---- */

static bool gate_passes(struct gate *g, const struct fan *f, const struct fan_item *it)
{
	uint32_t bit = 1u << it->track;

	if (!(g->open & bit) && it->us >= g->from_us && (it->key || !is_video(f, it->track)))
		g->open |= bit;
	return g->open & bit;
}

static bool is_full(const struct fan_reader *r, const struct fan_item *it)
{
	const struct fan_limits *l = &r->fan->limits;

	return fan_queue_len(&r->queue) &&
	       (r->queue.bytes + it->size > l->bytes || fan_queue_us(&r->queue) > l->us);
}

static bool is_half_full(const struct fan_reader *r)
{
	const struct fan_limits *l = &r->fan->limits;

	return r->queue.bytes > l->bytes / 2 || fan_queue_us(&r->queue) > l->us / 2;
}

static void lose(struct fan_reader *r, size_t n, int64_t now_us)
{
	r->dropped += (int64_t)n;
	if (n && r->late_us == NEVER_US)
		r->late_us = now_us;
}

static bool keep_after_start(void *arg, const struct fan_slot *s)
{
	struct fan_reader *r = arg;

	return gate_passes(&r->gate, r->fan, &s->it);
}

/* Makes room: skips to the newest start in the queue, or gives all of it up. */
static void shed(struct fan_reader *r, int64_t now_us)
{
	size_t i = fan_queue_len(&r->queue), lost = 0;

	while (i > 1 && !fan_queue_at(&r->queue, i - 1)->start)
		i--;
	r->skips++;
	if (i > 1) {
		r->gate = (struct gate){.from_us = fan_queue_at(&r->queue, i - 1)->it.us};
		lost = fan_queue_filter(&r->queue, keep_after_start, r);
	}
	if (!lost) {
		lost = fan_queue_clear(&r->queue);
		r->waiting = true;
	}
	lose(r, lost, now_us);
}

static void offer(struct fan_reader *r, const struct fan_slot *s, int64_t now_us)
{
	if (!gate_passes(&r->gate, r->fan, &s->it))
		return;
	if (s->it.disposable && is_half_full(r)) {
		r->dropped++;
		return;
	}
	while (!r->waiting && is_full(r, &s->it))
		shed(r, now_us);
	if (r->waiting) {
		lose(r, s->start ? 0 : 1, now_us);
		return;
	}
	if (!fan_queue_push(&r->queue, s))
		return;
	lose(r, 1 + fan_queue_clear(&r->queue), now_us);
	r->waiting = true;
}

/* Begins at the last start, with what is kept since. */
static void resume(struct fan_reader *r, int64_t now_us)
{
	struct fan *f = r->fan;

	r->waiting = false;
	r->gate = (struct gate){.from_us = f->start_us};
	for (size_t i = 0; i < fan_queue_len(&f->kept) && !r->waiting; i++)
		offer(r, fan_queue_at(&f->kept, i), now_us);
}

static void push_to(struct fan_reader *r, const struct fan_slot *s, int64_t now_us)
{
	if (r->cut)
		return;
	if (!r->waiting) {
		/* Sound that has not come up to the last start by the next one never will. */
		if (s->start)
			r->gate.open |= ~r->fan->video;
		offer(r, s, now_us);
	} else if (!s->start) {
		lose(r, r->late_us == NEVER_US ? 0 : 1, now_us);
	}
	if (r->waiting && s->start)
		resume(r, now_us);
	if (r->late_us != NEVER_US && r->fan->limits.hopeless_us != NEVER_US &&
	    now_us - r->late_us > r->fan->limits.hopeless_us) {
		r->cut = true;
		r->dropped += (int64_t)fan_queue_clear(&r->queue);
	}
}

void fan_push(struct fan *f, const struct fan_item *it, int64_t now_us)
{
	struct fan_slot s = {.it = *it};
	struct fan_reader *r;

	if (it->track < 0 || it->track >= FAN_TRACKS_MAX)
		return;
	/* So that no difference of two times overflows, whatever a stream says. */
	s.it.us = CLAMP(it->us, -TIME_MAX_US, TIME_MAX_US);
	s.start = is_start(f, &s.it);
	if (s.start)
		begin(f, &s.it);
	keep(f, &s);
	list_for (r, &f->readers, link)
		push_to(r, &s, now_us);
}

int fan_reader_create(struct fan_reader **out, struct fan *f)
{
	struct fan_reader *r = calloc(1, sizeof(*r));

	*out = r;
	if (!r)
		return -ENOMEM;
	r->fan = f;
	r->ops = f->ops;
	r->queue.ops = &r->ops;
	r->late_us = NEVER_US;
	r->waiting = true;
	list_append(&f->readers, &r->link);
	if (f->kept_whole)
		resume(r, 0);
	r->late_us = NEVER_US;
	return 0;
}

void fan_reader_detach(struct fan_reader *r)
{
	if (r && r->fan) {
		list_remove(&r->link);
		r->fan = NULL;
	}
}

void fan_reader_destroy(struct fan_reader *r)
{
	if (!r)
		return;
	fan_reader_detach(r);
	fan_queue_finish(&r->queue);
	free(r);
}

bool fan_take(struct fan_reader *r, struct fan_item *out)
{
	if (!fan_queue_pop(&r->queue, out))
		return false;
	r->taken++;
	/* It has caught up. */
	if (!fan_queue_len(&r->queue))
		r->late_us = NEVER_US;
	return true;
}

bool fan_reader_cut(const struct fan_reader *r)
{
	return r->cut;
}

struct fan_stats fan_reader_stats(const struct fan_reader *r)
{
	return (struct fan_stats){
	    .taken = r->taken,
	    .dropped = r->dropped,
	    .skips = r->skips,
	    .items = fan_queue_len(&r->queue),
	    .bytes = r->queue.bytes,
	};
}
