/* The segmenter of one track: decides where chunks, parts and segments end, by each frame that comes. */
#include <errno.h>

#include "cmaf/coder.h"
#include "cmaf/cut.h"
#include "log/log.h"

static int64_t to_scale(const struct cmaf_track *t, int64_t v)
{
	return base_rescale(v, t->cut->tb, (struct ratio){1, t->scale});
}

/* ---- where they may begin ---- */

/* May a segment begin with this frame? In the run of a stream with each; else where its time begins,
 * for video with a key frame, of sound with the one nearest to it, as in the run; a source whose key
 * frames never fall there is given two segments' time, then begins in the middle of one. */
static bool may_begin(struct cmaf *c, struct cmaf_track *t, int64_t x, int64_t number, bool key,
		      bool in_run)
{
	struct cmaf_cut *cut = t->cut;
	int64_t d_us = base_scale(SEC_US, c->grid.d.num, c->grid.d.den);

	if (in_run && !t->changed)
		return true;
	if (t->kind == MEDIA_VIDEO && !key)
		return false;
	int64_t into = x - cmaf_grid_start(&c->grid, t->scale, number, 0);
	if (t->kind == MEDIA_VIDEO ? into < t->frame : 2 * into < t->frame)
		return true;
	if (!cut->waiting_us)
		cut->waiting_us = cmaf_us(t, x);
	return cmaf_us(t, x) - cut->waiting_us > 2 * d_us;
}

static bool has_key(const struct cmaf *c, int64_t number)
{
	return c->conf.scheme == CMAF_CLEAR || key_of(c, number);
}

/* ---- frames ---- */

struct frame {
	int64_t x; /* its place on the grid */
	int64_t dts, cts, dur;
	size_t size;
	bool key;
};

/* Audio goes by its samples: times that container rounding moved a little are put back where they
 * belong. */
static void snap_audio(struct cmaf_track *t, struct frame *f)
{
	int64_t off = f->x - t->cut->next;

	if (t->cut->started && llabs(off) < t->scale / 200)
		f->x = f->dts = t->cut->next;
}

static size_t sample_size(const struct cmaf_track *t, const struct media_packet *p)
{
	return t->coder->size ? t->coder->size(p->data, p->size) : p->size;
}

/* What cbcs leaves clear of a picture. False: it cannot be told, so the picture is not taken. */
static bool split_frame(const struct cmaf *c, struct cmaf_track *t, const struct media_packet *p)
{
	struct cmaf_cut *cut = t->cut;

	cut->split.len = 0;
	if (c->conf.scheme != CMAF_CBCS || t->kind != MEDIA_VIDEO)
		return true;
	if (cut->sets && !t->coder->split(cut->sets, p->data, p->size, &cut->split))
		return true;
	if (!cut->warned_slices)
		log_warn(t->name, "pictures are left out: their slices are of a kind that cannot "
				  "be encrypted");
	cut->warned_slices = true;
	return false;
}

static bool read_frame(struct cmaf_track *t, const struct media_packet *p, int64_t offset_us,
		       struct frame *f)
{
	struct cmaf_cut *cut = t->cut;
	int64_t off = base_scale(offset_us, t->scale, SEC_US);

	f->dts = to_scale(t, p->dts) + off;
	f->cts = to_scale(t, p->pts) + off - f->dts;
	f->key = p->key || t->kind == MEDIA_AUDIO;
	f->size = sample_size(t, p);
	f->dur = t->kind == MEDIA_VIDEO && p->duration > 0 ? to_scale(t, p->duration) : t->frame;
	if (f->dur <= 0 || f->dur > 10 * t->scale)
		f->dur = t->frame;
	if (t->kind == MEDIA_AUDIO)
		f->cts = 0;
	else if (f->key)
		cut->cts_off = f->cts;
	f->x = f->dts + cut->cts_off;
	if (t->kind == MEDIA_AUDIO)
		snap_audio(t, f);
	return f->size && f->size < INT32_MAX / 2 && llabs(f->cts) < 10 * t->scale &&
	       (!cut->started || f->dts > cut->last_dts);
}

