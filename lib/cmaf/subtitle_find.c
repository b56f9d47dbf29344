/* Where pictures have captions: ITU-T T.35 messages of the ATSC in SEI NAL units of H.264 and HEVC, and in metadata OBUs of AV1. */
#include "cmaf/av1.h"
#include "cmaf/nal.h"
#include "cmaf/subtitle.h"

#define AVC_SEI 6
#define HEVC_SEI_PREFIX 39
#define HEVC_NOT_SLICE 32 /* types below are slices */
#define SEI_T35 4	  /* user_data_registered_itu_t_t35 */
#define METADATA_T35 4

bool subtitle_can(enum media_codec codec)
{
	return codec == MEDIA_H264 || codec == MEDIA_HEVC || codec == MEDIA_AV1;
}

/* An ff-coded number of an SEI message's head. */
static uint32_t number(struct bits *b)
{
	uint32_t v = 0, byte;

	do {
		byte = bits_get(b, 8);
		v += byte;
	} while (byte == 0xff && !bits_over(b) && v < 1 << 20);
	return v;
}

/* ATSC A/53 part 4, 6.2: user_data_type_code 3. */
static size_t read_t35(struct bits *b, uint32_t size, uint8_t *cc, size_t room)
{
	size_t n = 0;

	if (size < 10 || bits_get(b, 24) != 0xb50031 || bits_get(b, 32) != 0x47413934 ||
	    bits_get(b, 8) != 3)
		return 0;
	uint32_t flags = bits_get(b, 8), count = flags & 31;
	bits_get(b, 8);
	if (!(flags & 0x40) || 10 + 3 * count > size)
		return 0;
	for (; count && n + 3 <= room; count--) {
		for (int i = 0; i < 3; i++)
			cc[n + (size_t)i] = (uint8_t)bits_get(b, 8);
		if (bits_over(b))
			break;
		n += 3;
	}
	return n;
}

static size_t read_sei(const struct nal *nal, size_t head, uint8_t *cc, size_t room)
{
	struct bits b = {.p = nal->p + MIN(head, nal->n), .end = nal->p + nal->n};
	size_t n = 0;

	while (b.end - b.p > 2) {
		uint32_t type = number(&b), size = number(&b);
		struct bits message = b;

		if (bits_over(&b) || size > (size_t)(b.end - b.p))
			break;
		if (type == SEI_T35)
			n += read_t35(&message, size, cc + n, room - n);
		bits_skip(&b, 8 * size);
	}
	return n;
}

static size_t find_obu(const uint8_t *p, size_t n, uint8_t cc[CCDATA_MAX])
{
	const uint8_t *end = p + n;
	size_t got = 0;
	struct obu o;

	while (obu_next(&p, end, &o)) {
		if (o.type != OBU_METADATA || o.body_n < 2 || o.body[0] != METADATA_T35)
			continue;
		struct bits b = {.p = o.body + 1, .end = o.body + o.body_n, .raw = true};

		got += read_t35(&b, (uint32_t)MIN(o.body_n - 1, 4096), cc + got, CCDATA_MAX - got);
	}
	return got;
}

size_t subtitle_find(enum media_codec codec, const uint8_t *p, size_t n, uint8_t cc[CCDATA_MAX])
{
	const uint8_t *end = p + n;
	size_t got = 0;
	struct nal nal;

	if (codec == MEDIA_AV1)
		return find_obu(p, n, cc);
	while (subtitle_can(codec) && nal_next(&p, end, &nal)) {
		bool avc = codec == MEDIA_H264;
		int type = avc ? nal.p[0] & 31 : nal.p[0] >> 1 & 63;

		if (avc ? type >= 1 && type <= 5 : type < HEVC_NOT_SLICE)
			break; /* what concerns a picture is before it */
		if (type == (avc ? AVC_SEI : HEVC_SEI_PREFIX))
			got += read_sei(&nal, avc ? 1 : 2, cc + got, CCDATA_MAX - got);
	}
	return got;
}
