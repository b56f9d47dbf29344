/* A presentation's life: it is made of the source's first media, tells everybody else what it has, ends or is dropped. */
#include <stdio.h>

#include "dvr.h"
#include "keys.h"
#include "log/log.h"
#include "os/os.h"
#include "package.h"

static void on_chunk(void *arg, struct cmaf_track *t, struct cmaf_segment *s, struct buf *chunk)
{
	struct package *p = arg;
	int64_t age_us = os_utc_us() - cmaf_us(t, s->end - t->frame);

	if (p->cmaf->conf.scheme == CMAF_AES128)
		return; /* it is in clear */
	clock_on_chunk(arg, t, s, chunk, age_us);
	live_on_chunk(arg, t, s, chunk, age_us);
}

static void on_part(void *arg, struct cmaf_track *t, struct cmaf_segment *s)
{
	struct package *p = arg;
	struct rendition *r = &p->rendition[t->index];

	if (!p->away) { /* a slate is as late as it was decided to be */
		r->latency_us = os_utc_us() - cmaf_us(t, s->end - t->frame);
		delay_add(&r->part, r->latency_us);
	}
	serve_forget(r);
	hold_on_part(p, t);
}

static void on_segment(void *arg, struct cmaf_track *t, struct cmaf_segment *s)
{
	struct package *p = arg;

	clock_on_segment(p, t, s);
	hold_on_part(p, t);
	early_ask_again(p);
	if (p->dvr)
		dvr_segment(p->dvr, p->cmaf, s, t);
}

void presentation_drop(struct package *p)
{
	if (p->cmaf) { /* what comes has no connection with it: one more, which no playlist shows */
		p->discontinuities = cmaf_discontinuities(p->cmaf) + 1;
		p->heard = p->cmaf->heard;
	}
	hold_expire(p, loop_now_us(p->loop), true);
	clock_expire(p, loop_now_us(p->loop), true);
	live_end(p);
	text_flush(p);
	for (size_t i = 0; i < ARRAY_LEN(p->rendition); i++)
		serve_forget(&p->rendition[i]);
	unexport_renditions(p);
	keys_forget(p->keys);
	cmaf_destroy(p->cmaf);
	p->cmaf = NULL;
	p->mapped = p->info && p->info->utc;
	p->keys_seen = 0;
	if (p->dvr)
		dvr_restart(p->dvr);
}

static void log_presentation(const char *name, const struct cmaf *c)
{
	char names[256] = "";

	for (int i = 0; i < c->n; i++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", c->track[i]->name);
	}
	log_info(name, "packaging %s: segments of %.3f s, parts of at most %.3f s", names,
		 (double)c->grid.d.num / (double)c->grid.d.den, (double)c->part_target_us / 1e6);
}

void presentation_make(struct package *p, int64_t first_key_us)
{
	static const struct cmaf_events ev = {
	    .chunk = on_chunk, .part = on_part, .segment = on_segment};
	const struct package_conf *pc = p->conf;
	bool again = p->state.found && first_key_us;

	p->state.found = false;
	p->discontinuities += again; /* of a stream whose time is laid anew by a restart */
	struct cmaf_conf conf = {
	    .segment_us = pc->segment_us,
	    .part_us = pc->part_us,
	    .chunk_us = pc->chunk_us,
	    .window = (int)MAX(6, pc->window_us / pc->segment_us),
	    .memory = pc->memory,
	    .latency_us = pc->latency_us,
	    .slate = pc->slate_us > 0,
	    .scheme = keys_scheme(pc),
	    .keys = keys_places(p, pc),
	    .discontinuities = p->discontinuities,
	    .heard = p->heard,
	};
	char err[MAX(CMAF_ERR, MEDIA_ERR)] = "out of memory";
	int rc = package_captions(pc, &conf, err);

	if (!rc)
		rc = cmaf_create(&p->cmaf, &conf, p->info, first_key_us, &ev, p, err);
	if (rc) {
		if (!p->refused)
			log_error(p->conf->name, "%s", err);
		p->refused = true;
		return;
	}
	for (int i = 0; i < p->cmaf->n; i++)
		export_rendition(p, p->cmaf->track[i]);
	keys_tick(p->keys, p->cmaf);
	log_presentation(p->conf->name, p->cmaf);
}

void presentation_end(struct package *p)
{
	cmaf_end(p->cmaf);
	hold_on_end(p);
	clock_on_end(p);
	live_end(p);
	p->end_us = loop_now_us(p->loop) + p->conf->window_us;
}
