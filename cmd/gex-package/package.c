#include "origin.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

#include "dvr.h"
#include "keys.h"
#include "log/log.h"
#include "os/os.h"
#include "vod.h"

#define REOPEN_US SEC_US
#define TICK_US (100 * MS_US)
#define AWAY_US (20 * SEC_US) /* after that long without a source there is nothing to serve */

/* ---- the clock ---- */

int64_t package_latency_us(const struct package *p)
{
	int64_t worst = 0;

	for (int i = 0; p->cmaf && i < p->cmaf->n; i++)
		worst = MAX(worst, p->rendition[i].latency_us);
	return worst;
}

static int64_t slack_us(const struct package *p)
{
	int64_t d_us = base_scale(SEC_US, p->cmaf->grid.d.num, p->cmaf->grid.d.den);

	return p->lost_us ? d_us / 4 : d_us;
}

/* How long the source has been missed, beyond what may be a pause for breath; negative: it has not. */
static int64_t away_us(const struct package *p, int64_t now)
{
	return now - (p->lost_us ? p->lost_us : p->last_media_us) - slack_us(p);
}

/* Without a source the playlists go on by gaps, as late as the source's frames were and a little more:
 * little when it is known to be gone (a new segment is due within 1.5 target durations, RFC 8216bis
 * 6.2.2), a whole segment while it may only have stopped for breath. */
static void while_away(struct package *p, int64_t now)
{
	int64_t slack = slack_us(p), away = away_us(p, now);

	p->away = away > 0;
	if (away + slack > MAX(AWAY_US, p->conf->window_us)) {
		log_warn(p->conf->name, "no media for %lld s: nothing to serve",
			 (long long)((away + slack) / SEC_US));
		presentation_drop(p);
	} else if (away > 0) {
		int64_t utc = os_utc_us() - CLAMP(package_latency_us(p), 0, 5 * SEC_US) - slack;

		if (away > p->conf->slate_us || !cmaf_stand(p->cmaf, utc))
			cmaf_gap(p->cmaf, utc);
		clock_on_away(p, utc);
	}
}

void package_status(const struct package *p, char *out, size_t cap)
{
	if (p->cmaf)
		snprintf(out, cap, "%d tracks, latency %.0f ms", p->cmaf->n,
			 (double)package_latency_us(p) / 1e3);
	else
		snprintf(out, cap, "no media");
}

const char *package_state(const struct package *p)
{
	if (p->over)
		return p->status ? "failed" : "over";
	if (!p->cmaf || !cmaf_ready(p->cmaf))
		return "waiting";
	if (p->cmaf->ended)
		return "ended";
	return away_us(p, loop_now_us(p->loop)) > 0 ? "away" : "live";
}

static void reopen(struct package *p, int64_t now)
{
	char err[MEDIA_ERR] = "";

	if (!p->lost_us)
		p->lost_us = now;
	if (!source_open(p, p->conf, &p->input, err))
		return;
	if (!p->reopen_us)
		log_error(p->conf->name, "%s; trying again", err);
	p->reopen_us = now + REOPEN_US;
}

static void keep_state(struct package *p)
{
	if (p->cmaf)
		state_keep(&p->state, p->conf->name, cmaf_discontinuities(p->cmaf),
			   p->cmaf->heard | p->state.heard);
}

static void on_tick(void *arg)
{
	struct package *p = arg;
	int64_t now = loop_now_us(p->loop);

	if (!p->input && !p->over && !p->leaving && now >= p->reopen_us)
		reopen(p, now);
	if (p->cmaf && !p->cmaf->ended)
		while_away(p, now);
	keep_state(p);
	keys_tick(p->keys, p->cmaf);
	hold_expire(p, now, false);
	clock_expire(p, now, false);
	early_ask_again(p);
	loop_timer_in(&p->tick, TICK_US);
	if (p->end_us && now >= p->end_us)
		origin_ended(p->origin, p, EX_OK); /* p may be no more */
}

