/* VP9 as vp09 ("VP Codec ISO Media File Format Binding"). Nothing but its key frames tells its
 * parameters, and its level is told nowhere: it is the lowest that the size and rate of frames fit. */
#include <errno.h>

#include "cmaf/coder.h"
#include "cmaf/nal.h"
#include "cmaf/vp9.h"

struct vp9 {
	unsigned profile, depth, subsampling, matrix;
	bool full_range;
};

static unsigned level_of(const struct cmaf_track *t)
{
	static const struct {
		unsigned level;
		int64_t rate, size; /* of luma: samples a second, in a picture */
	} levels[] = {
	    {10, 829440, 36864},	{11, 2764800, 73728},	   {20, 4608000, 122880},
	    {21, 9216000, 245760},	{30, 20736000, 552960},	   {31, 36864000, 983040},
	    {40, 83558400, 2228224},	{41, 160432128, 2228224},  {50, 311951360, 8912896},
	    {51, 588251136, 8912896},	{52, 1176502272, 8912896}, {60, 1176502272, 35651584},
	    {61, 2353004544, 35651584},
	};
	int64_t size = (int64_t)t->width * t->height;
	int64_t rate = t->fps.num > 0 ? base_scale(size, t->fps.num, t->fps.den) : size * 30;

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (size <= levels[i].size && rate <= levels[i].rate)
			return levels[i].level;
	return 62;
}

/* Bitstream specification, 6.2 (uncompressed_header) and 6.2.2 (color_config). False: no key frame. */
static bool read_header(const uint8_t *p, size_t n, struct vp9 *v)
{
	struct bits b = {.p = p, .end = p + n, .raw = true};

	if (bits_get(&b, 2) != 2)
		return false;
	v->profile = bits_one(&b);
	v->profile |= bits_one(&b) << 1;
	if (v->profile == 3)
		bits_one(&b);
	if (bits_get(&b, 2)) /* shows another frame, or is no key frame */
		return false;
	bits_skip(&b, 2);
	if (bits_get(&b, 24) != 0x498342)
		return false;
	v->depth = v->profile < 2 ? 8 : bits_one(&b) ? 12 : 10;
	unsigned space = bits_get(&b, 3);
	bool odd = v->profile & 1;
	v->matrix = 2; /* not known */
	v->subsampling = 1;
	if (space == 7) { /* RGB */
		v->matrix = 0;
		v->full_range = true;
		v->subsampling = 3;
	} else {
		static const uint8_t matrices[8] = {2, 5, 1, 6,
						    7, 9, 2, 0}; /* to ISO/IEC 23001-8 */

		v->matrix = matrices[space];
		v->full_range = bits_one(&b);
		if (odd) /* 4:4:4, 4:2:2; 4:4:0 has no number */
			v->subsampling = bits_one(&b) ? 2 : 3;
	}
	return !bits_over(&b);
}

static bool has_config(const uint8_t *p, size_t n)
{
	struct vp9 v;

	return read_header(p, n, &v);
}

static int config(const struct cmaf_track *t, const uint8_t *p, size_t n, struct boxes *out,
		  char name[CODER_NAME])
{
	struct vp9 v = {0};
	unsigned level = level_of(t);

	if (!read_header(p, n, &v))
		return -ENODATA;
	box_u32(out, 0x01000000); /* version 1 */
	box_u8(out, v.profile);
	box_u8(out, level);
	box_u8(out, v.depth << 4 | v.subsampling << 1 | v.full_range);
	box_u8(out, 2); /* primaries, transfer: not known */
	box_u8(out, 2);
	box_u8(out, v.matrix);
	box_u16(out, 0);
	snprintf(name, CODER_NAME, "vp09.%02u.%02u.%02u", v.profile, level, v.depth);
	return out->bad ? -ENOMEM : 0;
}

const struct coder coder_vp9 = {
    .codec = MEDIA_VP9,
    .entry = "vp09",
    .box = "vpcC",
    .usual = "vp09.00.31.08",
    .config = config,
    .has_config = has_config,
    .sets = sizeof(struct vp9_refs),
    .split = vp9_subsamples,
};
