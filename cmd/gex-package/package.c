#include "package.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

#include "log/log.h"
#include "os/os.h"

#define TICK_US (100 * MS_US)
#define AWAY_US (20 * SEC_US) /* after that long without a source there is nothing to serve */

/* ---- the presentation ---- */

static double read_latency(void *arg)
{
	return (double)((struct rendition *)arg)->latency_us / 1e6;
}

static double read_count(void *arg)
{
	return (double)*(int64_t *)arg;
}

static double read_rendition_viewers(void *arg)
{
	struct rendition *r = arg;

	return viewers_of(&r->p->viewers, r->t, loop_now_us(r->p->loop));
}

static void export_rendition(struct package *p, struct cmaf_track *t)
{
	struct rendition *r = &p->rendition[t->index];
	char labels[128] = "";

	metrics_label(labels, sizeof(labels), "rendition", t->name);
	r->latency_us = 0;
	r->gauge = metrics_gauge_fn(p->metrics, "gex_package_latency_seconds",
				    "Age of the newest frame of the last part when it was listed.",
				    labels, read_latency, r);
	delay_export(&r->source, p->metrics, "gex_package_source_latency_seconds",
		     "Age of each frame when it came, of sources in UTC.", labels);
	delay_export(&r->part, p->metrics, "gex_package_part_latency_seconds",
		     "Age of the newest frame of each part when it was listed.", labels);
	delay_export(&r->sent, p->metrics, "gex_package_sent_latency_seconds",
		     "Age of the newest frame of each part or chunk when it was sent to a player.",
		     labels);
	r->p = p;
	r->t = t;
	r->viewers =
	    metrics_gauge_fn(p->metrics, "gex_package_rendition_viewers",
			     "Estimate of players, by the rendition that they last asked for.",
			     labels, read_rendition_viewers, r);
	r->frames = metrics_counter_fn(p->metrics, "gex_package_frames_total", "Frames packaged.",
				       labels, read_count, &t->frames);
	r->dropped = metrics_counter_fn(
	    p->metrics, "gex_package_dropped_frames_total",
	    "Frames without a place: before the first key frame, late or damaged.", labels,
	    read_count, &t->dropped);
}

static void unexport(struct package *p)
{
	for (size_t i = 0; i < MEDIA_TRACKS_MAX; i++) {
		struct rendition *r = &p->rendition[i];
		struct metric *m[] = {r->gauge,		 r->source.histogram, r->part.histogram,
				      r->sent.histogram, r->frames,	      r->dropped,
				      r->viewers};

		for (size_t k = 0; k < ARRAY_LEN(m); k++)
			if (m[k])
				metrics_remove(p->metrics, m[k]);
		r->gauge = r->frames = r->dropped = r->viewers = NULL;
		r->source = r->part = r->sent = (struct delay){0};
	}
}

static void on_chunk(void *arg, struct cmaf_track *t, struct cmaf_segment *s, struct buf *chunk)
{
	int64_t age_us = os_utc_us() - cmaf_us(t, s->end - t->frame);

	hold_on_chunk(arg, t, s, chunk, age_us);
	live_on_chunk(arg, t, s, chunk, age_us);
}

static void on_part(void *arg, struct cmaf_track *t, struct cmaf_segment *s)
{
	struct package *p = arg;
	struct rendition *r = &p->rendition[t->index];

	r->latency_us = os_utc_us() - cmaf_us(t, s->end - t->frame);
	delay_add(&r->part, r->latency_us);
	hold_on_part(p, t);
}

static void on_segment(void *arg, struct cmaf_track *t, struct cmaf_segment *s)
{
	hold_on_segment(arg, t, s);
}

static void drop_presentation(struct package *p)
{
	hold_expire(p, loop_now_us(p->loop), true);
	live_end(p);
	text_flush(p);
	unexport(p);
	cmaf_destroy(p->cmaf);
	p->cmaf = NULL;
}

