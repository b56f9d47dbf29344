/* HEVC as hvc1 (ISO/IEC 14496-15, 8). */
#include <errno.h>

#include "cmaf/coder.h"
#include "cmaf/hevc.h"

bool hevc_in_sample(const struct nal *n)
{
	int t = hevc_type(n);

	return (t < HEVC_VPS || t > HEVC_DELIMITER) && t != HEVC_FILLER;
}

static size_t size(const uint8_t *p, size_t n)
{
	return nal_sample_size(p, n, hevc_in_sample);
}

static void copy(const uint8_t *p, size_t n, uint8_t *out)
{
	nal_sample_copy(p, n, hevc_in_sample, out);
}

static bool has_config(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct nal nal;

	while (nal_next(&p, end, &nal))
		if (hevc_type(&nal) == HEVC_SPS)
			return true;
	return false;
}

struct sps {
	unsigned layers; /* temporal, less 1 */
	bool nested;
	uint8_t
	    profile[12]; /* profile_tier_level's general part: space, tier, profile; flags; level */
	unsigned chroma, luma_depth, chroma_depth;
};

void hevc_skip_layers(struct bits *b, unsigned layers)
{
	bool profile[8], level[8];

	if (!layers)
		return;
	for (unsigned i = 0; i < layers; i++) {
		profile[i] = bits_one(b);
		level[i] = bits_one(b);
	}
	bits_skip(b, 2 * (8 - layers));
	for (unsigned i = 0; i < layers; i++)
		bits_skip(b, (profile[i] ? 88u : 0) + (level[i] ? 8 : 0));
}

/* 7.3.2.2.1, the first fields. */
static bool read_sps(const struct nal *n, struct sps *s)
{
	struct bits b = {.p = n->p + 2, .end = n->p + n->n};

	bits_skip(&b, 4);
	s->layers = bits_get(&b, 3);
	s->nested = bits_one(&b);
	for (size_t i = 0; i < sizeof(s->profile); i++)
		s->profile[i] = (uint8_t)bits_get(&b, 8);
	hevc_skip_layers(&b, s->layers);
	bits_ue(&b); /* id */
	s->chroma = bits_ue(&b) & 3;
	if (s->chroma == 3)
		bits_one(&b);
	bits_ue(&b); /* width, height */
	bits_ue(&b);
	if (bits_one(&b)) /* what is cropped */
		for (int i = 0; i < 4; i++)
			bits_ue(&b);
	s->luma_depth = bits_ue(&b) & 7;
	s->chroma_depth = bits_ue(&b) & 7;
	return s->layers < 7 && !bits_over(&b);
}

/* ISO/IEC 14496-15, Annex E.3: "hvc1.1.6.L93.b0". */
static void put_name(const struct sps *s, char name[CODER_NAME])
{
	static const char spaces[4][2] = {"", "A", "B", "C"};
	const uint8_t *p = s->profile;
	uint32_t flags = 0;
	size_t at, last = 10;

	for (unsigned i = 0; i < 32; i++)
		flags |= (uint32_t)(p[1 + i / 8] >> (7 - i % 8) & 1) << i;
	at = (size_t)snprintf(name, CODER_NAME, "hvc1.%s%u.%x.%c%u", spaces[p[0] >> 6], p[0] & 31,
			      flags, p[0] & 32 ? 'H' : 'L', p[11]);
	while (last > 4 && !p[last])
		last--;
	for (size_t i = 5; i <= last && at + 4 < CODER_NAME; i++)
		at += (size_t)snprintf(name + at, CODER_NAME - at, ".%x", p[i]);
}

static void put_array(struct boxes *out, int type, const struct nal_sets *sets)
{
	box_u8(out, 0x80 | (unsigned)type); /* all of them are here */
	box_u16(out, (unsigned)sets->n);
	nal_sets_put(sets, out);
}

/* 8.3.3.1.2 */
static void put_hvcc(const struct sps *s, const struct nal_sets set[3], struct boxes *out)
{
	box_u8(out, 1);
	box_bytes(out, s->profile, sizeof(s->profile));
	box_u16(out, 0xf000); /* segmentation: not known */
	box_u8(out, 0xfc);    /* nor parallelism */
	box_u8(out, 0xfc | s->chroma);
	box_u8(out, 0xf8 | s->luma_depth);
	box_u8(out, 0xf8 | s->chroma_depth);
	box_u16(out, 0);						  /* nor frame rate */
	box_u8(out, (s->layers + 1) << 3 | (unsigned)s->nested << 2 | 3); /* lengths of 4 bytes */
	box_u8(out, 3);
	for (int i = 0; i < 3; i++)
		put_array(out, HEVC_VPS + i, &set[i]);
}

static int config(const struct cmaf_track *t, const uint8_t *p, size_t n, struct boxes *out,
		  char name[CODER_NAME])
{
	struct nal_sets set[3] = {{.n = 0}};
	struct nal nal;
	struct sps s;

	for (const uint8_t *end = p + n; nal_next(&p, end, &nal);)
		if (hevc_type(&nal) >= HEVC_VPS && hevc_type(&nal) <= HEVC_PPS)
			nal_sets_add(&set[hevc_type(&nal) - HEVC_VPS], &nal);
	if (!set[0].n || !set[1].n || !set[2].n)
		return -ENODATA;
	if (!read_sps(&set[1].at[0], &s))
		return -EINVAL;
	put_hvcc(&s, set, out);
	put_name(&s, name);
	return out->bad ? -ENOMEM : 0;
}

const struct coder coder_hevc = {
    .codec = MEDIA_HEVC,
    .entry = "hvc1",
    .box = "hvcC",
    .usual = "hvc1.1.6.L93.b0",
    .config = config,
    .has_config = has_config,
    .size = size,
    .copy = copy,
    .sets = sizeof(struct hevc_sets),
    .learn = hevc_sets_read,
    .split = hevc_subsamples,
};
