#include "unit.h"

#include <errno.h>
#include <openssl/evp.h>

#include "cmaf/coder.h"
#include "cmaf/protect.h"
#include "cmaf_feed.h"

#define T0 (INT64_C(1795361000) * SEC_US)
static const uint8_t kid1[16] = {1}, key1[16] = {0x11, 0x22}, iv1[16] = {9, 9};
static const uint8_t kid2[16] = {2}, key2[16] = {0x33, 0x44}, iv2[16] = {8, 8};

/* ---- a stream whose slices have headers of a length that is known ---- */

struct writer {
	uint8_t at[64];
	size_t bits;
};

static void put(struct writer *w, uint32_t v, int n)
{
	while (n--) {
		w->at[w->bits / 8] |= (uint8_t)((v >> n & 1) << (7 - w->bits % 8));
		w->bits++;
	}
}

static void put_ue(struct writer *w, uint32_t v)
{
	int n = 0;

	while ((v + 1) >> (n + 1))
		n++;
	put(w, v + 1, 2 * n + 1);
}

static size_t end(struct writer *w)
{
	put(w, 1, 1);
	return (w->bits + 7) / 8;
}

/* Main profile, 4 bits of frame number, 6 of order; CABAC, weighted prediction, deblocking. */
static size_t make_sets(uint8_t *out)
{
	struct writer s = {{0x67, 77, 0, 30}, 32}, p = {{0x68}, 8};
	static const uint8_t start[] = {0, 0, 0, 1};

	put_ue(&s, 0);
	put_ue(&s, 0);
	put_ue(&s, 0);
	put_ue(&s, 2);
	put_ue(&s, 2);
	put(&s, 0, 1);
	put_ue(&s, 39);
	put_ue(&s, 22);
	put(&s, 1 << 4 | 1 << 3, 5); /* frames only, 8x8 inference, no cropping, no VUI */
	put_ue(&p, 0);
	put_ue(&p, 0);
	put(&p, 2, 2);
	put_ue(&p, 0);
	put_ue(&p, 1); /* two references in list 0 */
	put_ue(&p, 0);
	put(&p, 4, 3); /* weighted */
	for (int i = 0; i < 3; i++)
		put_ue(&p, 0);
	put(&p, 4, 3); /* deblocking */
	size_t ns = end(&s), np = end(&p);
	memcpy(out, start, 4);
	memcpy(out + 4, s.at, ns);
	memcpy(out + 4 + ns, start, 4);
	memcpy(out + 8 + ns, p.at, np);
	return 8 + ns + np;
}

/* An IDR slice, or a P slice with reordering, weights and marking. Returns the bits of its header with
 * the NAL unit's. */
static size_t make_slice(struct writer *w, bool idr)
{
	*w = (struct writer){.at = {idr ? 0x65 : 0x41}, .bits = 8};
	put_ue(w, 0);
	put_ue(w, idr ? 7 : 5);
	put_ue(w, 0);
	put(w, 3, 4);
	if (idr)
		put_ue(w, 1);
	put(w, 5, 6);
	if (idr) {
		put(w, 0, 2);
	} else {
		put(w, 0, 1); /* as many references as the set says */
		put(w, 1, 1);
		put_ue(w, 0);
		put_ue(w, 2);
		put_ue(w, 3);
		put_ue(w, 5);
		put_ue(w, 5);
		put(w, 1, 1);
		put_ue(w, 3); /* a weight and an offset */
		put_ue(w, 4);
		put(w, 0, 1);
		put(w, 0, 1);
		put(w, 1, 1);
		for (int i = 0; i < 4; i++)
			put_ue(w, 7);
		put(w, 1, 1);
		put_ue(w, 1);
		put_ue(w, 6);
		put_ue(w, 0);
		put_ue(w, 2); /* cabac_init_idc */
	}
	put_ue(w, 9);
	put_ue(w, 0);
	put_ue(w, 3);
	put_ue(w, 4);
	return w->bits;
}

#define SLICE 400
/* An access unit: parameters before a key frame, SEI, two slices of SLICE bytes. */
static struct media_packet *picture(int64_t n, bool key)
{
	uint8_t data[2 * SLICE + 128];
	size_t at = key ? make_sets(data) : 0;
	static const uint8_t sei[] = {0, 0, 1, 6, 5, 1, 0xaa, 0x80};

