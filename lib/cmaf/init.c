#include "cmaf/coder.h"
#include "cmaf/protect.h"
#include "media/language.h"

static void put_ftyp(struct boxes *b)
{
	size_t at = box_begin(b, "ftyp");

	box_bytes(b, "iso6", 4);
	box_u32(b, 0);
	box_bytes(b, "iso6cmfcmp41", 12);
	box_end(b, at);
}

static void put_matrix(struct boxes *b)
{
	static const uint32_t unity[9] = {0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000};

	for (size_t i = 0; i < 9; i++)
		box_u32(b, unity[i]);
}

static void put_zeros(struct boxes *b, size_t n)
{
	while (n--)
		box_u8(b, 0);
}

static void put_mvhd(struct boxes *b, const struct cmaf_track *t, uint32_t next_id)
{
	size_t at = box_begin_full(b, "mvhd", 0, 0);

	put_zeros(b, 8);
	box_u32(b, (uint32_t)t->scale);
	box_u32(b, 0);
	box_u32(b, 0x10000); /* rate 1 */
	box_u16(b, 0x100);   /* volume 1 */
	put_zeros(b, 10);
	put_matrix(b);
	put_zeros(b, 24);
	box_u32(b, next_id);
	box_end(b, at);
}

static void put_tkhd(struct boxes *b, const struct cmaf_track *t)
{
	size_t at = box_begin_full(b, "tkhd", 0, 7); /* enabled, in the movie and its preview */
	bool audio = t->kind == MEDIA_AUDIO;
	int64_t width = t->sar.num ? base_scale(t->width, t->sar.num, t->sar.den) : t->width;

	put_zeros(b, 8);
	box_u32(b, box_track_id(t));
	put_zeros(b, 4 + 4 + 8 + 2 + 2);
	box_u16(b, audio ? 0x100 : 0);
	box_u16(b, 0);
	put_matrix(b);
	box_u32(b, (uint32_t)width << 16);
	box_u32(b, (uint32_t)t->height << 16);
	box_end(b, at);
}

/* Three letters of ISO 639-2 in 15 bits; "und" when there are none. */
static unsigned packed_language(const char *lang)
{
	unsigned v = 0;
	char l[4];

	if (!language_code(l, lang))
		str_copy(l, sizeof(l), "und");
	for (size_t i = 0; i < 3; i++)
		v = v << 5 | ((unsigned)(l[i] - 0x60) & 31);
	return v;
}

static const char *handler(const struct cmaf_track *t)
{
	return t->kind == MEDIA_VIDEO ? "vide" : t->kind == MEDIA_AUDIO ? "soun" : "text";
}

static void put_mdhd_hdlr(struct boxes *b, const struct cmaf_track *t)
{
	static const char name[] = "G-Express";
	size_t at = box_begin_full(b, "mdhd", 0, 0);

	put_zeros(b, 8);
	box_u32(b, (uint32_t)t->scale);
	box_u32(b, 0);
	box_u16(b, packed_language(t->lang));
	box_u16(b, 0);
	box_end(b, at);
	at = box_begin_full(b, "hdlr", 0, 0);
	box_u32(b, 0);
	box_bytes(b, handler(t), 4);
	put_zeros(b, 12);
	box_bytes(b, name, sizeof(name));
	box_end(b, at);
}

/* How the samples are protected (ISO/IEC 23001-7, 8): cbcs with one constant IV, of video one block of ten, of audio
 * each. */
static void put_sinf(struct boxes *b, const struct cmaf_track *t, const struct cmaf_key *k)
{
	bool video = t->kind == MEDIA_VIDEO;
	size_t sinf = box_begin(b, "sinf"), at = box_begin(b, "frma");

	box_bytes(b, t->coder->entry, 4);
	box_end(b, at);
	at = box_begin_full(b, "schm", 0, 0);
	box_bytes(b, "cbcs", 4);
	box_u32(b, 0x10000);
	box_end(b, at);
	size_t schi = box_begin(b, "schi");
	at = box_begin_full(b, "tenc", 1, 0);
	box_u8(b, 0);
	box_u8(b, video ? 1 << 4 | CBCS_SKIP : 0);
	box_u8(b, 1); /* protected */
	box_u8(b, 0); /* no IV for each sample */
	box_bytes(b, k->kid, sizeof(k->kid));
	box_u8(b, sizeof(k->iv));
	box_bytes(b, k->iv, sizeof(k->iv));
	box_end(b, at);
	box_end(b, schi);
	box_end(b, sinf);
}

/* The system of W3C's "cenc" initialization data format: it names the keys and nothing else. */
static void put_pssh(struct boxes *b, const struct cmaf_key *k)
{
	static const uint8_t common[16] = {0x10, 0x77, 0xef, 0xec, 0xc0, 0xb2, 0x4d, 0x02,
					   0xac, 0xe3, 0x3c, 0x1e, 0x52, 0xe2, 0xfb, 0x4b};
	size_t at = box_begin_full(b, "pssh", 1, 0);

	box_bytes(b, common, sizeof(common));
	box_u32(b, 1);
	box_bytes(b, k->kid, sizeof(k->kid));
	box_u32(b, 0);
	box_end(b, at);
}

static void put_config(struct boxes *b, const struct cmaf_track *t, const struct buf *config)
{
	size_t at = box_begin(b, t->coder->box);

	box_bytes(b, config->data, config->len);
	box_end(b, at);
}