/* ---- making and ending ---- */

/* Where keys of the past are kept, as dvr_conf has it: where players get none from here they are none of its business. */
static const char *keys_of_past(const struct package_conf *pc)
{
	return pc->encryption_uri ? NULL : pc->dvr_keys ? pc->dvr_keys : "";
}

static int open_dvr(struct package *p, const struct package_conf *pc, char *err)
{
	struct dvr_conf c = {
	    .dir = pc->dvr,
	    .name = pc->name,
	    .window_us = pc->dvr_window_us,
	    .size = pc->dvr_size,
	    .clip_us = pc->clip_us,
	    .keys = keys_of_past(pc),
	};
	int rc = c.dir && *c.dir ? origin_disks(p->origin, &c.write, &c.read) : -ENOENT;

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	return dvr_create(&p->dvr, &c, p->loop, p->metrics, err);
}

static int open_vod(struct package *p, const struct package_conf *conf)
{
	struct disk *write, *read;
	const char *dir = conf->vod;
	int rc = dir && *dir ? origin_disks(p->origin, &write, &read) : -ENOENT;

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	return vod_create(&p->vod, dir, read, p->loop);
}

int package_create(struct package **out, struct package_conf *conf, struct access *access,
		   struct origin *o, char *err)
{
	struct package *p = calloc(1, sizeof(*p));
	int rc;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	list_init(&p->link);
	p->origin = o;
	p->loop = o->loop;
	p->metrics = o->metrics;
	list_init(&p->live_list);
	list_init(&p->early);
	p->began_us = loop_now_us(o->loop);
	for (size_t i = 0; i < CMAF_RENDITIONS; i++) {
		for (int kind = 0; kind < HOLD_KINDS; kind++)
			list_init(&p->rendition[i].held[kind]);
		list_init(&p->rendition[i].trickled);
	}
	loop_timer_init(p->loop, &p->tick, on_tick, p);
	loop_timer_init(p->loop, &p->more, hold_go_on, p);
	snprintf(p->license, sizeof(p->license), "/%.64s/license", conf->name);
	if ((rc = keys_create(&p->keys, conf, p->loop, err)) || (rc = open_dvr(p, conf, err)) ||
	    (rc = open_vod(p, conf)) ||
	    (rc = state_open(&p->state, conf->state, conf->name, err)) ||
	    (rc = source_open(p, conf, &p->input, err)) || (rc = loop_timer_in(&p->tick, TICK_US)))
		goto fail;
	p->conf = conf;
	p->access = access;
	p->discontinuities = p->state.kept;
	p->heard = p->state.heard;
	*out = p;
	return 0;
fail:
	package_destroy(p);
	return rc;
}

/* ---- while it runs ---- */

/* The next media begin a presentation. */
static void begin_anew(struct package *p)
{
	presentation_drop(p);
	p->refused = false;
}

static void swap_input(struct package *p, struct stream_input *input)
{
	origin_retire(p->origin, p->input);
	p->input = input;
	p->reopen_us = 0;
	p->was_open = p->over = false;
	p->status = 0;
	p->end_us = 0;
	if (!p->lost_us)
		p->lost_us = loop_now_us(p->loop);
}

unsigned package_needs(const struct package *p, unsigned changes)
{
	bool ended = p->over || (p->cmaf && p->cmaf->ended);

	if (p->status || (ended && changes & (CHANGED_INPUT | CHANGED_FORM)))
		changes |= CHANGED_INPUT | CHANGED_FORM;
	return changes;
}

static void change_dvr(struct package *p, const struct package_conf *c)
{
	const char *was = p->conf->dvr ? p->conf->dvr : "", *is = c->dvr ? c->dvr : "";
	const char *keys_were = keys_of_past(p->conf), *keys_are = keys_of_past(c);
	char err[DVR_ERR] = "";

	if (strcmp(was, is) || !keys_were != !keys_are ||
	    (keys_are && strcmp(keys_were, keys_are))) {
		dvr_destroy(p->dvr);
		p->dvr = NULL;
		if (open_dvr(p, c, err))
			log_error(c->name, "nothing is kept: %s", err);
	}
	if (!p->dvr)
		return;
	p->dvr->window_us = c->dvr_window_us;
	p->dvr->size = c->dvr_size;
	p->dvr->clip_us = c->clip_us;
}