	memcpy(data + at, sei, sizeof(sei));
	at += sizeof(sei);
	for (int i = 0; i < 2; i++) {
		struct writer w;
		static const uint8_t start[] = {0, 0, 1};

		make_slice(&w, key);
		memcpy(data + at, start, 3);
		memset(data + at + 3, 0x80 | (int)(n & 15), SLICE);
		memcpy(data + at + 3, w.at, (w.bits + 7) / 8);
		at += 3 + SLICE;
	}
	struct media_packet *p = media_packet_create(at);
	memcpy(p->data, data, at);
	p->pts = p->dts = n;
	p->duration = 1;
	p->key = key;
	return p;
}

static void test_slice_headers(void **state)
{
	struct avc_sets *sets = calloc(1, sizeof(*sets));
	uint8_t data[128];
	struct writer w;

	avc_sets_read(sets, data, make_sets(data));
	for (int idr = 0; idr < 2; idr++) {
		size_t bits = make_slice(&w, idr);
		struct nal nal = {w.at, sizeof(w.at)};

		assert_int_equal(avc_slice_header(sets, &nal), (bits + 7) / 8);
		nal.n = bits / 8 - 1; /* cut within the header */
		assert_int_equal(avc_slice_header(sets, &nal), 0);
	}
	sets->pps[0].known = false;
	make_slice(&w, true);
	assert_int_equal(avc_slice_header(sets, &(struct nal){w.at, sizeof(w.at)}), 0);
	free(sets);
}

/* ---- what is in the boxes, read back ---- */

/* The content of the first box of a path, as "moof/traf/senc"; an empty one when it is not there. */
static struct rd find(struct rd r, const char *path)
{
	size_t skip = 0;

	while (rd_left(&r) >= 8) {
		uint32_t n = rd_u32(&r);
		const char *type = (const char *)rd_bytes(&r, 4);
		struct rd in = rd_of(rd_bytes(&r, n - 8), n - 8);

		if (memcmp(type, path, 4))
			continue;
		if (!path[4])
			return in;
		skip = !memcmp(type, "stsd", 4)	  ? 8
		       : !memcmp(type, "encv", 4) ? 78
		       : !memcmp(type, "enca", 4) ? 28
						  : 0;
		rd_bytes(&in, skip);
		return find(in, path + 5);
	}
	return rd_of("", 0);
}

static void open_cbc(const uint8_t key[16], const uint8_t iv[16], uint8_t *p, size_t n)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int len;

	EVP_DecryptInit_ex(c, EVP_aes_128_cbc(), NULL, key, iv);
	EVP_CIPHER_CTX_set_padding(c, 0);
	EVP_DecryptUpdate(c, p, &len, p, (int)n);
	EVP_CIPHER_CTX_free(c);
}

/* Undoes the pattern, by another way than it was made: the encrypted blocks are put together. */
static void open_slice(const uint8_t key[16], const uint8_t iv[16], uint8_t *p, size_t n)
{
	uint8_t blocks[SLICE];
	size_t have = 0;

	for (size_t at = 0; at + 16 <= n; at += 160, have += 16)
		memcpy(blocks + have, p + at, 16);
	open_cbc(key, iv, blocks, have);
	for (size_t at = 0, i = 0; at + 16 <= n; at += 160, i += 16)
		memcpy(p + at, blocks + i, 16);
}

/* The payload of a chunk of one picture is that of p once it is decrypted, and is not before. */
static void check_picture(const struct buf *chunk, const struct media_packet *p,
			  const uint8_t key[16], const uint8_t iv[16])
{
	struct rd all = rd_of(chunk->data, chunk->len), senc = find(all, "moof/traf/senc"),
		  mdat = find(all, "mdat"), saio = find(all, "moof/traf/saio");
	size_t size = coder_avc.size(p->data, p->size);
	uint8_t want[2 * SLICE + 64], got[2 * SLICE + 64];
	size_t at = 0;

	coder_avc.copy(p->data, p->size, want);
	assert_int_equal(rd_left(&mdat), size);
	memcpy(got, mdat.p, size);
	assert_memory_not_equal(got, want, size);
	assert_int_equal(rd_u32(&senc), 2);
	assert_int_equal(rd_u32(&senc), 1);
	rd_u64(&saio);
	assert_ptr_equal(chunk->data + rd_u32(&saio), senc.p);
	assert_int_equal(rd_u16(&senc), 2);
	for (int i = 0; i < 2; i++) {
		at += rd_u16(&senc);
		uint32_t n = rd_u32(&senc);
		assert_true(n > SLICE - 40);
		open_slice(key, iv, got + at, n);
		at += n;
	}
	assert_int_equal(at, size);
	assert_memory_equal(got, want, size);
}

