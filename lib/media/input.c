#include <errno.h>
#include <stdio.h>

#include "media/pipeline.h"
#include "media/route.h"
#include "os/os.h"

#define BACKOFF_US (300 * MS_US)
#define BACKOFF_URL_US SEC_US
#define SPREAD_MAX_US (60 * SEC_US) /* further ahead is a jump */
#define SPREAD_LATE_US SEC_US	    /* later than one track behind the other: it paused */
/* In which the preferred input may come first, and decide what the output is like. */
#define FIRST_US (2 * SEC_US)

/* Sleeps, unless cancelled. False: cancelled. */
static bool sleep_until(struct engine *e, int64_t until_us)
{
	pthread_mutex_lock(&e->lock);
	while (!e->cancel && !e->closing && os_mono_us() < until_us)
		cond_wait_until(&e->changed, &e->lock, until_us);
	pthread_mutex_unlock(&e->lock);
	return !e->cancel;
}

static int first_of(const struct media_info *info, enum media_kind kind)
{
	for (int i = 0; i < info->n; i++)
		if (info->track[i].kind == kind)
			return i;
	return -1;
}

/* The renditions of sound there will be, and what they leave to the source. Under the lock. */
static void choose_sounds(struct engine *e, const struct media_info *info)
{
	int to[SOUNDS_MAX];

	e->sounds = e->conf.sounds;
	memcpy(e->sound, e->conf.sound, sizeof(e->sound));
	if (!e->conf.like.bitrate || (!e->live && first_of(info, MEDIA_AUDIO) < 0))
		e->sounds = 0;
	else if (!e->sounds)
		e->sounds = sounds_default(e->sound, &e->conf.like, info);
	sounds_match(e->sound, e->sounds, info, to);
	for (int i = 0; i < e->sounds; i++) {
		struct sound *s = &e->sound[i];
		const struct media_track *t = to[i] < 0 ? NULL : &info->track[to[i]];

		if (t && !*s->lang)
			str_copy(s->lang, sizeof(s->lang), t->lang);
		if (t && !*s->label)
			str_copy(s->label, sizeof(s->label), t->label);
	}
}

/* What comes by the segment waits for its time, as if it came frame by frame. */
static void spread(struct input *in, struct run *r, const struct media_packet *p)
{
	int64_t us = base_rescale(p->dts, r->info->track[p->track].tb, (struct ratio){1, SEC_US});
	int64_t now = os_mono_us(), wait = pace_wait(&r->pace, us, now, media_demux_ppm(r->d));

	if (wait)
		sleep_until(in->e, now + wait);
}

/* The first source decides what the output has, and the grid that all are laid on. */
static void begin(struct engine *e, const struct run *r)
{
	struct ratio fps = r->video < 0 ? (struct ratio){0, 1} : r->info->track[r->video].fps;

	for (int i = 0; i < e->conf.rungs && !fps.num; i++)
		fps = e->conf.rung[i].fps;
	pthread_mutex_lock(&e->lock);
	if (!e->begun) {
		e->fps = fps.num ? fps : (struct ratio){30, 1};
		e->gop = grid_gop(e->fps, e->conf.gop_us);
		e->no_picture = r->video < 0;
		choose_sounds(e, r->info);
		side_choose(e, r->info);
		e->begun = true;
		pthread_cond_broadcast(&e->changed);
	}
	bool nothing = e->no_picture && !e->sounds;
	pthread_mutex_unlock(&e->lock);
	if (nothing)
		engine_fail(e, -EINVAL, "the source has nothing of what is to be made");
}

/* The first input whose time is known tells where the output starts. */
static void share_start(struct input *in)
{
	struct engine *e = in->e;
	struct timeline *t = &in->timeline;

	pthread_mutex_lock(&e->lock);
	if (e->start_us == NEVER_US)
		e->start_us = t->start_us;
	else if (t->start_us == NEVER_US)
		t->start_us = e->start_us;
	pthread_mutex_unlock(&e->lock);
}

/* ---- reading ---- */

/* Which of the timeline's tracks it is: the leading sound is the first, those after it count on. */
static int timeline_track(const struct run *r, int track)
{
	int n = MEDIA_AUDIO;

	if (r->info->track[track].kind == MEDIA_VIDEO)
		return MEDIA_VIDEO;
	if (track == r->lead)
		return n;
	for (int i = 0; i <= track; i++)
		n += r->info->track[i].kind == MEDIA_AUDIO && i != r->lead;
	return MIN(n, TIMELINE_TRACKS - 1);
}

/* The UTC of a packet. */
static int64_t map(struct input *in, const struct run *r, const struct media_packet *p)
{
	const struct media_track *t = &r->info->track[p->track];
	struct ratio us = {1, SEC_US};

	share_start(in);
	int64_t out = timeline_map(&in->timeline, timeline_track(r, p->track),
				   base_rescale(p->dts, t->tb, us), base_rescale(p->pts, t->tb, us),
				   base_rescale(p->duration, t->tb, us), engine_utc_us(in->e));
	share_start(in);
	for (int i = 0; i < TIMELINE_REPAIRS; i++)
		in->repairs[i] = in->timeline.repairs[i];
	return out;
}