/* Frames from next on until the one with which the part in progress is full. */
static int64_t room_in_part(const struct cmaf *c, const struct cmaf_track *t)
{
	const struct cmaf_cut *cut = t->cut;
	int64_t number = cut->cur ? cut->cur->number : cut->last_number + 1;
	int cell = cut->cur ? cut->cell : 0;
	int64_t room =
	    cmaf_grid_start(&c->grid, t->scale, number, cell + 1) - cut->next - t->frame / 2;

	return room > 0 ? MAX(1, (room + t->frame - 1) / t->frame) * t->frame : t->frame;
}

/* Frames that an encoder left out leave a hole of time. It belongs to the frame behind it, which begins
 * where the hole does: so media go on without a break, and parts last as long as all others. What
 * comes before the hole has been sent already and cannot last longer. No frame lasts beyond the end
 * of its part; what is left of the hole the next one gets. Where frames are not shown in the order
 * of decoding, the time at which each is shown stays. A hole of more than two parts is one that
 * players may see. */
static void fill_hole(const struct cmaf *c, const struct cmaf_track *t, struct frame *f)
{
	const struct cmaf_cut *cut = t->cut;
	int64_t hole = f->x - cut->next;

	if (t->kind != MEDIA_VIDEO || !cut->started || hole < t->frame / 2 ||
	    cmaf_us(t, hole) > 2 * c->part_target_us)
		return;
	int64_t number = cmaf_grid_number(&c->grid, t->scale, f->x + t->frame / 2);
	if (cut->cur ? number != cut->cur->number : number != cut->last_number + 1 || !f->key)
		return;
	f->x -= hole;
	f->dts -= hole;
	f->dur = MIN(f->dur + hole, room_in_part(c, t));
	if (cut->cts_off || f->cts)
		f->cts += hole;
}

static int add_sample(struct cmaf *c, struct cmaf_track *t, const struct frame *f,
		      struct media_packet *p)
{
	struct cmaf_cut *cut = t->cut;

	for (size_t i = 0; i < cut->split.len; i++)
		if (vec_push(&cut->subs, cut->split.at[i]))
			return -ENOMEM;
	cut->pend[cut->npend++] = (struct sample){
	    .p = media_packet_ref(p),
	    .dts = f->dts,
	    .cts = (int32_t)f->cts,
	    .dur = (uint32_t)f->dur,
	    .size = (uint32_t)f->size,
	    .key = f->key,
	    .nsubs = (uint32_t)cut->split.len,
	};
	if (f->key && t->kind == MEDIA_VIDEO) {
		media_packet_unref(t->init->still);
		t->init->still = media_packet_ref(p);
	}
	cut->pend_dur += f->dur;
	cut->part_key |= f->key;
	cut->next = f->x + f->dur;
	cut->last_dts = f->dts;
	t->frames++;
	if (cmaf_us(t, cut->pend_dur) >= c->conf.chunk_us || cut->npend == CUT_SAMPLES)
		return cut_end_chunk(c, t);
	return 0;
}

/* The next frame should begin at cut->next: ends what that lies beyond of, to the nearest frame. */
static int end_by_grid(struct cmaf *c, struct cmaf_track *t)
{
	struct cmaf_cut *cut = t->cut;
	int64_t near = cut->next + t->frame / 2, number = cut->cur->number;

	if (near >= cmaf_grid_start(&c->grid, t->scale, number + 1, 0))
		return cut_end_part(c, t, true);
	if (near < cmaf_grid_start(&c->grid, t->scale, number, cut->cell + 1))
		return 0;
	while (near >= cmaf_grid_start(&c->grid, t->scale, number, cut->cell + 1))
		cut->cell++;
	return cut_end_part(c, t, false);
}

/* A frame that would make the part longer than PART-TARGET allows begins the next one. */
static bool too_long(struct cmaf *c, struct cmaf_track *t, const struct frame *f)
{
	struct cmaf_cut *cut = t->cut;
	bool empty = !cut->npend && cut->cur->chunk.len == cut->part_first;

	return !empty &&
	       cmaf_us(t, f->x + f->dur - cut->part_start) > c->part_target_us + MS_US / 2;
}

