/* AAC as mp4a (ISO/IEC 14496-14) and Opus as Opus ("Encapsulation of Opus in ISO Base Media File
 * Format"). Parameters come in track.extra only. */
#include <errno.h>

#include "cmaf/coder.h"

/* A descriptor of ISO/IEC 14496-1, 8.3.3 with a length below 128. */
static void put_descriptor(struct boxes *b, unsigned tag, size_t n)
{
	box_u8(b, tag);
	box_u8(b, (unsigned)n);
}

static void put_zeros(struct boxes *b, size_t n)
{
	while (n--)
		box_u8(b, 0);
}

static int config_aac(const struct cmaf_track *t, const uint8_t *p, size_t n, struct boxes *out,
		      char name[CODER_NAME])
{
	if (n < 2 || n > 64)
		return -ENODATA;
	unsigned type = p[0] >> 3;
	if (type == 31)
		type = 32 + ((p[0] & 7u) << 3 | p[1] >> 5);
	snprintf(name, CODER_NAME, "mp4a.40.%u", type);
	put_zeros(out, 4);				/* version, flags */
	put_descriptor(out, 3, 3 + 2 + 13 + 2 + n + 3); /* ES */
	box_u16(out, 1);
	box_u8(out, 0);
	put_descriptor(out, 4, 13 + 2 + n); /* decoder configuration */
	box_u8(out, 0x40);		    /* MPEG-4 audio */
	box_u8(out, 0x15);		    /* an audio stream */
	put_zeros(out, 3 + 4 + 4);
	put_descriptor(out, 5, n);
	box_bytes(out, p, n);
	put_descriptor(out, 6, 1);
	box_u8(out, 2);
	return out->bad ? -ENOMEM : 0;
}

/* RFC 7845, 5.1, is little-endian; dOps (4.3.2) says the same big-endian. */
static int config_opus(const struct cmaf_track *t, const uint8_t *p, size_t n, struct boxes *out,
		       char name[CODER_NAME])
{
	if (n < 19 || memcmp(p, "OpusHead", 8))
		return -ENODATA;
	size_t channels = p[9], mapping = p[18] ? 2 + channels : 0;
	if (!channels || n < 19 + mapping)
		return -EINVAL;
	box_u8(out, 0);
	box_u8(out, p[9]);
	box_u16(out, p[10] | (unsigned)p[11] << 8);
	box_u32(out, p[12] | (uint32_t)p[13] << 8 | (uint32_t)p[14] << 16 | (uint32_t)p[15] << 24);
	box_u16(out, p[16] | (unsigned)p[17] << 8);
	box_u8(out, p[18]);
	box_bytes(out, p + 19, mapping);
	snprintf(name, CODER_NAME, "opus");
	return out->bad ? -ENOMEM : 0;
}

const struct coder coder_aac = {
    .codec = MEDIA_AAC,
    .entry = "mp4a",
    .box = "esds",
    .usual = "mp4a.40.2",
    .config = config_aac,
};
const struct coder coder_opus = {
    .codec = MEDIA_OPUS,
    .entry = "Opus",
    .box = "dOps",
    .usual = "opus",
    .config = config_opus,
};

const struct coder *coder_of(enum media_codec codec)
{
	static const struct coder *const all[] = {&coder_avc, &coder_hevc, &coder_av1,
						  &coder_vp9, &coder_aac,  &coder_opus};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i]->codec == codec)
			return all[i];
	return NULL;
}
