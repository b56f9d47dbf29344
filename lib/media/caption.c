#include "media/caption.h"

#define NAL_SEI_PREFIX 39
#define NAL_SLICES 32 /* types below are slices */
#define SEI_T35 4     /* user_data_registered_itu_t_t35 */
#define OBU_METADATA 5
#define OBU_FRAMES 0x58 /* types 3, 4 and 6, bit by bit: headers of frames, and what is in them */
#define METADATA_T35 4
#define T35_MAX (11 + CAPTION_FRAME * 3)
#define UNIT_MAX (2 * (T35_MAX + 8))

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

/* What both codecs bear: ITU-T T.35, of the ATSC in the USA. Returns its size. */
static size_t make_t35(uint8_t to[T35_MAX], const uint8_t *cc, size_t size)
{
	static const uint8_t head[] = {0xb5, 0, 0x31, 'G', 'A', '9', '4', 3};
	size_t n = sizeof(head);

	memcpy(to, head, n);
	to[n++] = (uint8_t)(0x40 | size / 3);
	to[n++] = 0xff;
	memcpy(to + n, cc, size);
	n += size;
	to[n++] = 0xff;
	return n;
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
static size_t make_sei(uint8_t to[UNIT_MAX], const uint8_t *t35, size_t size)
{
	uint8_t raw[T35_MAX + 3] = {SEI_T35, (uint8_t)size};
	size_t len = 6, zeros = 0;

	memcpy(raw + 2, t35, size);
	raw[2 + size] = 0x80; /* the end of the message */
	memcpy(to, (uint8_t[]){0, 0, 0, 1, NAL_SEI_PREFIX << 1, 1}, len);
	for (size_t i = 0; i < size + 3; i++) {
		if (zeros == 2 && raw[i] <= 3) {
			to[len++] = 3;
			zeros = 0;
		}
		to[len++] = raw[i];
		zeros = raw[i] ? 0 : zeros + 1;
	}
	return len;
}

/* ---- AV1 ---- */

/* Where the first OBU of a frame begins; -1: there is none. */
static ssize_t first_frame(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t size = 0, at = i + 1 + (p[i] >> 2 & 1);

		if (OBU_FRAMES >> (p[i] >> 3 & 15) & 1)
			return (ssize_t)i;
		if (!(p[i] & 2))
			break; /* it has no size, so it is the last */
		for (int shift = 0; at < n && shift < 28; shift += 7) {
			size |= (size_t)(p[at] & 0x7f) << shift;
			if (!(p[at++] & 0x80))
				break;
		}
		if (size >= n || at + size >= n)
			break;
		i = at + size;
	}
	return -1;
}

static size_t make_metadata(uint8_t to[UNIT_MAX], const uint8_t *t35, size_t size)
{
	to[0] = OBU_METADATA << 3 | 2;
	to[1] = (uint8_t)(size + 2);
	to[2] = METADATA_T35;
	memcpy(to + 3, t35, size);
	to[3 + size] = 0x80;
	return size + 4;
}

struct media_packet *captions_into(struct media_packet *p, enum media_codec codec,
				   const uint8_t *cc, size_t size)
{
	uint8_t t35[T35_MAX], unit[UNIT_MAX];
	size_t said = make_t35(t35, cc, MIN(size, (size_t)CAPTION_FRAME * 3)), n = 0;
	ssize_t at = -1;

	if (codec == MEDIA_HEVC) {
		at = first_slice(p->data, p->size);
		n = make_sei(unit, t35, said);
	} else if (codec == MEDIA_AV1) {
		at = first_frame(p->data, p->size);
		n = make_metadata(unit, t35, said);
	}
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
	memcpy(with->data + at, unit, n);
	memcpy(with->data + at + n, p->data + at, p->size - (size_t)at);
	media_packet_unref(p);
	return with;
}
