/* H.264 as avc1 (ISO/IEC 14496-15, 5). */
#include <errno.h>

#include "cmaf/avc.h"
#include "cmaf/coder.h"

bool avc_in_sample(const struct nal *n)
{
	int t = avc_type(n);

	return t != NAL_SPS && t != NAL_PPS && t != NAL_DELIMITER && t != NAL_FILLER;
}

static size_t size(const uint8_t *p, size_t n)
{
	return nal_sample_size(p, n, avc_in_sample);
}

static void copy(const uint8_t *p, size_t n, uint8_t *out)
{
	nal_sample_copy(p, n, avc_in_sample, out);
}

static bool has_config(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	struct nal nal;

	while (nal_next(&p, end, &nal))
		if (avc_type(&nal) == NAL_SPS)
			return true;
	return false;
}

/* The sequence parameter set: what avcC wants of it. */
struct sps {
	unsigned chroma, luma_depth, chroma_depth;
	bool high;
};

/* 7.3.2.1.1: the first fields; profiles from High on tell the chroma format and depths. */
static void read_sps(const struct nal *n, struct sps *s)
{
	static const uint8_t high[] = {100, 110, 122, 144, 244, 44, 83,
				       86,  118, 128, 138, 139, 134};
	struct bits b = {.p = n->p + 4, .end = n->p + n->n};

	*s = (struct sps){.chroma = 1};
	s->high = memchr(high, n->p[1], sizeof(high)) != NULL;
	if (!s->high)
		return;
	bits_ue(&b); /* id */
	s->chroma = bits_ue(&b) & 3;
	if (s->chroma == 3)
		bits_one(&b);
	s->luma_depth = bits_ue(&b) & 7;
	s->chroma_depth = bits_ue(&b) & 7;
}

static int config(const struct cmaf_track *t, const uint8_t *p, size_t n, struct boxes *out,
		  char name[CODER_NAME])
{
	struct nal_sets sps = {.n = 0}, pps = {.n = 0};
	struct nal nal;
	struct sps s;

	for (const uint8_t *end = p + n; nal_next(&p, end, &nal);) {
		if (avc_type(&nal) == NAL_SPS)
			nal_sets_add(&sps, &nal);
		else if (avc_type(&nal) == NAL_PPS)
			nal_sets_add(&pps, &nal);
	}
	if (!sps.n || !pps.n)
		return -ENODATA;
	const uint8_t *first = sps.at[0].p;
	if (sps.at[0].n < 5)
		return -EINVAL;
	read_sps(&sps.at[0], &s);
	box_u8(out, 1);
	box_bytes(out, first + 1, 3); /* profile, constraints, level */
	box_u8(out, 0xff);	      /* lengths of 4 bytes */
	box_u8(out, 0xe0 | (unsigned)sps.n);
	nal_sets_put(&sps, out);
	box_u8(out, (unsigned)pps.n);
	nal_sets_put(&pps, out);
	if (s.high) {
		box_u8(out, 0xfc | s.chroma);
		box_u8(out, 0xf8 | s.luma_depth);
		box_u8(out, 0xf8 | s.chroma_depth);
		box_u8(out, 0);
	}
	snprintf(name, CODER_NAME, "avc1.%02x%02x%02x", first[1], first[2], first[3]);
	return out->bad ? -ENOMEM : 0;
}

const struct coder coder_avc = {
    .codec = MEDIA_H264,
    .entry = "avc1",
    .box = "avcC",
    .usual = "avc1.64001e",
    .config = config,
    .has_config = has_config,
    .size = size,
    .copy = copy,
    .sets = sizeof(struct avc_sets),
    .learn = avc_sets_read,
    .split = avc_subsamples,
};