static void log_presentation(const struct cmaf *c)
{
	char names[256] = "";

	for (int i = 0; i < c->n; i++) {
		size_t n = strlen(names);

		snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", c->track[i]->name);
	}
	log_info(NULL, "packaging %s: segments of %.3f s, parts of at most %.3f s", names,
		 (double)c->grid.d.num / (double)c->grid.d.den, (double)c->part_target_us / 1e6);
}

/* first_key_us: 0 for a stream in UTC. */
static void make_presentation(struct package *p, int64_t first_key_us)
{
	static const struct cmaf_events ev = {
	    .chunk = on_chunk, .part = on_part, .segment = on_segment};
	const struct package_conf *pc = p->conf;
	struct cmaf_conf conf = {
	    .segment_us = pc->segment_us,
	    .part_us = pc->part_us,
	    .chunk_us = pc->chunk_us,
	    .window = (int)MAX(6, pc->window_us / pc->segment_us),
	    .memory = pc->memory,
	    .latency_us = pc->latency_us,
	};
	char err[CMAF_ERR] = "out of memory";
	int rc = cmaf_create(&p->cmaf, &conf, p->info, first_key_us, &ev, p, err);

	if (rc) {
		if (!p->refused)
			log_error("input", "%s", err);
		p->refused = true;
		return;
	}
	for (int i = 0; i < p->cmaf->n; i++)
		export_rendition(p, p->cmaf->track[i]);
	log_presentation(p->cmaf);
}

/* ---- the source ---- */

