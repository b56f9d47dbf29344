#include "media/language.h"
#include "media/media.h"

#include <stdatomic.h>

struct media_info *media_info_create(void)
{
	struct media_info *i = calloc(1, sizeof(*i));

	if (i)
		atomic_init(&i->refs, 1);
	return i;
}

struct media_info *media_info_ref(struct media_info *i)
{
	atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
	return i;
}

void media_info_unref(struct media_info *i)
{
	if (!i || atomic_fetch_sub_explicit(&i->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (int k = 0; k < i->n; k++)
		buf_unref(i->track[k].extra);
	free(i);
}

const struct media_track *media_info_find(const struct media_info *i, const char *name)
{
	for (int k = 0; k < i->n; k++)
		if (!strcmp(i->track[k].name, name))
			return &i->track[k];
	for (int k = 0; k < i->n; k++)
		if (!strcmp(name, i->track[k].kind == MEDIA_VIDEO ? "video" : "audio"))
			return &i->track[k];
	char lang[4];
	bool is_language = language_code(lang, name);
	for (int k = 0; is_language && k < i->n; k++)
		if (i->track[k].kind == MEDIA_AUDIO && !strcmp(i->track[k].lang, lang))
			return &i->track[k];
	return NULL;
}

struct media_packet *media_packet_create(size_t size)
{
	struct media_packet *p =
	    size > SIZE_MAX / 2 ? NULL : malloc(sizeof(*p) + size + BUF_PADDING);

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	atomic_init(&p->refs, 1);
	p->size = size;
	memset(p->data + size, 0, BUF_PADDING);
	return p;
}

struct media_packet *media_packet_ref(struct media_packet *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void media_packet_unref(struct media_packet *p)
{
	if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
		free(p);
}

int64_t media_packet_us(const struct media_info *i, const struct media_packet *p)
{
	return base_rescale(p->pts, i->track[p->track].tb, (struct ratio){1, SEC_US});
}
