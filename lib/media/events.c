/* What the engine tells its owner: a list from all threads to the loop's. */
#include "media/pipeline.h"

#define SINKS_BYTES_MAX (4 << 20) /* so much may wait in the sinks of a source that can wait */
#define SINKS_US SEC_US		  /* and so much of its time, before they are let write */
#define RETRY_US (5 * MS_US)

struct out {
	struct list node;
	enum event kind;
	struct media_packet *packet;
	struct media_info *info;
	int64_t n;
	char text[MEDIA_ERR];
};

/* What it takes of memory: of small packets of sound the most is not theirs. */
static size_t weight(const struct media_packet *p)
{
	return p ? sizeof(struct out) + sizeof(*p) + p->size : 0;
}

static void out_destroy(struct out *o)
{
	media_packet_unref(o->packet);
	media_info_unref(o->info);
	free(o);
}

void engine_events_clear(struct engine *e)
{
	struct out *o, *tmp;

	list_for_safe (o, tmp, &e->out, node) {
		list_remove(&o->node);
		out_destroy(o);
	}
}

void engine_free(struct engine *e)
{
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->side_lock);
	pthread_cond_destroy(&e->scale_wake);
	pthread_mutex_destroy(&e->scale_lock);
	av_frame_free(&e->slate);
	overlays_destroy(e->overlays);
	free(e);
}

static void deliver_one(struct engine *e, struct out *o)
{
	switch (o->kind) {
	case EVENT_OPENED:
		e->ev.opened(e->arg, (int)o->n, o->text);
		break;
	case EVENT_LOST:
		e->ev.lost(e->arg, (int)o->n, o->text);
		break;
	case EVENT_SWITCH:
		e->ev.switched(e->arg, (int)o->n, o->text);
		break;
	case EVENT_ALERT:
		if (e->ev.alert)
			e->ev.alert(e->arg, (int)(o->n / 2 / ENGINE_ALERTS),
				    (int)(o->n / 2 % ENGINE_ALERTS), o->n & 1);
		break;
	case EVENT_START:
		e->ev.start(e->arg, o->info);
		break;
	case EVENT_PACKET:
		e->given_us = media_packet_us(e->info, o->packet);
		e->least_us = MIN(e->least_us, e->given_us);
		e->most_us = MAX(e->most_us, e->given_us);
		e->ev.packet(e->arg, o->packet, o->n);
		break;
	case EVENT_END:
		e->ev.end(e->arg, (int)o->n, o->text);
		break;
	}
}

static struct out *take(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	struct out *o = list_first(&e->out, struct out, node);
	if (o) {
		list_remove(&o->node);
		e->out_bytes -= weight(o->packet);
		pthread_cond_broadcast(&e->changed);
	} else {
		e->posted = false;
	}
	pthread_mutex_unlock(&e->lock);
	return o;
}

/* The time of the packet that comes next; that of the last when none is there. */
static int64_t next_us(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	struct out *o = list_first(&e->out, struct out, node);
	int64_t us = o && o->packet ? media_packet_us(e->info, o->packet) : e->given_us;
	pthread_mutex_unlock(&e->lock);
	return us;
}

/* A source that is not live waits for its readers, who drop what is too much at once, in bytes or in time; and its tracks may
 * be seconds apart, when one of them is done faster. */
static bool is_full(struct engine *e)
{
	size_t queued = e->live ? 0 : e->ev.queued(e->arg);
	int64_t us = next_us(e);

	if (!queued)
		e->least_us = e->most_us = us;
	return queued > SINKS_BYTES_MAX || MAX(us, e->most_us) - MIN(us, e->least_us) > SINKS_US;
}

/* On the loop's thread, while e->posted. An event at a time, so that the owner may destroy the engine in any of them;
 * then the memory goes here. */
void engine_deliver(void *arg)
{
	struct engine *e = arg;

	e->retrying = false;
	while (!e->gone) {
		if (is_full(e)) {
			e->retrying = !loop_timer_in(&e->retry, RETRY_US);
			if (e->retrying)
				return;
		}
		struct out *o = take(e);
		if (!o)
			return;
		deliver_one(e, o);
		out_destroy(o);
	}
	engine_free(e);
}

/* Only a source that can wait does, and soon: it would be here long before its readers. */
static void wait_for_room(struct engine *e)
{
	while (!e->live && e->out_bytes > OUT_BYTES_WAIT && !e->closing)
		pthread_cond_wait(&e->changed, &e->lock);
}

void engine_emit(struct engine *e, enum event kind, struct media_packet *p, int64_t n,
		 const char *text)
{
	struct out *o = calloc(1, sizeof(*o));
	bool post = false, beside = p && e->sides && p->track < e->info->n;
	int64_t us = beside ? media_packet_us(e->info, p) : 0;

	if (!o) {
		media_packet_unref(p);
		return;
	}
	o->kind = kind;
	o->packet = p;
	o->n = n;
	if (text)
		str_copy(o->text, sizeof(o->text), text);
	pthread_mutex_lock(&e->lock);
	if (p)
		wait_for_room(e);
	if (kind == EVENT_START)
		o->info = media_info_ref(e->info);
	bool over = p && e->out_bytes > OUT_BYTES_MAX;
	if (e->closing || over) {
		e->overrun += over;
		pthread_mutex_unlock(&e->lock);
		out_destroy(o);
		return;
	}
	list_append(&e->out, &o->node);
	e->out_bytes += weight(p);
	if (!e->posted)
		post = e->posted = true;
	/* Under the lock: engine_destroy must see a call as either made or never to be made. */
	if (post && loop_post(e->loop, engine_deliver, e))
		e->posted = false;
	pthread_mutex_unlock(&e->lock);
	if (beside)
		side_release(e, us);
}

void engine_stage_done(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	bool last = --e->stages == 0;
	int err = e->end_err;
	pthread_mutex_unlock(&e->lock);
	if (last)
		engine_emit(e, EVENT_END, NULL, err, e->end_reason);
}
