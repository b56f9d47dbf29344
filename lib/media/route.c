/* What an input has read goes to the decoders while it is on the air; of one that is not, what came since its last key frame is
 * kept, so that it can be put there at once. */
#include "media/route.h"
#include "os/os.h"

static bool push_work(struct engine *e, struct work *w)
{
	w->since_us = os_mono_us();
	e->keys_waiting += w->voice < 0 && w->packet && w->packet->key;
	if (queue_push(w->voice < 0 ? &e->video_queue : &e->audio_queue, w))
		return true;
	work_destroy(w);
	return false;
}

struct work *route_work(const struct input *in, struct media_info *info, int track, int voice,
			struct media_packet *p)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w) {
		media_packet_unref(p);
		return NULL;
	}
	list_init(&w->node);
	w->input = in->index;
	w->info = media_info_ref(info);
	w->track = track;
	w->voice = voice;
	w->packet = p;
	w->out_us = TIMELINE_NONE;
	return w;
}

bool route_track(struct input *in, struct media_info *info, int track, int voice)
{
	struct work *w;

	if (track < 0 && voice < 0)
		return true;
	w = route_work(in, info, track, voice, NULL);
	return w && push_work(in->e, w);
}

void route_forget(struct input *in)
{
	struct work *w, *tmp;

	list_for_safe (w, tmp, &in->cache, node) {
		list_remove(&w->node);
		work_destroy(w);
	}
	in->cache_bytes = 0;
	in->cached = 0;
}

/* Keeps what came since the last key frame; w is taken. */
static void keep(struct input *in, struct work *w, bool key)
{
	if (key || in->cache_bytes > CACHE_BYTES || in->cached >= CACHE_WORKS)
		route_forget(in);
	if (!key && list_empty(&in->cache)) {
		work_destroy(w);
		return;
	}
	list_append(&in->cache, &w->node);
	in->cache_bytes += w->packet->size;
	in->cached++;
}

/* It is active now: the decoders get its tracks and what was kept. */
static bool feed(struct input *in, const struct run *r)
{
	bool ok = route_track(in, r->info, r->video, -1);
	struct work *w, *tmp;

	for (int i = 0; i < in->e->sounds; i++)
		ok = ok && route_track(in, r->info, r->audio[i], i);
	list_for_safe (w, tmp, &in->cache, node) {
		list_remove(&w->node);
		if (ok)
			ok = push_work(in->e, w);
		else
			work_destroy(w);
	}
	route_forget(in);
	idle_end(in);
	in->fed = true;
	return ok;
}

bool route_active(struct input *in, bool counts, bool key)
{
	struct engine *e = in->e;

	pthread_mutex_lock(&e->lock);
	int was = e->failover.active;
	bool active =
	    counts ? failover_heard(&e->failover, in->index, key, os_mono_us()) : was == in->index;
	bool changed = was >= 0 && was != e->failover.active;
	enum failover_why why = e->failover.why;
	pthread_mutex_unlock(&e->lock);
	if (changed)
		engine_emit(e, EVENT_SWITCH, NULL, in->index, failover_why_text[why]);
	return active;
}

bool route_packet(struct input *in, struct run *r, struct work *w)
{
	bool counts = w->track == (r->video >= 0 ? r->video : r->lead);
	bool key = counts && (r->video < 0 || w->packet->key);

	bool active = route_active(in, counts, key);

	if (active && in->fed)
		return push_work(in->e, w);
	if (!active)
		idle_look(in, w, key);
	keep(in, w, key);
	if (!active) {
		in->fed = false;
		return true;
	}
	return list_empty(&in->cache) || feed(in, r);
}
