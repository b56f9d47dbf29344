/* The stage between the encoders' doors and the encoders: what has waited longest is scaled next, as soon as its encoder has room,
 * so that nothing is scaled that would be dropped afterwards. Several threads share the work where there are processors for it,
 * one alone when rungs are scaled from each other (cascade): 1080p to 720p, 480p and 360p in 0.5 instead of 0.7 ms of a processor
 * a picture, 1.2 instead of 2.0 where it is of 10 bits. */
#include <errno.h>

#include "log/log.h"
#include "media/pipeline.h"
#include "os/os.h"

#define CASCADE_NUM \
	3 /* a rung is scaled from one at least 3/2 as large: 360p from 720p, not from 480p */
#define CASCADE_DEN 2

void scaling_poke(struct engine *e)
{
	pthread_mutex_lock(&e->scale_lock);
	pthread_cond_signal(&e->scale_wake);
	pthread_mutex_unlock(&e->scale_lock);
}

static int64_t instant(const void *picture)
{
	const struct picture *p = picture;

	return p->us;
}

static bool comes_first(const struct stage *s, int64_t us, const struct stage *best, int64_t first)
{
	return us < first || (us == first && best && s->conf.width > best->conf.width);
}

/* Is the picture that s's next one can be made of still to come? Live, a rung does not wait for another, which may lag. */
static bool waits_for_above(const struct stage *s, int64_t us)
{
	return s->above && engine_waits(s->e) && queue_first(&s->above->queue, instant) <= us;
}

/* The stage whose turn it is; NULL when there is nothing to do now, or never again (*ended). */
static struct stage *pick(struct engine *e, bool *ended)
{
	struct stage *best = NULL;
	int64_t first = NEVER_US;

	*ended = true;
	for (int i = 0; i < e->rungs; i++) {
		struct stage *s = &e->rung[i];

		if (s->conf.copy || s->all_scaled)
			continue;
		if (!s->scaling && queue_is_over(&s->queue)) {
			s->all_scaled = true;
			queue_close(&s->ready);
			continue;
		}
		*ended = false;
		if (s->scaling || queue_len(&s->ready) >= READY_MAX)
			continue;
		int64_t us = queue_first(&s->queue, instant);
		if (!comes_first(s, us, best, first) || waits_for_above(s, us))
			continue;
		best = s;
		first = us;
	}
	return best;
}

/* Keeps what the rungs below are scaled from. */
static void remember(struct stage *s, const AVFrame *source, const AVFrame *made)
{
	if (!s->feeds)
		return;
	av_frame_unref(s->source);
	av_frame_unref(s->made);
	if (av_frame_ref(s->source, source) < 0 || av_frame_ref(s->made, made) < 0)
		av_frame_unref(s->source);
}

/* p's picture becomes the scaled one; a repeat of the last when it cannot be scaled. */
static void scale(struct stage *s, struct picture *p)
{
	AVFrame *in = p->frame, *out = NULL;
	struct scaler *scaler = s->scaler;
	char err[MEDIA_ERR];

	if (!in)
		return;
	if (s->above && s->above->source->data[0] == in->data[0]) {
		in = s->above->made;
		scaler = s->cascade;
	}
	int rc = scaler_run(scaler, in, &out, err);
	if (rc && log_allow(&s->scale_limit, 1, 10 * SEC_US, os_mono_us()))
		log_warn(s->conf.name, "%s", err);
	if (!rc)
		remember(s, p->frame, out);
	out = rc ? NULL : av_frame_clone(out);
	s->e->undecoded += !out;
	av_frame_free(&p->frame);
	p->frame = out;
}

static void run(struct stage *s)
{
	int64_t since = os_mono_us();
	bool ended;
	struct picture *p = queue_pop(&s->queue, 0, &ended);

	if (!p)
		return; /* dropped meanwhile */
	scale(s, p);
	p->scale_us = os_mono_us() - since;
	s->scale_us += p->scale_us;
	if (!queue_push(&s->ready, p))
		picture_destroy(p);
}

static void *scaling_main(void *arg)
{
	struct engine *e = arg;
	bool ended = false;

	os_thread_name("scale");
	pthread_mutex_lock(&e->scale_lock);
	while (!ended) {
		struct stage *s = pick(e, &ended);

		if (!s && !ended)
			pthread_cond_wait(&e->scale_wake, &e->scale_lock);
		if (!s)
			continue;
		s->scaling = true;
		pthread_mutex_unlock(&e->scale_lock);
		run(s);
		pthread_mutex_lock(&e->scale_lock);
		s->scaling = false;
		if (e->scalers > 1)
			pthread_cond_broadcast(&e->scale_wake);
	}
	pthread_cond_broadcast(&e->scale_wake);
	pthread_mutex_unlock(&e->scale_lock);
	return NULL;
}

/* ---- life ---- */

static bool same_shape(const struct rung *a, const struct rung *b)
{
	return llabs((int64_t)a->width * b->height - (int64_t)a->height * b->width) <=
	       MAX(a->width, b->width);
}

/* The smallest of the rungs that s may be scaled from. */
static struct stage *above(struct engine *e, const struct stage *s)
{
	struct stage *best = NULL;

	for (int i = 0; i < e->rungs; i++) {
		struct stage *a = &e->rung[i];

		if (a->conf.copy || a->conf.height * CASCADE_DEN < s->conf.height * CASCADE_NUM ||
		    !same_shape(&a->conf, &s->conf))
			continue;
		if (!best || a->conf.width < best->conf.width)
			best = a;
	}
	return best;
}

static int join_cascade(struct engine *e, struct stage *s)
{
	s->above = s->conf.copy ? NULL : above(e, s);
	if (!s->above)
		return 0;
	if (!s->above->feeds) {
		s->above->source = av_frame_alloc();
		s->above->made = av_frame_alloc();
		s->above->feeds = true;
	}
	if (!s->above->source || !s->above->made)
		return -ENOMEM;
	return scaler_create(&s->cascade, s->conf.width, s->conf.height);
}

int scaling_start(struct engine *e)
{
	/* Not with overlays, which are drawn into the pictures while others would be made of them. */
	bool cascade = e->conf.cascade && !e->overlays;
	int n = 0, rc = 0, most = cascade ? 1 : MAX(os_cpus() / 2, 1);

	for (int i = 0; i < e->rungs; i++) {
		n += !e->rung[i].conf.copy;
		if (cascade && (rc = join_cascade(e, &e->rung[i])))
			return rc;
	}
	n = MIN(MIN(n, most), SCALERS_MAX);
	while (!rc && e->scalers < n) {
		rc = -pthread_create(&e->scaler[e->scalers], NULL, scaling_main, e);
		e->scalers += !rc;
	}
	return e->scalers ? 0 : rc;
}

void scaling_join(struct engine *e)
{
	pthread_mutex_lock(&e->scale_lock);
	pthread_cond_broadcast(&e->scale_wake);
	pthread_mutex_unlock(&e->scale_lock);
	for (int i = 0; i < e->scalers; i++)
		pthread_join(e->scaler[i], NULL);
}

void scaling_finish(struct stage *s)
{
	scaler_destroy(s->scaler);
	scaler_destroy(s->cascade);
	av_frame_free(&s->source);
	av_frame_free(&s->made);
}