static void on_opened(void *arg, struct media_info *info)
{
	struct package *p = arg;

	media_info_unref(p->info);
	p->info = media_info_ref(info);
	p->mapped = info->utc;
	p->offset_us = 0;
	p->keys_seen = 0;
	p->refused = false;
	p->was_open = true;
	p->lost_us = 0;
	p->last_packet_us = loop_now_us(p->loop);
	log_info("input", "%d tracks, times %s", info->n, info->utc ? "in UTC" : "of their own");
	if (p->cmaf && cmaf_resume(p->cmaf, info)) {
		log_info("input", "the tracks are others than before: players begin anew");
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

static void take(struct package *p, struct media_packet *pkt)
{
	if (p->refused)
		return;
	if (!p->info->utc && p->mapped && has_jumped(p, pkt)) {
		log_info("input", "its time has jumped");
		p->mapped = false;
	}
	if (!p->mapped && !map_time(p, pkt))
		return;
	if (!p->cmaf)
		make_presentation(p, 0);
	if (p->cmaf && p->info->utc && pkt->track < p->cmaf->n)
		delay_add(&p->rendition[pkt->track].source,
			  os_utc_us() - media_packet_us(p->info, pkt));
	if (p->cmaf && cmaf_packet(p->cmaf, pkt, p->offset_us))
		log_error("input", "out of memory: a frame is lost");
}

static void on_packet(void *arg, struct media_packet *pkt)
{
	struct package *p = arg;

	p->last_packet_us = loop_now_us(p->loop);
	if (p->info && pkt->track >= 0 && pkt->track < p->info->n)
		take(p, pkt);
	media_packet_unref(pkt);
}

static void on_lost(void *arg, const char *reason, bool final)
{
	struct package *p = arg;

	p->lost_us = loop_now_us(p->loop);
	p->final = final;
	if (!final) {
		log_warn("input", "%s", reason);
		return;
	}
	if (!p->was_open || !p->cmaf) {
		log_error("input", "%s", reason);
		p->ended(p->ended_arg, EX_DATAERR);
		return;
	}
	log_info("input", "%s: players may finish", reason);
	cmaf_end(p->cmaf);
	hold_on_end(p);
	live_end(p);
	p->end_us = p->lost_us + p->conf->window_us;
}

/* ---- the clock ---- */

static int64_t worst_latency(const struct package *p)
{
	int64_t worst = 0;

	for (int i = 0; p->cmaf && i < p->cmaf->n; i++)
		worst = MAX(worst, p->rendition[i].latency_us);
	return worst;
}

/* Without a source the playlists go on by gaps, as late as the source's frames were and a little more:
 * little when it is known to be gone (a new segment is due within 1.5 target durations, RFC 8216bis
 * 6.2.2), a whole segment while it may only have stopped for breath. */
static void while_away(struct package *p, int64_t now)
{
	int64_t d_us = base_scale(SEC_US, p->cmaf->grid.d.num, p->cmaf->grid.d.den);
	int64_t away = now - (p->lost_us ? p->lost_us : p->last_packet_us);
	int64_t slack = p->lost_us ? d_us / 4 : d_us;

	if (away > MAX(AWAY_US, p->conf->window_us)) {
		log_warn("input", "no media for %lld s: nothing to serve",
			 (long long)(away / SEC_US));
		drop_presentation(p);
	} else if (away > slack) {
		cmaf_gap(p->cmaf, os_utc_us() - CLAMP(worst_latency(p), 0, 5 * SEC_US) - slack);
	}
}

void package_status(struct package *p, char *line, size_t cap)
{
	char state[48] = "no media";
	int64_t sent = http_server_sent(p->server), now = loop_now_us(p->loop);
	double rate =
	    p->status_us ? (double)(sent - p->status_sent) * 8 / ((double)(now - p->status_us)) : 0;
	if (p->cmaf)
		snprintf(state, sizeof(state), "%d tracks, latency %.0f ms", p->cmaf->n,
			 (double)worst_latency(p) / 1e3);
	snprintf(line, cap, "%s | %d viewers, %d held, %.1f Mbit/s out", state,
		 viewers_count(&p->viewers, now), p->held, rate);
	p->status_us = now;
	p->status_sent = sent;
}

static void on_tick(void *arg)
{
	struct package *p = arg;
	int64_t now = loop_now_us(p->loop);

	if (p->cmaf && !p->final)
		while_away(p, now);
	hold_expire(p, now, false);
	if (p->end_us && now >= p->end_us)
		p->ended(p->ended_arg, EX_OK);
	else
		loop_timer_in(&p->tick, TICK_US);
}

/* ---- making and ending ---- */

static double read_held(void *arg)
{
	return ((struct package *)arg)->held;
}

static double read_viewers(void *arg)
{
	struct package *p = arg;

	return viewers_count(&p->viewers, loop_now_us(p->loop));
}

static double read_bytes(void *arg)
{
	struct package *p = arg;

	return p->cmaf ? (double)p->cmaf->bytes : 0;
}

static double read_input_dropped(void *arg)
{
	struct package *p = arg;

	return p->input ? (double)stream_input_dropped(p->input) : 0;
}

static void export_package(struct package *p)
{
	struct metrics *m = p->metrics;

	metrics_gauge_fn(m, "gex_package_held_requests",
			 "Requests waiting for what is not yet there.", NULL, read_held, p);
	static const char *kinds[HOLD_KINDS] = {"playlist", "part", "segment"};
	for (int i = 0; i < HOLD_KINDS; i++) {
		char labels[64] = "";

		metrics_label(labels, sizeof(labels), "kind", kinds[i]);
		delay_export(&p->hold[i], m, "gex_package_hold_seconds",
			     "How long requests were held until their answer was there.", labels);
	}
	metrics_gauge_fn(m, "gex_package_viewers",
			 "Estimate of players, by address and user agent.", NULL, read_viewers, p);
	metrics_gauge_fn(m, "gex_package_stored_bytes", "Media in memory.", NULL, read_bytes, p);
	metrics_counter_fn(m, "gex_package_input_dropped_total",
			   "Packets dropped because the packager was too slow.", NULL,
			   read_input_dropped, p);
	for (int i = ACCESS_ADDRESS; i < ACCESS_VERDICTS; i++) {
		char labels[64] = "";

		metrics_label(labels, sizeof(labels), "reason", access_names[i]);
		metrics_counter_fn(m, "gex_package_access_refused_total",
				   "Requests answered by 403, by reason.", labels, read_count,
				   &p->refused_access[i]);
	}
	metrics_counter_fn(m, "gex_package_restarts_total",
			   "Times the tracks changed so that players had to begin anew.", NULL,
			   read_count, &p->restarts);
	http_server_metrics(p->server, m, "gex_package");
}

static struct http_limits limits_of(const struct package_conf *c)
{
	struct http_limits lim = HTTP_LIMITS;

	lim.conns = (int)c->max_connections;
	lim.conns_per_addr = (int)c->max_per_address;
	lim.streams = (int)c->max_streams;
	lim.requests = (int)c->max_requests;
	lim.head_us = c->head_us;
	lim.idle_us = c->idle_us;
	lim.stall_us = c->stall_us;
	return lim;
}

static int listen_http(struct package *p, char *err)
{
	const struct package_conf *c = p->conf;
	struct http_limits lim = limits_of(c);
	const char *list = c->listen, *at;
	char addr[256];
	int rc = http_server_create(&p->server, p->loop, &lim, serve, p);

	if (!rc && c->certificate)
		rc = http_server_certificate(p->server, c->certificate, c->key, err);
	while (!rc && conf_list_next(&list, addr, sizeof(addr)) > 0)
		rc = http_server_listen(p->server, addr, err);
	for (size_t i = 0; !rc && (at = http_server_listener(p->server, i)); i++)
		log_info(NULL, "serving %s%s%s/", at, str_starts(at, "unix:") ? " /" : "/",
			 c->name);
	return rc;
}

static int open_input(struct package *p, char *err)
{
	static const struct stream_input_events ev = {
	    .opened = on_opened, .packet = on_packet, .lost = on_lost};
	struct stream_url url;
	int rc = stream_url_parse(&url, p->conf->input, err);

	if (rc)
		return rc;
	rc = stream_input_create(&p->input, p->loop, &url, &ev, p, err);
	stream_url_finish(&url);
	return rc;
}

int package_create(struct package **out, const struct package_conf *conf, struct loop *l,
		   struct metrics *m, void (*ended)(void *arg, int status), void *arg, char *err)
{
	struct package *p = calloc(1, sizeof(*p));
	int rc;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->conf = conf;
	p->loop = l;
	p->metrics = m;
	p->ended = ended;
	p->ended_arg = arg;
	list_init(&p->live_list);
	for (size_t i = 0; i < MEDIA_TRACKS_MAX; i++) {
		list_init(&p->rendition[i].held);
		list_init(&p->rendition[i].trickled);
	}
	loop_timer_init(l, &p->tick, on_tick, p);
	if ((rc = package_access(conf, &p->access, err)) || (rc = listen_http(p, err)) ||
	    (rc = open_input(p, err)) || (rc = loop_timer_in(&p->tick, TICK_US)))
		goto fail;
	share_load(&p->share, conf->share);
	export_package(p);
	*out = p;
	return 0;
fail:
	package_destroy(p);
	return rc;
}

static void swap(char **a, char **b)
{
	char *t = *a;

	*a = *b;
	*b = t;
}

int package_reload(struct package *p, struct package_conf *conf, struct package_conf *fresh,
		   char *err)
{
	struct access *access = NULL;
	int rc = package_access(fresh, &access, err);

	if (!rc && fresh->certificate)
		rc = http_server_certificate(p->server, fresh->certificate, fresh->key, err);
	if (rc) {
		access_destroy(access);
		return rc;
	}
	access_destroy(p->access);
	p->access = access;
	swap(&conf->access_keys, &fresh->access_keys);
	swap(&conf->allow, &fresh->allow);
	swap(&conf->deny, &fresh->deny);
	struct http_limits lim = limits_of(fresh);
	http_server_set_limits(p->server, &lim);
	swap(&conf->certificate, &fresh->certificate);
	swap(&conf->key, &fresh->key);
	return 0;
}

void package_drain(struct package *p)
{
	hold_expire(p, loop_now_us(p->loop), true);
	live_end(p);
	http_server_drain(p->server);
}

void package_destroy(struct package *p)
{
	if (!p)
		return;
	loop_timer_stop(&p->tick);
	stream_input_destroy(p->input);
	drop_presentation(p);
	http_server_destroy(p->server);
	share_finish(&p->share);
	http_page_finish(&p->delays);
	access_destroy(p->access);
	media_info_unref(p->info);
	free(p);
}
