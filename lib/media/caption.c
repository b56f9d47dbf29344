#include "media/caption.h"

#define NAL_SEI_PREFIX 39
#define NAL_SLICES 32 /* types below are slices */
#define SEI_T35 4     /* user_data_registered_itu_t_t35 */

void captions_init(struct captions *c)
{
	pthread_mutex_init(&c->lock, NULL);
	c->made = true;
}

void captions_finish(struct captions *c)
{
	if (c->made)
		pthread_mutex_destroy(&c->lock);
	c->made = false;
}

void captions_put(struct captions *c, int64_t n, const uint8_t *cc, size_t size)
{
	pthread_mutex_lock(&c->lock);
	for (; size >= 3; cc += 3, size -= 3) {
		if (c->len == CAPTIONS_MAX) {
			c->head = (c->head + 1) % CAPTIONS_MAX;
			c->len--;
			c->dropped++;
		}
		size_t i = (c->head + c->len++) % CAPTIONS_MAX;

		c->at[i].n = n;
		memcpy(c->at[i].cc, cc, 3);
	}
	pthread_mutex_unlock(&c->lock);
}

/* Not valid, or the two zeros (with their parity) that fill the lines of CEA-608. */
static bool is_padding(const uint8_t cc[3])
{
	return !(cc[0] & 4) || (!(cc[0] & 2) && !(cc[1] & 0x7f) && !(cc[2] & 0x7f));
}

size_t captions_take(struct captions *c, int64_t n, uint8_t cc[CAPTION_FRAME * 3])
{
	size_t due = 0, size = 0;

	pthread_mutex_lock(&c->lock);
	while (due < c->len && c->at[(c->head + due) % CAPTIONS_MAX].n <= n)
		due++;
	for (bool tight = due > CAPTION_FRAME; due; due--) {
		const uint8_t *t = c->at[c->head].cc;

		if (!tight || !is_padding(t)) {
			if (size == CAPTION_FRAME * 3)
				break;
			memcpy(cc + size, t, 3);
			size += 3;
		}
		c->head = (c->head + 1) % CAPTIONS_MAX;
		c->len--;
	}
	pthread_mutex_unlock(&c->lock);
	return size;
}

/* ---- HEVC ---- */

/* Where the first slice's start code begins; -1: there is none. */
static ssize_t first_slice(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 4 <= n; i++)
		if (!p[i] && !p[i + 1] && p[i + 2] == 1 && (p[i + 3] >> 1 & 63) < NAL_SLICES)
			return (ssize_t)(i && !p[i - 1] ? i - 1 : i);
	return -1;
}

/* A NAL unit of type prefix SEI with its start code; returns its size. */
static size_t make_sei(uint8_t *to, const uint8_t *cc, size_t size)
{
	uint8_t raw[16 + CAPTION_FRAME * 3] = {
	    SEI_T35, (uint8_t)(11 + size), 0xb5, 0, 0x31, 'G', 'A', '9', '4', 3};
	size_t n = 10, len = 6, zeros = 0;

	raw[n++] = (uint8_t)(0x40 | size / 3);
	raw[n++] = 0xff;
	memcpy(raw + n, cc, size);
	n += size;
	raw[n++] = 0xff;
	raw[n++] = 0x80; /* the end of the message */
	memcpy(to, (uint8_t[]){0, 0, 0, 1, NAL_SEI_PREFIX << 1, 1}, len);
	for (size_t i = 0; i < n; i++) {
		if (zeros == 2 && raw[i] <= 3) {
			to[len++] = 3;
			zeros = 0;
		}
		to[len++] = raw[i];
		zeros = raw[i] ? 0 : zeros + 1;
	}
	return len;
}

struct media_packet *captions_into_hevc(struct media_packet *p, const uint8_t *cc, size_t size)
{
	uint8_t sei[2 * (16 + CAPTION_FRAME * 3) + 6];
	ssize_t at = first_slice(p->data, p->size);
	size_t n = make_sei(sei, cc, MIN(size, (size_t)CAPTION_FRAME * 3));
	struct media_packet *with = at < 0 ? NULL : media_packet_create(p->size + n);

	if (!with)
		return p;
	with->track = p->track;
	with->key = p->key;
	with->loss = p->loss;
	with->pts = p->pts;
	with->dts = p->dts;
	with->duration = p->duration;
	memcpy(with->data, p->data, (size_t)at);
	memcpy(with->data + at, sei, n);
	memcpy(with->data + at + n, p->data + at, p->size - (size_t)at);
	media_packet_unref(p);
	return with;
}
