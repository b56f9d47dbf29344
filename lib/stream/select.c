#include "stream/select.h"

#include <errno.h>
#include <stdio.h>

void stream_select_finish(struct stream_select *s)
{
	media_info_unref(s->info);
	s->info = NULL;
	for (int i = 0; i < MEDIA_TRACKS_MAX; i++)
		s->map[i] = -1;
}

static bool better(const struct media_track *a, const struct media_track *b)
{
	return a->height != b->height ? a->height > b->height : a->bitrate > b->bitrate;
}

static int best_video(const struct media_info *in)
{
	int best = -1;

	for (int i = 0; i < in->n; i++)
		if (in->track[i].kind == MEDIA_VIDEO &&
		    (best < 0 || better(&in->track[i], &in->track[best])))
			best = i;
	return best;
}

static int no_such(const struct media_info *in, const char *name, char *err)
{
	int n = snprintf(err, MEDIA_ERR, "the stream has no '%.60s'; it has", name);

	for (int i = 0; i < in->n && n < MEDIA_ERR; i++)
		n += snprintf(err + n, (size_t)(MEDIA_ERR - n), "%s %s", i ? "," : "",
			      in->track[i].name);
	return -ENOENT;
}

/* At most so many of them, as a mask; the standard one first. */
static uint32_t sounds(const struct media_info *in, int max)
{
	uint32_t want = 0;

	for (int standard = 1; standard >= 0; standard--)
		for (int i = 0; i < in->n; i++)
			if (in->track[i].kind == MEDIA_AUDIO && in->track[i].standard == standard &&
			    max-- > 0)
				want |= 1u << i;
	return want;
}

/* Which tracks are wanted, as a mask. */
static int choose(const struct media_info *in, char *const *names, size_t n, int max_audio,
		  uint32_t *want, char *err)
{
	bool video = false, audio = false;
	int best = best_video(in);

	*want = 0;
	for (size_t i = 0; i < n; i++) {
		const struct media_track *t = media_info_find(in, names[i]);

		if (!t)
			return no_such(in, names[i], err);
		*want |= 1u << (t - in->track);
		video |= t->kind == MEDIA_VIDEO;
		audio |= t->kind == MEDIA_AUDIO;
	}
	if (!video && best >= 0)
		*want |= 1u << best;
	if (!audio)
		*want |= sounds(in, max_audio);
	return 0;
}

int stream_select_start(struct stream_select *s, struct media_info *from, char *const *names,
			size_t n, int max_audio, char *err)
{
	uint32_t want;
	int r;

	stream_select_finish(s);
	r = choose(from, names, n, max_audio, &want, err);
	if (r)
		return r;
	s->info = media_info_create();
	if (!s->info)
		return -ENOMEM;
	s->info->utc = from->utc;
	for (int i = 0; i < from->n; i++) {
		struct media_track *t = &s->info->track[s->info->n];

		if (!(want >> i & 1))
			continue;
		*t = from->track[i];
		if (t->extra)
			buf_ref(t->extra);
		s->map[i] = s->info->n++;
	}
	return 0;
}

bool stream_select_packet(const struct stream_select *s, struct media_packet *p)
{
	int to = p->track >= 0 && p->track < MEDIA_TRACKS_MAX && s->info ? s->map[p->track] : -1;

	if (to >= 0)
		p->track = to;
	return to >= 0;
}