static void check_sound(const struct buf *chunk, const struct media_packet *p,
			const uint8_t key[16], const uint8_t iv[16])
{
	struct rd all = rd_of(chunk->data, chunk->len), mdat = find(all, "mdat"),
		  senc = find(all, "moof/traf/senc");
	uint8_t got[256];

	assert_int_equal(rd_left(&senc), 0);
	assert_int_equal(rd_left(&mdat), p->size);
	memcpy(got, mdat.p, p->size);
	assert_memory_not_equal(got, p->data, p->size & ~(size_t)15);
	open_cbc(key, iv, got, p->size & ~(size_t)15);
	assert_memory_equal(got, p->data, p->size);
}

static void check_init(const struct cmaf_init *i, bool video, const uint8_t kid[16],
		       const uint8_t iv[16])
{
	struct rd all = rd_of(i->buf->data, i->buf->len);
	const char *sinf = video ? "moov/trak/mdia/minf/stbl/stsd/encv/sinf/"
				 : "moov/trak/mdia/minf/stbl/stsd/enca/sinf/";
	char path[80];

	snprintf(path, sizeof(path), "%sfrma", sinf);
	struct rd r = find(all, path);
	assert_memory_equal(rd_bytes(&r, 4), video ? "avc1" : "mp4a", 4);
	snprintf(path, sizeof(path), "%sschm", sinf);
	r = find(all, path);
	rd_u32(&r);
	assert_memory_equal(rd_bytes(&r, 4), "cbcs", 4);
	snprintf(path, sizeof(path), "%sschi/tenc", sinf);
	r = find(all, path);
	assert_int_equal(rd_u32(&r), 1 << 24);
	assert_int_equal(rd_u32(&r), video ? 0x190100 : 0x100);
	assert_memory_equal(rd_bytes(&r, 16), kid, 16);
	assert_int_equal(rd_u8(&r), 16);
	assert_memory_equal(rd_bytes(&r, 16), iv, 16);
	r = find(all, "moov/pssh");
	rd_bytes(&r, 24);
	assert_memory_equal(rd_bytes(&r, 16), kid, 16);
}

/* ---- the store ---- */

static const struct cmaf_events none;

static struct media_info *tracks(void)
{
	struct media_info *i = media_info_create();
	uint8_t sets[128];

	i->utc = true;
	i->n = 2;
	feed_video(&i->track[0], "360p", 640, 360, (struct ratio){30, 1});
	feed_audio(&i->track[1], "audio", 48000);
	buf_unref(i->track[0].extra);
	i->track[0].extra = buf_copy(sets, make_sets(sets));
	return i;
}

static struct cmaf *make(struct media_info *info, enum cmaf_scheme scheme)
{
	struct cmaf_conf conf = {.segment_us = SEC_US,
				 .part_us = 200 * MS_US,
				 .window = 6,
				 .latency_us = SEC_US,
				 .scheme = scheme,
				 .keys = {.uri = "../key/",
					  .license = "/live/license",
					  .formats = CMAF_IDENTITY | CMAF_CLEARKEY}};
	struct cmaf *c;
	char err[CMAF_ERR];

	assert_int_equal(cmaf_create(&c, &conf, info, 0, &none, NULL, err), 0);
	return c;
}

static struct media_packet *packet(struct media_info *info, int track, int64_t n)
{
	return track ? feed_packet(info, 1, n, 0) : picture(n, n % 30 == 0);
}

/* Both tracks, in the order of time. */
static void feed(struct cmaf *c, struct media_info *info, int64_t from_s, int64_t to_s)
{
	int64_t v = from_s * 30, a = (from_s * 48000 + 1023) / 1024;

	while (v < to_s * 30 || a * 1024 < to_s * 48000) {
		bool video = v < to_s * 30 && v * 1600 <= a * 1024;
		struct media_packet *p = packet(info, !video, video ? v++ : a++);

		assert_int_equal(cmaf_packet(c, p, 0), 0);
		media_packet_unref(p);
	}
}

