#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "log/log.h"
#include "os/os.h"
#include "transcode.h"

#define DRAIN_US (3 * SEC_US) /* after a stop: for what was read to be encoded and taken */
#define CLOSE_US (2 * SEC_US) /* sinks may take so long for what is queued */

struct sink {
	struct job *j;
	char *name; /* for logs */
	struct stream_sink *s;
	const char *format; /* the configuration's */
};

struct job {
	struct loop *loop;
	struct figures *figures;
	struct source {
		struct stream_source *s;
		char *name; /* for logs */
	} source[INPUTS_MAX];
	int sources;
	struct engine *engine;
	struct sink sink[OUTPUTS_MAX];
	int sinks, closing;
	struct loop_timer drain;
	bool stopped, done, closed;
	bool orphan; /* destroyed while sinks were closing: the last of them frees */
	int status;
	void (*ended)(void *arg, int status);
	void *arg;
};

/* ---- the end: the engine's, then each sink's ---- */

static void free_job(struct job *j)
{
	for (int i = 0; i < j->sinks; i++)
		free(j->sink[i].name);
	for (int i = 0; i < j->sources; i++)
		free(j->source[i].name);
	free(j);
}

static void on_sink_closed(void *arg)
{
	struct job *j = arg;

	if (--j->closing)
		return;
	if (j->orphan)
		free_job(j);
	else
		j->ended(j->arg, j->status);
}

static void close_sinks(struct job *j)
{
	j->closed = true;
	j->closing = 1;
	figures_sinks_close(j->figures);
	for (int i = 0; i < j->sinks; i++) {
		struct stream_sink *s = j->sink[i].s;

		j->sink[i].s = NULL;
		if (!s)
			continue;
		j->closing++;
		stream_sink_close(s, CLOSE_US, on_sink_closed, j);
	}
	on_sink_closed(j);
}

static void on_end(void *arg, int err, const char *reason)
{
	struct job *j = arg;

	if (err && !j->status) {
		log_error(j->source[0].name, "%s", reason);
		j->status = err == -EINVAL ? EX_DATAERR : os_exit_status(err);
	}
	j->done = true;
	loop_timer_in(&j->drain, 0);
}

static void on_sink_error(void *arg, int err)
{
	struct sink *s = arg;

	log_error(s->name, "%s", err == -EPIPE ? "the reader has gone" : strerror(-err));
	if (!s->j->status)
		s->j->status = EX_IOERR;
	job_stop(s->j);
}

void job_stop(struct job *j)
{
	if (j->stopped)
		return;
	j->stopped = true;
	engine_stop(j->engine);
	if (!j->done)
		loop_timer_in(&j->drain, DRAIN_US);
}

/* The engine has given out everything, or an output does not take what there is. */
static void on_drain(void *arg)
{
	struct job *j = arg;

	if (j->closed)
		return;
	if (!j->done)
		log_warn(NULL, "an output takes nothing: what is still to be written is given up");
	close_sinks(j);
}

/* ---- what the engine tells ---- */

static void on_opened(void *arg, int input, const char *what)
{
	struct job *j = arg;

	log_info(j->source[input].name, "%s", what);
}

static void on_lost(void *arg, int input, const char *reason)
{
	struct job *j = arg;

	if (!j->stopped)
		log_warn(j->source[input].name, "%s", reason);
}

static void on_switched(void *arg, int input, const char *why)
{
	struct job *j = arg;

	log_warn(j->source[input].name, "is on the air now: %s", why);
}

static void on_alert(void *arg, int input, int kind, bool on)
{
	static const char *const begins[] = {"the picture is black", "the picture stands still",
					     "there is no sound"},
				 *const ends[] = {"the picture is not black any more",
						  "the picture moves again",
						  "there is sound again"};
	struct job *j = arg;
	const char *name = j->source[input].name;
	bool fault = kind < FAILOVER_FAULTS;
	int k = fault ? kind : kind - FAILOVER_FAULTS;

	if (on)
		log_warn(name, "%s", fault ? begins[k] : alert_begins[k]);
	else
		log_info(name, "%s", fault ? ends[k] : alert_ends[k]);
}