static bool is_heard(const struct input *in, const struct run *r, int track)
{
	for (int i = 0; i < in->e->sounds; i++)
		if (r->audio[i] == track)
			return true;
	return false;
}

/* To a voice, or (-1) the pictures' decoder. False: the engine is being closed. */
static bool route_to(struct input *in, struct run *r, struct media_packet *p, int voice,
		     int64_t out_us)
{
	struct work *w = route_work(in, r->info, p->track, voice, media_packet_ref(p));

	if (!w)
		return true;
	w->out_us = out_us;
	return route_packet(in, r, w);
}

static void alert(struct input *in, const struct run *r, const struct media_packet *p)
{
	const struct media_track *t = &r->info->track[p->track];
	struct ratio us = {1, SEC_US};

	if (p->track != r->video)
		alerts_sound(&in->packets, p->size);
	else
		engine_packet_alerts(in->e, in->index,
				     alerts_frame(&in->packets, p->key,
						  base_rescale(p->dts, t->tb, us),
						  base_rescale(p->pts, t->tb, us), p->size));
}

/* Takes p. False: the engine is being closed. */
static bool pass_on(struct input *in, struct run *r, struct media_packet *p)
{
	struct engine *e = in->e;
	bool picture = p->track == r->video, ok = true;

	e->packets_in++;
	e->bytes_in += (long long)p->size;
	if (p->track >= r->info->n) {
		if (route_active(in, false, false))
			side_packet(in, r->info, p);
		media_packet_unref(p);
		return true;
	}
	bool wanted = picture ? (r->key_seen |= p->key) : is_heard(in, r, p->track);
	if (wanted && media_demux_bursts(r->d))
		spread(in, r, p);
	int64_t out_us = wanted ? map(in, r, p) : TIMELINE_NONE;
	if (!wanted || (out_us == TIMELINE_NONE && !picture)) {
		media_packet_unref(p);
		return true;
	}
	e->frames_in += picture;
	alert(in, r, p);
	if (e->live || in->source.paced) {
		int64_t ahead = timeline_ahead(&in->timeline, out_us, engine_utc_us(e));

		if (ahead)
			sleep_until(e, os_mono_us() + ahead);
	}
	if (picture)
		ok = route_to(in, r, p, -1, out_us);
	for (int i = 0; i < e->sounds && !picture && ok; i++)
		if (r->audio[i] == p->track)
			ok = route_to(in, r, p, i, out_us);
	media_packet_unref(p);
	return ok;
}

/* Reads until the source fails or ends. */
static int run_source(struct input *in, struct run *r)
{
	struct engine *e = in->e;
	struct media_packet *p;
	int64_t damaged = 0;
	int rc;

	while (!(rc = media_demux_read(r->d, &p))) {
		e->damaged += media_demux_damaged(r->d) - damaged;
		damaged = media_demux_damaged(r->d);
		if (media_demux_info(r->d) != r->info) {
			media_info_unref(r->info);
			r->info = media_info_ref(media_demux_info(r->d));
			/* Parameter sets of H.264 come in-band too; those of AAC do not. */
			for (int i = 0; i < e->sounds && in->fed && !rc; i++)
				if (p->track == r->audio[i] &&
				    !route_track(in, r->info, p->track, i))
					rc = -EINTR;
		}
		if (!pass_on(in, r, p) || rc)
			return -EINTR;
	}
	return rc;
}

static int open_source(struct input *in, struct media_demux **d, char *err)
{
	const struct engine_source *s = &in->source;

	if (s->url)
		return media_demux_open_url(d, s->url, &in->e->cancel, err);
	struct media_reader reader = {s->read, s->arg, s->seek};
	return media_demux_open(d, &reader, s->format, err);
}

static void say_opened(const struct input *in, const struct run *r)
{
	const char *peer = in->source.peer ? in->source.peer(in->source.arg) : "";
	char what[MEDIA_ERR];
	int n = snprintf(what, sizeof(what), "%s%s", peer, *peer ? ": " : "");

	if (r->video >= 0) {
		const struct media_track *t = &r->info->track[r->video];

		n += snprintf(what + n, sizeof(what) - (size_t)n, "%s %dx%d at %.4g fps",
			      t->codec_name, t->width, t->height,
			      t->fps.num ? (double)t->fps.num / (double)t->fps.den : 0.0);
	}
	for (int i = 0; i < r->info->n && n < (int)sizeof(what); i++) {
		const struct media_track *t = &r->info->track[i];

		if (t->kind == MEDIA_AUDIO)
			n += snprintf(
			    what + n, sizeof(what) - (size_t)n, "%s%s%s%s %d Hz, %d channels",
			    r->video >= 0 || i > first_of(r->info, MEDIA_AUDIO) ? ", " : "",
			    t->lang, *t->lang ? " " : "", t->codec_name, t->sample_rate,
			    t->channels);
	}
	engine_emit(in->e, EVENT_OPENED, NULL, in->index, what);
}

