#include "media/lag.h"

#define LOOK_BYTES 4096 /* in which a picture's first slice begins */

bool lag_leaves_out(struct lag *l, const struct lag_packet *p)
{
	bool many = p->waited_us > LAG_MANY_US && p->keys_behind;

	l->skipping = many || (!p->key && (l->skipping || p->waited_us > LAG_KEYS_US));
	return l->skipping || (p->disposable && p->waited_us > LAG_SOME_US);
}

/* What a NAL unit (or a start code of MPEG-2) tells: 1 disposable, 0 not, -1 nothing. */
static int look(const struct media_track *t, const uint8_t *p)
{
	int type;

	switch (t->codec) {
	case MEDIA_H264:
		type = p[0] & 31;
		return type >= 1 && type <= 5 ? !(p[0] >> 5 & 3) : -1;
	case MEDIA_HEVC:
		type = p[0] >> 1 & 63;
		return type < 32 ? type < 16 && !(type & 1) : -1;
	default:
		return p[0] ? -1 : (p[2] >> 3 & 7) == 3;
	}
}

bool lag_disposable(const struct media_track *t, const struct media_packet *p)
{
	if (t->codec != MEDIA_H264 && t->codec != MEDIA_HEVC && strcmp(t->codec_name, "mpeg2video"))
		return false;
	for (size_t i = 0; i + 5 < p->size && i < LOOK_BYTES; i++) {
		int found = p->data[i] || p->data[i + 1] || p->data[i + 2] != 1
				? -1
				: look(t, p->data + i + 3);

		if (found >= 0)
			return found;
	}
	return false;
}
