#include <errno.h>

#include "cmaf/nal.h"
#include "cmaf/split.h"
#include "cmaf/vp9.h"

#define SYNC 0x498342
enum { KEY_FRAME, INTER_FRAME };

struct header {
	struct bits b;
	unsigned profile, refresh;
	uint32_t width;
	bool bad;
};

static void skip_color(struct header *h)
{
	struct bits *b = &h->b;
	bool odd = h->profile & 1;

	if (h->profile >= 2)
		bits_one(b);
	if (bits_get(b, 3) == 7) /* RGB */
		bits_skip(b, odd);
	else
		bits_skip(b, odd ? 4 : 1);
}

static void read_size(struct header *h)
{
	h->width = bits_get(&h->b, 16) + 1;
	bits_get(&h->b, 16);
}

static void skip_render_size(struct header *h)
{
	if (bits_one(&h->b))
		bits_get(&h->b, 32);
}

/* A picture without references. */
static void read_intra(struct header *h, bool key)
{
	h->bad |= bits_get(&h->b, 24) != SYNC;
	if (key || h->profile)
		skip_color(h);
	h->refresh = key ? 0xff : bits_get(&h->b, 8);
	read_size(h);
	skip_render_size(h);
}

static void read_inter(struct header *h, const struct vp9_refs *refs)
{
	struct bits *b = &h->b;
	unsigned ref[3];
	int i = 0;

	h->refresh = bits_get(b, 8);
	for (i = 0; i < 3; i++) {
		ref[i] = bits_get(b, 3);
		bits_one(b);
	}
	for (i = 0; i < 3 && !bits_one(b); i++)
		;
	if (i < 3)
		h->width = refs->width[ref[i]];
	else
		read_size(h);
	skip_render_size(h);
	bits_one(b);
	if (!bits_one(b))
		bits_get(b, 2);
}

static void skip_flagged(struct bits *b, int values, unsigned bits)
{
	while (values--)
		if (bits_one(b))
			bits_skip(b, bits);
}

static void skip_segmentation(struct bits *b)
{
	static const uint8_t width[4] = {9, 7, 2, 0}; /* with their signs */

	if (!bits_one(b))
		return;
	if (bits_one(b)) {
		skip_flagged(b, 7, 8);
		if (bits_one(b))
			skip_flagged(b, 3, 8);
	}
	if (!bits_one(b))
		return;
	bits_one(b);
	for (int i = 0; i < 8 * 4; i++)
		skip_flagged(b, 1, width[i % 4]);
}

static void skip_tools(struct bits *b)
{
	bits_skip(b, 6 + 3);
	if (bits_one(b) && bits_one(b))
		skip_flagged(b, 4 + 2, 7);
	bits_skip(b, 8);
	skip_flagged(b, 3, 5);
	skip_segmentation(b);
}

static void skip_tiles(struct header *h)
{
	uint32_t blocks = (h->width + 63) / 64;
	unsigned least = 0, most = 1;

	while (64u << least < blocks)
		least++;
	while (blocks >> most >= 4)
		most++;
	for (most--; least < most && bits_one(&h->b); least++)
		;
	if (bits_one(&h->b))
		bits_one(&h->b);
}

size_t vp9_frame_header(struct vp9_refs *refs, const uint8_t *p, size_t n)
{
	struct header h = {.b = {.p = p, .end = p + n, .raw = true}};
	struct bits *b = &h.b;
	bool intra, resilient, shown;

	if (bits_get(b, 2) != 2)
		return 0;
	h.profile = bits_one(b);
	h.profile |= bits_one(b) << 1;
	if (h.profile == 3)
		bits_one(b);
	if (bits_one(b)) /* another one is shown again */
		return n;
	bool key = bits_one(b) == KEY_FRAME;
	shown = bits_one(b);
	resilient = bits_one(b);
	intra = key || (!shown && bits_one(b));
	if (!key && !resilient)
		bits_get(b, 2);
	if (intra)
		read_intra(&h, key);
	else
		read_inter(&h, refs);
	if (!resilient)
		bits_get(b, 2);
	bits_get(b, 2);
	skip_tools(b);
	skip_tiles(&h);
	uint32_t compressed = bits_get(b, 16);
	size_t size = (size_t)(b->p - p);
	if (h.bad || bits_over(b) || !h.width || !compressed || compressed > n - size)
		return 0;
	for (int i = 0; i < 8; i++)
		if (h.refresh >> i & 1)
			refs->width[i] = h.width;
	return size;
}

/* ---- superframes, Annex B ---- */

/* The frames of a packet by their sizes; how many. Bytes behind them are an index. */
static int read_index(const uint8_t *p, size_t n, size_t size[8])
{
	unsigned mark = n ? p[n - 1] : 0, count = (mark & 7) + 1, width = (mark >> 3 & 3) + 1;
	size_t index = 2 + (size_t)count * width, sum = 0;

	size[0] = n;
	if (mark >> 5 != 6 || n < index || p[n - index] != mark)
		return 1;
	const uint8_t *at = p + n - index + 1;
	for (unsigned i = 0; i < count; i++) {
		size[i] = 0;
		for (unsigned k = 0; k < width; k++)
			size[i] |= (size_t)*at++ << 8 * k;
		sum += size[i];
	}
	return sum <= n - index ? (int)count : -EINVAL;
}

int vp9_subsamples(void *refs, const uint8_t *p, size_t n, struct subsamples *out)
{
	size_t size[8], first = out->len, at = 0, clear = 0;
	int frames = read_index(p, n, size), rc = MIN(frames, 0);

	for (int i = 0; i < frames && !rc; at += size[i++]) {
		size_t header = vp9_frame_header(refs, p + at, size[i]);

		if (!header && size[i])
			return -EINVAL;
		size_t encrypted = (size[i] - header) & ~(size_t)15;
		clear += size[i] - encrypted;
		if (!encrypted)
			continue;
		rc = split_add(out, first, clear, encrypted);
		clear = 0;
	}
	clear += n - at;
	if (!rc && clear)
		rc = split_add(out, first, clear, 0);
	return rc;
}