static void new_connection(struct input *in, struct run *r)
{
	struct engine *e = in->e;

	media_demux_sides(r->d);
	r->info = media_info_ref(media_demux_info(r->d));
	r->video = e->conf.sound_only ? -1 : first_of(r->info, MEDIA_VIDEO);
	begin(e, r);
	/* A later source may have what the first had not; the output cannot. */
	r->video = e->no_picture ? -1 : r->video;
	sounds_match(e->sound, e->sounds, r->info, r->audio);
	r->lead = -1;
	for (int i = 0; i < e->sounds; i++)
		if (r->audio[i] >= 0 && (r->lead < 0 || e->sound[i].standard))
			r->lead = r->audio[i];
	if (!in->timed)
		timeline_init(&in->timeline, in->source.live, e->fps, e->gop);
	in->timed = true;
	in->fed = false;
	in->opened++;
	in->present = true;
	if (in->opened == 1 || !in->source.loops)
		say_opened(in, r);
	timeline_source(&in->timeline, r->info->utc, r->video >= 0);
	alerts_source(&in->packets);
}

/* What is not there at all needs no look. */
static void tell_missing(struct input *in, const struct run *r)
{
	const struct engine *e = in->e;
	bool blind = r->video < 0 && !e->no_picture;

	if (r->video < 0) {
		engine_fault(in->e, in->index, FAULT_BLACK, blind);
		engine_fault(in->e, in->index, FAULT_FROZEN, false);
	}
	if (r->lead < 0)
		engine_fault(in->e, in->index, FAULT_SILENT, e->sounds > 0);
}

static int one_connection(struct input *in, char *err)
{
	struct run r = {.pace = {.late_us = SPREAD_LATE_US, .ahead_us = SPREAD_MAX_US}};
	int rc = open_source(in, &r.d, err);

	if (rc)
		return rc;
	new_connection(in, &r);
	tell_missing(in, &r);
	rc = run_source(in, &r);
	in->present = false;
	route_forget(in);
	idle_end(in);
	for (int k = 0; k < FAILOVER_FAULTS; k++)
		engine_fault(in->e, in->index, (enum failover_fault)k, false);
	pthread_mutex_lock(&in->e->lock);
	failover_lost(&in->e->failover, in->index);
	pthread_mutex_unlock(&in->e->lock);
	snprintf(err, MEDIA_ERR, "%s", rc == -ENODATA ? "the source ended" : strerror(-rc));
	media_info_unref(r.info);
	media_demux_close(r.d);
	return rc;
}

static int wait_source(struct input *in)
{
	const struct engine_source *s = &in->source;

	if (in->e->cancel)
		return -EINTR;
	return s->url ? 0 : s->wait(s->arg);
}

/* The last input to end closes the decoders' queues. */
static void end_input(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	bool last = --e->inputs_left == 0;
	pthread_mutex_unlock(&e->lock);
	if (last) {
		queue_close(&e->video_queue);
		queue_close(&e->audio_queue);
	}
	engine_stage_done(e);
}

static void let_first(struct input *in)
{
	struct engine *e = in->e;
	int64_t until = os_mono_us() + FIRST_US;

	pthread_mutex_lock(&e->lock);
	while (in->index && !e->begun && !e->cancel && !e->closing && os_mono_us() < until)
		cond_wait_until(&e->changed, &e->lock, until);
	pthread_mutex_unlock(&e->lock);
}

void *input_main(void *arg)
{
	struct input *in = arg;
	struct engine *e = in->e;
	bool tried = false;
	char err[MEDIA_ERR] = "";
	int rc = 0, last = 0;

	os_thread_name("input");
	let_first(in);
	for (;;) {
		rc = wait_source(in);
		if (rc == -ENODATA || rc == -EINTR)
			break;
		if (!rc) {
			tried = true;
			last = one_connection(in, err);
			if (last == -EINTR)
				break;
		} else {
			snprintf(err, sizeof(err), "%s", strerror(-rc));
		}
		if ((!in->source.once || in->source.loops || e->conf.sources > 1) &&
		    !(in->source.loops && !rc && last == -ENODATA))
			engine_emit(e, EVENT_LOST, NULL, in->index, err);
		if (!sleep_until(e, os_mono_us() + (in->source.url     ? BACKOFF_URL_US
						    : rc || !in->timed ? BACKOFF_US
								       : 0)))
			break;
	}
	/* A file that could not be read at all, and there is nothing else. */
	if (tried && !in->timed && rc == -ENODATA && last && e->conf.sources == 1)
		engine_fail(e, last, err);
	end_input(e);
	return NULL;
}