static void check_segment(struct cmaf *c, struct media_info *info, int64_t number,
			  const uint8_t kid[16], const uint8_t key[16], const uint8_t iv[16])
{
	for (int t = 0; t < 2; t++) {
		const struct cmaf_segment *s = cmaf_segment(c->track[t], number);
		int64_t first = t ? base_floor_div(s->start + 512, 1024) : number * 30;

		assert_true(s && s->complete && s->chunk.len > 20);
		assert_memory_equal(s->key->kid, kid, 16);
		assert_ptr_equal(s->init->key, s->key);
		check_init(s->init, !t, kid, iv);
		for (size_t i = 0; i < s->chunk.len; i++) {
			struct media_packet *p = packet(info, t, first + (int64_t)i);

			if (t)
				check_sound(s->chunk.at[i], p, key, iv);
			else
				check_picture(s->chunk.at[i], p, key, iv);
			media_packet_unref(p);
		}
	}
}

static void test_cbcs(void **state)
{
	struct media_info *info = tracks();
	struct cmaf *c = make(info, CMAF_CBCS);
	int64_t s0 = T0 / SEC_US;

	assert_int_equal(cmaf_key(c, kid1, key1, iv1, INT64_MIN), 0);
	assert_int_equal(cmaf_key(c, kid2, key2, iv2, s0 + 2), 0);
	assert_int_equal(cmaf_key(c, kid2, key2, iv2, s0 + 2), -EBUSY);
	feed(c, info, s0, s0 + 4);
	check_segment(c, info, s0, kid1, key1, iv1);
	check_segment(c, info, s0 + 1, kid1, key1, iv1);
	check_segment(c, info, s0 + 2, kid2, key2, iv2);
	assert_false(cmaf_segment(c->track[0], s0 + 2)->discontinuity);
	assert_int_equal(cmaf_key(c, kid1, key1, iv1, s0 + 3), -EBUSY); /* it has begun */
	assert_int_equal(c->track[0]->dropped, 0);
	assert_non_null(cmaf_key_find(c, kid1));
	feed(c, info, s0 + 4, s0 + 20); /* those of the first key are gone, and it with them */
	assert_int_equal(c->nkeys, 1);
	assert_null(cmaf_key_find(c, kid1));
	cmaf_destroy(c);
	media_info_unref(info);
}

/* Nothing gets into the store before there is a key, nor what cannot be encrypted. */
static void test_never_clear(void **state)
{
	struct media_info *info = tracks();
	struct cmaf *c = make(info, CMAF_CBCS);
	int64_t s0 = T0 / SEC_US;

	feed(c, info, s0, s0 + 2);
	assert_int_equal(c->track[0]->n + c->track[1]->n, 0);
	assert_int_equal(c->bytes, 0);
	assert_int_equal(cmaf_key(c, kid1, key1, iv1, INT64_MIN), 0);
	feed(c, info, s0 + 2, s0 + 4);
	int64_t dropped = c->track[0]->dropped, frames = c->track[0]->frames;
	struct media_packet *p = picture((s0 + 4) * 30, false);
	p->data[3 + 5 + 3] = 0x42; /* data partitioning instead of a slice */
	assert_int_equal(cmaf_packet(c, p, 0), 0);
	media_packet_unref(p);
	assert_int_equal(c->track[0]->dropped, dropped + 1);
	assert_int_equal(c->track[0]->frames, frames);
	cmaf_destroy(c);
	c = make(info, CMAF_CLEAR);
	assert_int_equal(cmaf_key(c, kid1, key1, iv1, INT64_MIN), -EINVAL);
	cmaf_destroy(c);
	media_info_unref(info);
}

/* Decrypts a file of AES-128 and takes its padding off; what is left begins with a moof and is as long as its boxes. */
static void check_file(const struct buf *b, int64_t number, size_t *len)
{
	uint8_t *p = malloc(b->len), iv[16] = {0};
	struct wr w = wr_of(iv + 8, 8);
	size_t at = 0, n = b->len;

	wr_u64(&w, (uint64_t)number);
	memcpy(p, b->data, n);
	open_cbc(key1, iv, p, n);
	assert_in_range(p[n - 1], 1, 16);
	n -= p[n - 1];
	assert_memory_equal(p + 4, "moof", 4);
	while (at < n) {
		struct rd r = rd_of(p + at, 4);

		at += rd_u32(&r);
	}
	assert_int_equal(at, n);
	*len = n;
	free(p);
}