static void change_vod(struct package *p, const struct package_conf *c)
{
	const char *was = p->conf->vod ? p->conf->vod : "", *is = c->vod ? c->vod : "";

	if (!strcmp(was, is))
		return;
	vod_destroy(p->vod);
	p->vod = NULL;
	if (open_vod(p, c))
		log_error(c->name, "recordings in %s cannot be served", is);
}

static void change_state(struct package *p, const struct package_conf *c)
{
	const char *was = p->conf->state ? p->conf->state : "", *is = c->state ? c->state : "";
	char err[MEDIA_ERR] = "";

	if (!strcmp(was, is))
		return;
	state_finish(&p->state);
	if (state_open(&p->state, is, c->name, err))
		log_error(c->name, "nothing is kept: %s", err);
}

void package_change(struct package *p, struct package_conf *conf, struct access *access,
		    struct keys *keys, struct stream_input *input, unsigned changes)
{
	change_dvr(p, conf);
	change_vod(p, conf);
	change_state(p, conf);
	if (changes & CHANGED_FORM) {
		keys_destroy(p->keys);
		p->keys = keys;
	} else {
		keys_take(p->keys, conf);
	}
	access_destroy(p->access);
	p->access = access;
	package_conf_free(&origin_table, p->conf);
	p->conf = conf;
	if (input)
		swap_input(p, input);
	if (changes & CHANGED_FORM)
		begin_anew(p);
	if (!p->cmaf)
		return;
	p->cmaf->conf.memory = conf->memory;
	p->cmaf->conf.slate = conf->slate_us > 0;
	p->cmaf->conf.keys = keys_places(p, conf);
}

void package_leave(struct package *p)
{
	p->leaving = true;
	dvr_destroy(p->dvr); /* its folder may have another owner from here on */
	p->dvr = NULL;
	keep_state(p);
	state_finish(&p->state); /* the same */
	origin_retire(p->origin, p->input);
	p->input = NULL;
	if (p->over || !p->cmaf || !cmaf_ready(p->cmaf))
		p->end_us = loop_now_us(p->loop);
	else if (!p->cmaf->ended)
		presentation_end(p);
}

void package_stop(struct package *p, int status)
{
	origin_retire(p->origin, p->input);
	p->input = NULL;
	presentation_drop(p);
	p->over = true;
	p->status = status;
	p->end_us = 0;
}

bool package_allows(struct package *p, const struct http_request *r)
{
	char token[ACCESS_TOKEN_MAX];
	enum access_verdict v =
	    p->access ? access_check(p->access, r, os_utc_us() / SEC_US, token) : ACCESS_OK;

	p->refused_access[v]++;
	return v == ACCESS_OK;
}

void package_drain(struct package *p)
{
	hold_expire(p, loop_now_us(p->loop), true);
	clock_expire(p, loop_now_us(p->loop), true);
	early_drain(p);
	live_end(p);
}

void package_destroy(struct package *p)
{
	if (!p)
		return;
	loop_timer_stop(&p->tick);
	loop_timer_stop(&p->more);
	stream_input_destroy(p->input);
	keep_state(p);
	state_finish(&p->state);
	presentation_drop(p);
	early_drain(p);
	keys_destroy(p->keys);
	dvr_destroy(p->dvr);
	vod_destroy(p->vod);
	shift_flush(p);
	unexport_package(p);
	index_forget(p);
	http_page_finish(&p->delays);
	media_info_unref(p->info);
	access_destroy(p->access);
	package_conf_free(&origin_table, p->conf);
	list_remove(&p->link);
	free(p);
}
