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

/* ---- the presentation ---- */

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

static void drop_presentation(struct package *p)
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

/* first_key_us: 0 for a stream in UTC. */
static void make_presentation(struct package *p, int64_t first_key_us)
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

/* ---- the source ---- */

static void on_opened(void *arg, struct media_info *info)
{
	struct package *p = arg;

	/* In the middle of a connection: its time may well go on. */
	bool goes_on = p->cmaf && p->mapped && !p->lost_us && !info->utc && !p->info->utc;

	media_info_unref(p->info);
	p->info = media_info_ref(info);
	p->goes_on = goes_on;
	p->mapped = info->utc;
	p->offset_us = goes_on ? p->offset_us : 0;
	p->keys_seen = goes_on;
	p->refused = false;
	p->was_open = true;
	p->last_media_us = loop_now_us(p->loop);
	log_info(p->conf->name, "%d tracks, times %s", info->n,
		 info->utc ? "in UTC" : "of their own");
	if (p->cmaf && cmaf_resume(p->cmaf, info)) {
		log_info(p->conf->name, "the tracks are others than before: players begin anew");
		drop_presentation(p);
		p->restarts++;
	}
}

static bool has_video(const struct media_info *info)
{
	for (int i = 0; i < info->n; i++)
		if (info->track[i].kind == MEDIA_VIDEO)
			return true;
	return false;
}

/* Within a frame or two of a segment's beginning, and of now, which it has been from the beginning. */
static bool is_on_grid(const struct package *p, int64_t us)
{
	const struct cmaf_grid *g = &p->cmaf->grid;
	int64_t off = us - cmaf_grid_us(g, cmaf_grid_number(g, SEC_US, us + SEC_US / 20));

	return llabs(off) < SEC_US / 20 && llabs(us - os_utc_us()) < SEC_US / 4;
}

/* A stream that is not in UTC: its second key frame is now (an encoder that has just begun leaves
 * frames out, so the first says little of where the others will be); on a grid that is already
 * laid, at the line of it nearest to now that is still free. */
static bool map_time(struct package *p, const struct media_packet *pkt)
{
	const struct media_track *m = &p->info->track[pkt->track];
	int64_t utc = os_utc_us(), at = utc;

	if (has_video(p->info) && (m->kind != MEDIA_VIDEO || !pkt->key))
		return false;
	if (m->kind == MEDIA_VIDEO && !p->keys_seen++)
		return false;
	if (p->cmaf && p->goes_on && is_on_grid(p, media_packet_us(p->info, pkt) + p->offset_us)) {
		p->mapped = true;
		return true;
	}
	if (p->cmaf) {
		int64_t n = cmaf_grid_number(&p->cmaf->grid, SEC_US, utc), next;
		int part;

		if (cmaf_grid_us(&p->cmaf->grid, n + 1) - utc <
		    utc - cmaf_grid_us(&p->cmaf->grid, n))
			n++;
		for (int i = 0; i < p->cmaf->n; i++) {
			const struct cmaf_segment *s = cmaf_last(p->cmaf->track[i]);

			cmaf_next(p->cmaf->track[i], &next, &part);
			if (s)
				n = MAX(n, s->complete ? next : next + 1);
		}
		at = cmaf_grid_us(&p->cmaf->grid, n);
	}
	p->offset_us = at - media_packet_us(p->info, pkt);
	p->mapped = true;
	if (!p->cmaf)
		make_presentation(p, at);
	return p->cmaf;
}

/* The source's own time jumped (a file from its beginning, an encoder restarted behind a relay). */
static bool has_jumped(const struct package *p, const struct media_packet *pkt)
{
	int64_t at = media_packet_us(p->info, pkt) + p->offset_us;

	return llabs(at - os_utc_us()) > 10 * SEC_US;
}