static void say_track(const struct media_track *t)
{
	if (t->kind == MEDIA_VIDEO)
		log_info(t->name, "%s %dx%d at %.4g fps, %.2f Mbit/s", t->codec_name, t->width,
			 t->height, (double)t->fps.num / (double)t->fps.den,
			 (double)t->bitrate / 1e6);
	else
		log_info(t->name, "%s%s%s %d Hz, %d channel%s, %lld kbit/s%s", t->lang,
			 *t->lang ? " " : "", t->codec == MEDIA_OPUS ? "Opus" : "AAC",
			 t->sample_rate, t->channels, t->channels > 1 ? "s" : "",
			 (long long)t->bitrate / 1000, t->standard ? ", the default" : "");
}

static void say_side(const struct job *j, const struct media_track *t)
{
	if (t->codec != MEDIA_JPEG) {
		log_info(t->name, "is passed on");
		return;
	}
	log_info(t->name, "%dx%d, one in %.4g s", t->width, t->height,
		 (double)t->fps.den / (double)t->fps.num);
	for (int i = 0; i < j->sinks; i++)
		if (j->sink[i].s && !media_mux_thumbnails(j->sink[i].format))
			log_warn(j->sink[i].name, "%s carries no thumbnails: they are left out",
				 j->sink[i].format);
}

static void on_start(void *arg, struct media_info *info)
{
	struct job *j = arg;

	for (int i = 0; i < info->n; i++)
		say_track(&info->track[i]);
	for (int i = info->n; i < info->n + info->sides; i++)
		say_side(j, &info->track[i]);
	figures_start(j->figures, info);
	for (int i = 0; i < j->sinks; i++) {
		int rc = j->sink[i].s ? stream_sink_start(j->sink[i].s, info) : 0;

		if (!rc)
			continue;
		log_error(j->sink[i].name, "%s", strerror(-rc));
		j->status = os_exit_status(rc);
		job_stop(j);
	}
}

static void on_packet(void *arg, struct media_packet *p, int64_t took_us)
{
	struct job *j = arg;

	figures_packet(j->figures, p, took_us, os_utc_us());
	for (int i = 0; i < j->sinks; i++)
		if (j->sink[i].s)
			stream_sink_write(j->sink[i].s, p);
}

static size_t on_queued(void *arg)
{
	struct job *j = arg;
	size_t most = 0;

	for (int i = 0; i < j->sinks; i++)
		if (j->sink[i].s)
			most = MAX(most, stream_sink_queued(j->sink[i].s));
	return most;
}

static const struct engine_events events = {on_opened, on_lost, on_switched, on_start,
					    on_packet, on_end,	on_queued,   on_alert};

/* ---- set-up ---- */

static int source_wait(void *arg)
{
	return stream_source_wait(arg);
}

static const char *source_peer(void *arg)
{
	return stream_source_peer(arg);
}

static void source_cancel(void *arg)
{
	stream_source_cancel(arg);
}

static bool is_file(const struct stream_url *u)
{
	struct stat st;

	return u->scheme == STREAM_FILE && !stat(u->path, &st) && S_ISREG(st.st_mode);
}

static int open_source(struct job *j, const struct stream_url *u, struct engine_source *s,
		       char *err)
{
	struct source *in = &j->source[j->sources];

	in->name = str_ndup(u->shown, strlen(u->shown));
	if (!in->name)
		return -ENOMEM;
	j->sources++;
	*s = (struct engine_source){.live = !is_file(u),
				    .paced = u->realtime > 0,
				    .loops = u->loop || u->list,
				    .format = stream_url_input_format(u)};
	s->once = u->scheme == STREAM_PIPE || (!s->live && !u->loop);
	if (u->scheme == STREAM_HTTP) {
		s->url = u->path;
		return 0;
	}
	int rc = stream_source_create(&in->s, u, err);
	if (rc)
		return rc;
	s->arg = in->s;
	s->wait = source_wait;
	s->read = stream_source_read;
	s->seek = stream_source_seek;
	s->peer = source_peer;
	s->cancel = source_cancel;
	return 0;
}