/* A foreign encoder that left frames out makes its key frames later than the grid was laid for: the
 * grid follows, a little. */
static void follow_key(struct cmaf *c, struct cmaf_track *t, int64_t x)
{
	struct cmaf_segment *s = t->cut->cur;
	int64_t limit_us = base_scale(SEC_US / 4, c->grid.d.num, c->grid.d.den);

	if (c->utc || !s || s->independent)
		return;
	int64_t late_us = cmaf_us(t, x) - cmaf_grid_us(&c->grid, s->number);
	if (late_us <= 0 || c->slid_us + late_us > limit_us)
		return;
	c->slid_us += late_us;
	c->grid.origin.num += late_us;
}

/* ---- a slate in the place of frames ---- */

/* Where the frame at cut->next has to end so that its part does. */
static int64_t end_of_part(const struct cmaf *c, const struct cmaf_track *t)
{
	int64_t near = t->cut->next + t->frame / 2;
	int64_t number = cmaf_grid_number(&c->grid, t->scale, near), to;
	int k = 0;

	do
		to = cmaf_grid_start(&c->grid, t->scale, number, ++k);
	while (to <= near);
	return to;
}

static int stand(struct cmaf *c, struct cmaf_track *t, struct media_packet *p, int64_t dur)
{
	struct cmaf_cut *cut = t->cut;
	int64_t cts = t->kind == MEDIA_VIDEO ? cut->cts_off : 0;
	struct frame f = {.x = cut->next,
			  .dts = cut->next - cts,
			  .cts = cts,
			  .dur = dur,
			  .size = sample_size(t, p),
			  .key = true};
	int rc = 0;

	if (!split_frame(c, t, p))
		return -EINVAL;
	if (!cut->cur) {
		int64_t number = cmaf_grid_number(&c->grid, t->scale, f.x + t->frame / 2);

		if (number <= cut->last_number)
			return -EAGAIN; /* there are gaps already */
		rc = has_key(c, number) ? cut_begin(c, t, f.x, number, true) : -EAGAIN;
	}
	if (rc)
		return rc;
	bool within = cut->npend || cut->cur->chunk.len > cut->part_first, key = cut->part_key;
	rc = add_sample(c, t, &f, p);
	if (within) /* it does not make the part begin with one */
		cut->part_key = key;
	return rc ? rc : end_by_grid(c, t);
}

/* A segment that has ended a little before its time gets nothing more: what follows begins with the next. */
static void step_over(const struct cmaf *c, struct cmaf_track *t)
{
	struct cmaf_cut *cut = t->cut;
	int64_t from = cmaf_grid_start(&c->grid, t->scale, cut->last_number, 0),
		to = cmaf_grid_start(&c->grid, t->scale, cut->last_number + 1, 0);

	if (!cut->cur && cut->next > from + t->frame && cut->next + t->frame / 2 < to)
		cut->next = to;
}

static int stand_until(struct cmaf *c, struct cmaf_track *t, struct media_packet *p, int64_t until)
{
	struct cmaf_cut *cut = t->cut;

	for (;;) {
		int64_t dur = t->kind == MEDIA_VIDEO ? end_of_part(c, t) - cut->next : t->frame;

		if (cut->next + dur > until)
			return 0;
		int rc = stand(c, t, p, dur);
		if (rc)
			return rc;
		cut->standing = true;
	}
}

int track_stand(struct cmaf *c, struct cmaf_track *t, struct media_packet *p, int64_t until)
{
	struct subsamples of_frame = t->cut->split; /* at hand, which comes behind */

	t->cut->split = (struct subsamples){0};
	step_over(c, t);
	int rc = stand_until(c, t, p, until);
	vec_free(&t->cut->split);
	t->cut->split = of_frame;
	return rc;
}

/* Does more of the source's media before segment `number` not come than a frame or two that its encoder left out? What is
 * longer than all that is listed is nobody's concern. */
static bool is_missing(const struct cmaf *c, const struct cmaf_track *t, int64_t number)
{
	const struct cmaf_cut *cut = t->cut;
	int64_t missing = cmaf_grid_start(&c->grid, t->scale, number, 0) - cut->next;

	return c->conf.slate && cut->started && number > cut->last_number &&
	       number - cut->last_number <= c->conf.window &&
	       cmaf_us(t, missing) > c->part_target_us;
}