/* The source is back when its media can be packaged, which may be later than they come. */
static void put(struct package *p, struct media_packet *pkt)
{
	const struct cmaf_track *t = p->cmaf->track[pkt->track];
	int64_t before = t->frames;

	if (cmaf_packet(p->cmaf, pkt, p->offset_us))
		log_error(p->conf->name, "out of memory: a frame is lost");
	if (t->frames == before)
		return;
	p->last_media_us = loop_now_us(p->loop);
	p->lost_us = 0;
	p->away = false;
}

static void take(struct package *p, struct media_packet *pkt)
{
	if (p->refused)
		return;
	if (!p->info->utc && p->mapped && has_jumped(p, pkt)) {
		log_info(p->conf->name, "its time has jumped");
		p->mapped = false;
	}
	if (!p->mapped && !map_time(p, pkt))
		return;
	if (!p->cmaf)
		make_presentation(p, 0);
	if (p->cmaf && p->info->utc && pkt->track < p->cmaf->n)
		delay_add(&p->rendition[pkt->track].source,
			  os_utc_us() - media_packet_us(p->info, pkt));
	if (p->cmaf)
		put(p, pkt);
}

/* Cues, ID3 and thumbnails; before there are media they belong to none. */
static void take_beside(struct package *p, const struct media_packet *pkt)
{
	int rc = p->cmaf && p->mapped
		     ? cmaf_beside(p->cmaf, &p->info->track[pkt->track], pkt, p->offset_us)
		     : -EAGAIN;

	if (p->info->track[pkt->track].codec == MEDIA_JPEG) {
		p->pictures_n[rc != 0]++;
		if (!rc)
			thumbs_keep(p);
		return;
	}
	p->beside_n[rc != 0]++;
	if (rc == -EINVAL || rc == -EMSGSIZE)
		log_debug(p->conf->name, "a packet of %s cannot be used",
			  p->info->track[pkt->track].name);
}

static void on_packet(void *arg, struct media_packet *pkt)
{
	struct package *p = arg;

	if (p->info && pkt->track >= p->info->n && pkt->track < p->info->n + p->info->sides) {
		take_beside(p, pkt);
		media_packet_unref(pkt);
		return;
	}
	if (p->info && pkt->track >= 0 && pkt->track < p->info->n)
		take(p, pkt);
	media_packet_unref(pkt);
}

static void end_presentation(struct package *p)
{
	cmaf_end(p->cmaf);
	hold_on_end(p);
	clock_on_end(p);
	live_end(p);
	p->end_us = loop_now_us(p->loop) + p->conf->window_us;
}

static void on_lost(void *arg, const char *reason, bool final)
{
	struct package *p = arg;

	p->lost_us = loop_now_us(p->loop);
	if (!final) {
		log_warn(p->conf->name, "%s", reason);
	} else if (!p->was_open || !p->cmaf) {
		log_error(p->conf->name, "%s", reason);
		origin_ended(p->origin, p, EX_DATAERR);
	} else {
		log_info(p->conf->name, "%s: players may finish", reason);
		end_presentation(p);
	}
}

int package_open(struct package *p, const struct package_conf *c, struct stream_input **out,
		 char *err)
{
	static const struct stream_input_events ev = {
	    .opened = on_opened, .packet = on_packet, .lost = on_lost, .sides = true};
	struct stream_url url;
	int rc = stream_url_parse(&url, c->input, err);

	*out = NULL;
	if (rc)
		return rc;
	rc = stream_input_create(out, p->loop, &url, &ev, p, err);
	stream_url_finish(&url);
	return rc;
}

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
		drop_presentation(p);
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
	if (!package_open(p, p->conf, &p->input, err))
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
	    (rc = package_open(p, conf, &p->input, err)) || (rc = loop_timer_in(&p->tick, TICK_US)))
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
	drop_presentation(p);
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
		end_presentation(p);
}

void package_stop(struct package *p, int status)
{
	origin_retire(p->origin, p->input);
	p->input = NULL;
	drop_presentation(p);
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
	drop_presentation(p);
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
