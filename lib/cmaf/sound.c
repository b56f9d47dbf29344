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

/* ---- silence ---- */

struct writer {
	uint8_t *out;
	size_t bits;
};

static void put_bits(struct writer *w, unsigned v, unsigned n)
{
	while (n--) {
		size_t at = w->bits++;

		if (at % 8 == 0)
			w->out[at / 8] = 0;
		w->out[at / 8] |= (uint8_t)((v >> n & 1) << (7 - at % 8));
	}
}

/* individual_channel_stream() without a band: nothing follows of sections, scale factors or spectrum. */
static void put_channel(struct writer *w, bool own_info)
{
	put_bits(w, 0, 8); /* global_gain */
	if (own_info)
		put_bits(w, 0, 11); /* ics_info(): a long window, max_sfb 0, no prediction */
	put_bits(w, 0, 3);	    /* no pulses, no noise shaping, no gain control */
}

enum { SCE, CPE, LFE = 3, END = 7 }; /* syntactic elements, ISO/IEC 14496-3, table 4.85 */

static void put_element(struct writer *w, unsigned kind, unsigned tag)
{
	put_bits(w, kind, 3);
	put_bits(w, tag, 4);
	if (kind != CPE) {
		put_channel(w, true);
		return;
	}
	put_bits(w, 1, 1);  /* common_window: */
	put_bits(w, 0, 11); /* their ics_info() */
	put_bits(w, 0, 2);  /* ms_mask_present */
	put_channel(w, false);
	put_channel(w, false);
}

#define AAC_SPECIFIC 26 /* where in esds the AudioSpecificConfig begins, see config_aac */

/* raw_data_block() of ISO/IEC 14496-3, 4.4.2.1, by the elements that a channel configuration (table 1.19) has. With SBR it is
 * the core alone, which is as silent. */
static size_t silence_aac(const struct buf *config, int64_t frame_us, uint8_t out[CODER_SILENCE])
{
	static const char *const elements[] = {"", "s", "c", "sc", "scs", "scc", "sccl", "scccl"};
	struct writer w = {out, 0};
	unsigned tag[4] = {0};

	(void)frame_us;
	if (config->len < AAC_SPECIFIC + 2)
		return 0;
	const uint8_t *p = config->data + AAC_SPECIFIC;
	unsigned type = p[0] >> 3, rate = (p[0] & 7u) << 1 | p[1] >> 7, layout = p[1] >> 3 & 15;
	if ((type != 2 && type != 5 && type != 29) || rate == 15 || !layout ||
	    layout >= ARRAY_LEN(elements))
		return 0;
	for (const char *e = elements[layout]; *e; e++) {
		unsigned kind = *e == 's' ? SCE : *e == 'c' ? CPE : LFE;

		put_element(&w, kind, tag[kind]++);
	}
	put_bits(&w, END, 3);
	return (w.bits + 7) / 8;
}

/* RFC 6716, 3.1: CELT over the full band, in frames of 20 ms at most. 0xff 0xfe is how an encoder says nothing. */
static size_t silence_opus(const struct buf *config, int64_t frame_us, uint8_t out[CODER_SILENCE])
{
	unsigned stereo = config->len > 1 && config->data[1] > 1;
	int64_t unit = MIN(frame_us, 20000), n = frame_us / unit;
	unsigned size = unit <= 2500 ? 28 : unit <= 5000 ? 29 : unit <= 10000 ? 30 : 31;
	size_t at = 0;

	if (config->len < 11 || config->data[10] || n > 6) /* one stream, no mapping */
		return 0;
	out[at++] = (uint8_t)(size << 3 | stereo << 2 | (n > 1 ? 3 : 0));
	if (n > 1)
		out[at++] = (uint8_t)n; /* as many of one size */
	for (int64_t i = 0; i < n; i++) {
		out[at++] = 0xff;
		out[at++] = 0xfe;
	}
	return at;
}

const struct coder coder_aac = {
    .codec = MEDIA_AAC,
    .entry = "mp4a",
    .box = "esds",
    .usual = "mp4a.40.2",
    .config = config_aac,
    .silence = silence_aac,
};
const struct coder coder_opus = {
    .codec = MEDIA_OPUS,
    .entry = "Opus",
    .box = "dOps",
    .usual = "opus",
    .config = config_opus,
    .silence = silence_opus,
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