/* The source is back: its media may go on at the beginning of a segment that the slate has not begun. What is left of that
 * which it has is the slate's. */
static bool may_return(struct cmaf *c, struct cmaf_track *t, const struct frame *f, int64_t number)
{
	struct cmaf_cut *cut = t->cut;

	if (number <= cut->last_number || !may_begin(c, t, f->x, number, f->key, false))
		return false;
	slate_stand(c, t, cmaf_grid_start(&c->grid, t->scale, number, 0) + t->frame / 2);
	cut->standing = false;
	if (llabs(f->x - cut->next) > t->scale / 200)
		cut_break(c, number); /* its frames lie otherwise than before */
	return true;
}

int track_packet(struct cmaf *c, struct cmaf_track *t, struct media_packet *p, int64_t offset_us)
{
	struct cmaf_cut *cut = t->cut;
	struct frame f;
	int rc = 0;

	if (p->key && t->coder->has_config && t->coder->has_config(p->data, p->size))
		rc = track_config(c, t, p->data, p->size);
	if (rc == -ENOMEM)
		return rc;
	rc = 0; /* damaged parameters: those before hold */
	bool split = t->init && split_frame(c, t, p);
	if (!split || !read_frame(t, p, offset_us, &f)) {
		t->dropped++;
		return 0;
	}
	if (t->kind == MEDIA_VIDEO && f.key)
		follow_key(c, t, f.x);
	fill_hole(c, t, &f);
	int64_t number = cmaf_grid_number(&c->grid, t->scale, f.x + t->frame / 2);
	cut->standing |= (t->changed && cut->was) || is_missing(c, t, number);
	if (cut->standing && !may_return(c, t, &f, number)) {
		t->dropped++;
		return 0;
	}
	bool in_run = cut->started && llabs(f.x - cut->next) < t->frame;
	if (cut->cur && (number > cut->cur->number || t->changed)) {
		rc = cut_end_short(c, t);
		if (rc)
			return rc;
	}
	if (!cut->cur) {
		/* A frame that starts nearest to the next line belongs behind it, whatever rounding
		 * says. */
		if (cut->started && number == cut->last_number &&
		    cmaf_grid_start(&c->grid, t->scale, number + 1, 0) - f.x <= t->frame)
			number++;
		if (number <= cut->last_number || !may_begin(c, t, f.x, number, f.key, in_run) ||
		    !has_key(c, number)) {
			t->dropped++;
			return 0;
		}
		rc = cut_begin(c, t, f.x, number, f.key);
	} else if (too_long(c, t, &f)) {
		rc = cut_end_part(c, t, false);
		cut->part_start = f.x;
	}
	if (!rc)
		rc = add_sample(c, t, &f, p);
	if (!rc)
		rc = end_by_grid(c, t);
	return rc;
}

void track_away(struct cmaf *c, struct cmaf_track *t, int64_t utc_us)
{
	int64_t now = base_scale(utc_us, t->scale, SEC_US);

	if (t->cut->cur && cmaf_grid_number(&c->grid, t->scale, now) > t->cut->cur->number)
		(void)!cut_end_short(c, t);
}

void track_gap(struct cmaf *c, struct cmaf_track *t, int64_t utc_us)
{
	struct cmaf_cut *cut = t->cut;
	int64_t now = base_scale(utc_us, t->scale, SEC_US);
	int64_t number = cmaf_grid_number(&c->grid, t->scale, now);

	if (cut->last_number != NO_NUMBER && !cut->cur && number > cut->last_number + 1)
		cut_fill_gaps(c, t, number);
}

void track_end(struct cmaf *c, struct cmaf_track *t)
{
	if (t->cut->cur)
		(void)!cut_end_part(c, t, true);
}

void track_reset(struct cmaf_track *t)
{
	cut_drop(t->cut);
	vec_free(&t->cut->subs);
	vec_free(&t->cut->split);
	free(t->cut->sets);
	t->cut->sets = NULL;
	init_unref(t->cut->was);
	t->cut->was = NULL;
}