static void test_aes128(void **state)
{
	struct media_info *info = tracks();
	struct cmaf *c = make(info, CMAF_AES128);
	int64_t s0 = T0 / SEC_US;

	assert_int_equal(cmaf_key(c, kid1, key1, iv1, INT64_MIN), 0);
	feed(c, info, s0, s0 + 2);
	for (int t = 0; t < 2; t++) {
		const struct cmaf_segment *s = cmaf_segment(c->track[t], s0);
		size_t whole, part, sum = 0;

		assert_int_equal(s->chunk.len, 1);
		assert_int_equal(s->size, s->chunk.at[0]->len);
		check_file(s->chunk.at[0], s0, &whole);
		for (size_t i = 0; i < s->part.len; i++) {
			assert_int_equal(s->part.at[i].size, s->part.at[i].sealed->len);
			check_file(s->part.at[i].sealed, s0, &part);
			sum += part;
		}
		assert_int_equal(sum, whole);
		assert_null(s->init->key);
	}
	feed(c, info, s0 + 2, s0 + 30); /* the books are right after evictions, too */
	cmaf_end(c);
	size_t bytes = 0;
	for (int t = 0; t < 2; t++) {
		const struct cmaf_segment *s;

		list_for (s, &c->track[t]->segments, link) {
			for (size_t i = 0; i < s->chunk.len; i++)
				bytes += s->chunk.at[i]->len;
			for (size_t i = 0; i < s->part.len; i++)
				bytes += s->part.at[i].sealed->len;
		}
	}
	assert_int_equal(bytes, c->bytes);
	cmaf_destroy(c);
	media_info_unref(info);
}

/* ---- text ---- */

static char *text_of(struct cmaf *c, int what)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (what == 0)
		cmaf_hls_media(c, c->track[0], CMAF_WHOLE, f);
	else if (what == 1)
		cmaf_hls_media(c, c->track[0], CMAF_SKIP, f);
	else
		cmaf_dash(c, "/live/time", f);
	fclose(f);
	char *copy = str_ndup(text, n);
	free(text);
	return copy;
}

static int count(const char *text, const char *what)
{
	int n = 0;

	while ((text = strstr(text, what))) {
		n++;
		text += strlen(what);
	}
	return n;
}

static void test_text(void **state)
{
	struct media_info *info = tracks();
	struct cmaf *c = make(info, CMAF_CBCS);
	int64_t s0 = T0 / SEC_US;

	assert_int_equal(cmaf_key(c, kid1, key1, iv1, INT64_MIN), 0);
	assert_int_equal(cmaf_key(c, kid2, key2, iv2, s0 + 2), 0);
	feed(c, info, s0, s0 + 4);
	char *text = text_of(c, 0);
	assert_int_equal(count(text, "#EXT-X-KEY:METHOD=SAMPLE-AES,"), 4);
	assert_int_equal(count(text, "#EXT-X-MAP:"), 2);
	assert_int_equal(count(text, "IV=0x09090000000000000000000000000000\n"), 1);
	assert_int_equal(count(text, "KEYFORMAT=\"org.w3.clearkey\",KEYFORMATVERSIONS=\"1\","
				     "KEYID=0x02000000000000000000000000000000\n"),
			 1);
	free(text);
	text = text_of(c, 2);
	assert_int_equal(count(text, "<Period "), 2);
	assert_int_equal(count(text, "cenc:default_KID=\"01000000-0000-0000-0000-000000000000\""),
			 2);
	assert_int_equal(count(text, "<dashif:Laurl>/live/license</dashif:Laurl>"), 4);
	for (int t = 0; t < 2; t++)
		for (int64_t s = s0 + 1; s < s0 + 3; s++)
			assert_int_equal(count(text, cmaf_segment(c->track[t], s)->init->name), 1);
	free(text);
	cmaf_destroy(c);
	c = make(info, CMAF_AES128);
	assert_int_equal(cmaf_key(c, kid1, key1, iv1, INT64_MIN), 0);
	feed(c, info, s0, s0 + 12);
	text = text_of(c, 0);
	assert_int_equal(count(text, "#EXT-X-KEY:METHOD=AES-128,URI=\"../key/01000000"), 1);
	*strstr(text, "#EXT-X-KEY") = 0;
	assert_int_equal(count(text, "#EXT-X-MAP"), 1); /* before the key: it is in clear */
	free(text);
	text = text_of(c, 1);
	assert_int_equal(count(text, "#EXT-X-KEY:METHOD=AES-128"), 1);
	free(text);
	cmaf_destroy(c);
	media_info_unref(info);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_slice_headers), cmocka_unit_test(test_cbcs),
    cmocka_unit_test(test_never_clear),	  cmocka_unit_test(test_aes128),
    cmocka_unit_test(test_text),
};
RUN_TESTS(tests)
