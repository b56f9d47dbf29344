/* What a source tells beside pictures and sound: cues (SCTE 35) and timed ID3. It is not decoded, and passed on as it comes, with
 * its time moved onto the timeline; so are the times inside of cues. Thumbnails come from here, never from the source. */
#include "media/cue.h"
#include "media/pipeline.h"

#define TICKS 90000

/* What the output has a track of; NULL: of none. */
static const struct thumb_conf *thumb_track(const struct engine *e)
{
	for (int i = 0; i < e->conf.thumbs; i++)
		if (e->conf.thumb[i].track)
			return &e->conf.thumb[i];
	return NULL;
}

void side_choose(struct engine *e, const struct media_info *info)
{
	for (int i = info->n; i < info->n + info->sides && e->sides < SIDES_MAX; i++) {
		bool known = info->track[i].codec == MEDIA_JPEG;

		for (int k = 0; k < e->sides; k++)
			known |= e->side[k] == info->track[i].codec;
		if (!known)
			e->side[e->sides++] = info->track[i].codec;
	}
	if (thumb_track(e) && !e->no_picture && e->sides < SIDES_MAX)
		e->side[e->sides++] = MEDIA_JPEG;
}

static void describe_thumbnails(struct media_track *t, const struct thumb_conf *c,
				const AVFrame *first)
{
	int num, den;

	t->width = first ? thumb_width(c, first) : 0;
	t->height = c->height;
	av_reduce(&num, &den, SEC_US, c->every_us, INT_MAX);
	t->fps = (struct ratio){num, den};
}

void side_build(struct engine *e, const AVFrame *first)
{
	static const char *const names[] = {
	    [MEDIA_SCTE35] = "scte35", [MEDIA_ID3] = "id3", [MEDIA_JPEG] = "thumbnails"};
	struct media_info *info = e->info;

	for (int i = 0; i < e->sides && info->n + info->sides < MEDIA_TRACKS_MAX; i++) {
		struct media_track *t = &info->track[info->n + info->sides++];

		*t =
		    (struct media_track){.kind = MEDIA_DATA, .codec = e->side[i], .tb = {1, TICKS}};
		str_copy(t->name, sizeof(t->name), names[t->codec]);
		str_copy(t->codec_name, sizeof(t->codec_name),
			 t->codec == MEDIA_JPEG ? "mjpeg" : t->name);
		if (t->codec == MEDIA_JPEG)
			describe_thumbnails(t, thumb_track(e), first);
	}
}

/* The packet on the timeline; NULL when it cannot be used. */
static struct media_packet *move(const struct media_packet *p, const struct media_track *t,
				 int64_t out_us)
{
	struct media_packet *out;
	struct ratio us = {1, SEC_US}, tb = {1, TICKS};

	if (t->codec == MEDIA_SCTE35 && !cue_valid(p->data, p->size))
		return NULL;
	if (!(out = media_packet_create(p->size)))
		return NULL;
	memcpy(out->data, p->data, p->size);
	out->pts = out->dts = base_rescale(out_us, us, tb);
	out->key = true;
	if (t->codec == MEDIA_SCTE35)
		cue_shift(out->data, out->size, out->pts - base_rescale(p->pts, t->tb, tb));
	return out;
}

void side_release(struct engine *e, int64_t until_us)
{
	int left = 0;

	pthread_mutex_lock(&e->side_lock);
	for (int i = 0; i < e->side_waits; i++) {
		struct media_packet *p = e->side_wait[i];

		if (base_scale(p->pts, SEC_US, TICKS) > until_us) {
			e->side_wait[left++] = p;
			continue;
		}
		p->track += e->info->n;
		e->side_packets++;
		engine_emit(e, EVENT_PACKET, p, 0, NULL);
	}
	e->side_waits = left;
	pthread_mutex_unlock(&e->side_lock);
}

void side_finish(struct engine *e)
{
	for (int i = 0; i < e->side_waits; i++)
		media_packet_unref(e->side_wait[i]);
	e->side_waits = 0;
}

static int side_of(const struct engine *e, enum media_codec codec)
{
	for (int i = 0; i < e->sides; i++)
		if (e->side[i] == codec)
			return i;
	return -1;
}

/* Takes out; NULL: it could not be used. */
static void wait_for_its_time(struct engine *e, int side, struct media_packet *out)
{
	pthread_mutex_lock(&e->side_lock);
	if (out && side >= 0 && e->side_waits < SIDE_WAIT_MAX) {
		/* A repair of the source's time does not make them step back. */
		out->pts = out->dts = MAX(out->pts, e->side_last[side] + 1);
		e->side_last[side] = out->pts;
		out->track = side;
		e->side_wait[e->side_waits++] = out;
	} else {
		media_packet_unref(out);
		e->side_dropped++;
	}
	pthread_mutex_unlock(&e->side_lock);
}

void side_packet(struct input *in, const struct media_info *info, const struct media_packet *p)
{
	const struct media_track *t = &info->track[p->track];
	struct engine *e = in->e;
	int64_t us = base_rescale(p->pts, t->tb, (struct ratio){1, SEC_US}),
		out_us = timeline_beside(&in->timeline, us);
	int side = side_of(e, t->codec);
	struct media_packet *out = NULL;

	if (side >= 0 && out_us != TIMELINE_NONE && out_us >= engine_start_us(e))
		out = move(p, t, out_us);
	if (t->codec != MEDIA_JPEG)
		wait_for_its_time(e, side, out);
}

void side_picture(void *arg, const AVPacket *jpeg, int64_t utc_us)
{
	struct engine *e = arg;
	struct media_packet *out = media_packet_create((size_t)jpeg->size);

	if (out) {
		memcpy(out->data, jpeg->data, out->size);
		out->pts = out->dts =
		    base_rescale(utc_us, (struct ratio){1, SEC_US}, (struct ratio){1, TICKS});
		out->key = true;
	}
	wait_for_its_time(e, side_of(e, MEDIA_JPEG), out);
}