static void put_video_entry(struct boxes *b, const struct cmaf_track *t, const struct buf *config,
			    const struct cmaf_key *key)
{
	size_t at = box_begin(b, key ? "encv" : t->coder->entry);

	put_zeros(b, 6);
	box_u16(b, 1); /* data reference */
	put_zeros(b, 16);
	box_u16(b, (unsigned)t->width);
	box_u16(b, (unsigned)t->height);
	box_u32(b, 0x480000); /* 72 dpi */
	box_u32(b, 0x480000);
	box_u32(b, 0);
	box_u16(b, 1);
	put_zeros(b, 32);
	box_u16(b, 0x18);
	box_u16(b, 0xffff);
	put_config(b, t, config);
	if (t->sar.num > 0 && t->sar.num != t->sar.den) {
		size_t inner = box_begin(b, "pasp");

		box_u32(b, (uint32_t)t->sar.num);
		box_u32(b, (uint32_t)t->sar.den);
		box_end(b, inner);
	}
	if (key)
		put_sinf(b, t, key);
	box_end(b, at);
}

static void put_audio_entry(struct boxes *b, const struct cmaf_track *t, const struct buf *config,
			    const struct cmaf_key *key)
{
	size_t at = box_begin(b, key ? "enca" : t->coder->entry);

	put_zeros(b, 6);
	box_u16(b, 1);
	put_zeros(b, 8);
	box_u16(b, (unsigned)t->channels);
	box_u16(b, 16);
	put_zeros(b, 4);
	box_u32(b, (uint32_t)MIN(t->sample_rate, 65535) << 16);
	put_config(b, t, config);
	if (key)
		put_sinf(b, t, key);
	box_end(b, at);
}

/* Of WebVTT (ISO/IEC 14496-30, 7.5). */
static void put_text_entry(struct boxes *b, const struct cmaf_track *t, const struct buf *config)
{
	size_t at = box_begin(b, t->coder->entry);

	put_zeros(b, 6);
	box_u16(b, 1);
	put_config(b, t, config);
	box_end(b, at);
}

static void put_media_header(struct boxes *b, const struct cmaf_track *t)
{
	bool video = t->kind == MEDIA_VIDEO;
	const char *type = video ? "vmhd" : t->kind == MEDIA_AUDIO ? "smhd" : "nmhd";
	size_t at = box_begin_full(b, type, 0, video ? 1 : 0);

	put_zeros(b, video ? 8 : t->kind == MEDIA_AUDIO ? 4 : 0);
	box_end(b, at);
}

static void put_empty_tables(struct boxes *b)
{
	static const char *const names[] = {"stts", "stsc", "stco"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		size_t at = box_begin_full(b, names[i], 0, 0);

		box_u32(b, 0);
		box_end(b, at);
	}
	size_t at = box_begin_full(b, "stsz", 0, 0);
	put_zeros(b, 8);
	box_end(b, at);
}

static void put_minf(struct boxes *b, const struct cmaf_track *t, const struct buf *config,
		     const struct cmaf_key *key)
{
	size_t minf = box_begin(b, "minf"), at;

	put_media_header(b, t);
	size_t dinf = box_begin(b, "dinf");
	size_t dref = box_begin_full(b, "dref", 0, 0);
	box_u32(b, 1);
	at = box_begin_full(b, "url ", 0, 1); /* in this file */
	box_end(b, at);
	box_end(b, dref);
	box_end(b, dinf);
	size_t stbl = box_begin(b, "stbl");
	at = box_begin_full(b, "stsd", 0, 0);
	box_u32(b, 1);
	if (t->kind == MEDIA_VIDEO)
		put_video_entry(b, t, config, key);
	else if (t->kind == MEDIA_DATA)
		put_text_entry(b, t, config);
	else
		put_audio_entry(b, t, config, key);
	box_end(b, at);
	put_empty_tables(b);
	box_end(b, stbl);
	box_end(b, minf);
}

static void put_trak(struct boxes *b, const struct cmaf_track *t, const struct buf *config,
		     const struct cmaf_key *key)
{
	size_t trak = box_begin(b, "trak");

	put_tkhd(b, t);
	size_t mdia = box_begin(b, "mdia");
	put_mdhd_hdlr(b, t);
	put_minf(b, t, config, key);
	box_end(b, mdia);
	box_end(b, trak);
}

static void put_trex(struct boxes *b, const struct cmaf_track *t)
{
	size_t at = box_begin_full(b, "trex", 0, 0);

	box_u32(b, box_track_id(t));
	box_u32(b, 1); /* sample description */
	put_zeros(b, 12);
	box_end(b, at);
}

struct buf *box_init(const struct cmaf_track *const *t, struct buf *const *config,
		     const struct cmaf_key *const *key, size_t n)
{
	struct boxes b = {0};
	struct buf *out = NULL;
	uint32_t next_id = 1;

	for (size_t i = 0; i < n; i++)
		next_id = MAX(next_id, box_track_id(t[i]) + 1);
	put_ftyp(&b);
	size_t moov = box_begin(&b, "moov");
	put_mvhd(&b, t[0], next_id);
	for (size_t i = 0; i < n; i++)
		put_trak(&b, t[i], config[i], key[i]);
	size_t mvex = box_begin(&b, "mvex");
	for (size_t i = 0; i < n; i++)
		put_trex(&b, t[i]);
	box_end(&b, mvex);
	for (size_t i = 0; i < n; i++)
		if (key[i] && (!i || key[i] != key[i - 1]))
			put_pssh(&b, key[i]);
	box_end(&b, moov);
	if (!b.bad)
		out = buf_copy(b.out.at, b.out.len);
	vec_free(&b.out);
	return out;
}