static int open_sink(struct job *j, const struct output_conf *o, char *err)
{
	struct sink *s = &j->sink[j->sinks];
	int rc;

	if (o->url.scheme == STREAM_PIPE && isatty(STDOUT_FILENO)) {
		snprintf(err, MEDIA_ERR,
			 "standard output is a terminal; a stream is not for reading");
		return -EINVAL;
	}
	s->j = j;
	s->format = stream_url_output_format(&o->url);
	s->name = str_ndup(o->url.shown, strlen(o->url.shown));
	if (!s->name)
		return -ENOMEM;
	j->sinks++;
	rc = stream_sink_create(&s->s, j->loop, &o->url, err);
	if (rc)
		return rc;
	stream_sink_on_error(s->s, on_sink_error, s);
	figures_sink(j->figures, o->name, s->s);
	return 0;
}

int job_create(struct job **out, struct loop *l, const struct conf *c, struct figures *f,
	       void (*ended)(void *arg, int status), void *arg, char *err)
{
	struct engine_conf ec = {.gop_us = c->gop_us,
				 .cascade = c->cascade,
				 .sound_only = !c->video,
				 .like = c->audio.sound,
				 .silence_db = c->silence_db,
				 .deinterlace = c->deinterlace,
				 .loss_us = c->loss_us,
				 .return_us = c->return_us,
				 .fault_us = {[FAULT_BLACK] = c->black_us,
					      [FAULT_FROZEN] = c->frozen_us,
					      [FAULT_SILENT] = c->silent_us},
				 .alert_us = {[FAULT_BLACK] = c->alert_us[FAULT_BLACK],
					      [FAULT_FROZEN] = c->alert_us[FAULT_FROZEN],
					      [FAULT_SILENT] = c->alert_us[FAULT_SILENT]},
				 .alerts = c->alerts,
				 .slate_us = c->slate_us ? c->slate_us : NEVER_US,
				 .slate_file = c->slate_file,
				 .slate_text = c->slate_text};
	struct job *j = calloc(1, sizeof(*j));
	int rc = -ENOMEM;

	if (!j)
		goto fail;
	j->loop = l;
	loop_timer_init(l, &j->drain, on_drain, j);
	j->figures = f;
	j->ended = ended;
	j->arg = arg;
	for (size_t i = 0; i < c->rungs.len; i++)
		ec.rung[ec.rungs++] = c->rungs.at[i]->rung;
	for (size_t i = 0; i < c->audios.len; i++)
		ec.sound[ec.sounds++] = c->audios.at[i]->sound;
	for (size_t i = 0; i < c->overlays.len; i++)
		ec.overlay[ec.overlays++] = c->overlays.at[i]->draw;
	for (size_t i = 0; i < c->thumbnails.len; i++) {
		const struct thumbnail_conf *k = c->thumbnails.at[i];

		ec.thumb[ec.thumbs++] = (struct thumb_conf){.name = k->name,
							    .path = k->path,
							    .track = k->track,
							    .every_us = k->every_us,
							    .height = (int)k->height / 2 * 2,
							    .quality = (int)k->quality};
	}
	if ((rc = open_source(j, &c->input, &ec.source[ec.sources++], err)))
		goto fail;
	for (size_t i = 0; i < c->backups.len; i++)
		if ((rc = open_source(j, &c->backups.at[i]->url, &ec.source[ec.sources++], err)))
			goto fail;
	for (size_t i = 0; i < c->outputs.len; i++)
		if ((rc = open_sink(j, c->outputs.at[i], err)))
			goto fail;
	if ((rc = engine_create(&j->engine, l, &ec, &events, j, err)))
		goto fail;
	figures_engine(f, j->engine);
	*out = j;
	return 0;
fail:
	if (!*err)
		snprintf(err, MEDIA_ERR, "%s", strerror(-rc));
	job_destroy(j);
	return rc;
}

void job_destroy(struct job *j)
{
	if (!j)
		return;
	if (j->loop)
		loop_timer_stop(&j->drain);
	engine_destroy(j->engine);
	for (int i = 0; i < j->sources; i++)
		stream_source_destroy(j->source[i].s);
	for (int i = 0; i < j->sinks; i++)
		if (j->sink[i].s)
			stream_sink_close(j->sink[i].s, 0, NULL, NULL);
	j->orphan = true;
	if (!j->closing)
		free_job(j);
}
