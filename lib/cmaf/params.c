/* The parameters of a track's coder: those of now, and those of what is stored. */
#include <errno.h>

#include "cmaf/coder.h"
#include "cmaf/cut.h"
#include "log/log.h"

/* The coder's parameters, as they are in the sample entry. */
static int read_config(const struct cmaf_track *t, const uint8_t *p, size_t n, struct buf **out,
		       char codec[CODER_NAME])
{
	struct boxes config = {0};
	int rc = t->coder->config(t, p, n, &config, codec);

	*out = rc ? NULL : buf_copy(config.out.at, config.out.len);
	vec_free(&config.out);
	return rc || *out ? rc : -ENOMEM;
}

static bool same_bytes(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

/* What encryption has to know of the slices' headers. */
static int read_sets(struct cmaf *c, struct cmaf_track *t, const uint8_t *p, size_t n)
{
	struct cmaf_cut *cut = t->cut;

	if (c->conf.scheme != CMAF_CBCS || t->kind != MEDIA_VIDEO)
		return 0;
	if (!cut->sets)
		cut->sets = calloc(1, t->coder->sets);
	if (!cut->sets)
		return -ENOMEM;
	if (t->coder->learn)
		t->coder->learn(cut->sets, p, n);
	return 0;
}

int track_config(struct cmaf *c, struct cmaf_track *t, const uint8_t *p, size_t n)
{
	struct cmaf_init *i = NULL;
	struct buf *config;
	char codec[CODER_NAME];
	int rc = read_config(t, p, n, &config, codec);

	if (!rc)
		rc = read_sets(c, t, p, n);
	i = rc ? NULL : init_create(t, config, codec, t->init ? t->init->key : NULL);
	if (!i) {
		rc = rc ? rc : -ENOMEM;
		goto done;
	}
	/* Not all coders have in their configuration how large the picture is. */
	if (t->init && same_bytes(t->init->buf, i->buf)) {
		init_unref(i);
		goto done;
	}
	if (t->init && t->cut->started) {
		log_info(t->name, "the coder's parameters have changed: a discontinuity");
		if (!t->changed)
			t->cut->was = init_ref(t->init);
		t->changed = true;
	}
	init_unref(t->init);
	t->init = i;
done:
	buf_unref(config);
	return rc;
}

struct cmaf_init *track_params(const struct cmaf_track *t, int64_t number)
{
	for (int i = t->changes; i-- > 0;)
		if (t->change[i].from <= number || !i)
			return t->change[i].init;
	return t->init;
}

struct cmaf_init *track_init_for(const struct cmaf_track *t, struct cmaf_init *params,
				 struct cmaf_key *k)
{
	struct cmaf_track was = *t;

	if (!params)
		return NULL;
	if (params->key == k)
		return init_ref(params);
	was.width = params->width;
	was.height = params->height;
	was.channels = params->channels;
	was.sar = params->sar;
	return init_create(&was, params->config, params->codec, k);
}

void track_forget(struct cmaf_track *t, int64_t number)
{
	while (t->changes > 1 && t->change[1].from <= number) {
		init_unref(t->change[0].init);
		t->changes--;
		memmove(t->change, t->change + 1, (size_t)t->changes * sizeof(*t->change));
	}
}

void track_note_params(struct cmaf *c, struct cmaf_track *t, int64_t number, int64_t x)
{
	if (t->changes && !t->changed)
		return;
	if (t->changes == CMAF_CHANGES)
		track_forget(t, t->change[1].from);
	if (t->changes)
		c->changed_us = MAX(c->changed_us, cmaf_us(t, x));
	t->change[t->changes].from = t->changes ? number : INT64_MIN;
	t->change[t->changes++].init = init_ref(t->init);
}
