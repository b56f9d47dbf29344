#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "log/log.h"
#include "media/media.h"
#include "os/os.h"

#include "media_clip.h"

static struct media_demux *open_bytes(struct bytes *b, const char *format)
{
	struct media_reader r = {.read = give, .arg = b};
	struct media_demux *d;
	char err[MEDIA_ERR];

	if (media_demux_open(&d, &r, format, err))
		fail_msg("%s", err);
	return d;
}

/* Everything that was written comes back: the tracks, each packet with its times and bytes.
 * slack_us: what the container's own time base may lose. */
static void round_trip(const char *format, int64_t start_us, bool utc, bool named, int64_t slack_us,
		       int64_t base_us)
{
	struct bytes b = {.step = 700};
	struct media_info *info = two_tracks(utc), *got;
	struct media_packet *p;
	int n[2] = {0}, rc;

	record(&b, format, info, start_us);
	struct media_demux *d = open_bytes(&b, NULL);
	got = media_demux_info(d);
	assert_int_equal(got->n, 2);
	assert_int_equal(got->utc, utc && named);
	int64_t first[2] = {
	    base_rescale(start_us, (struct ratio){1, SEC_US}, info->track[0].tb),
	    base_rescale(start_us, (struct ratio){1, SEC_US}, (struct ratio){1024, 48000})};
	while (!(rc = media_demux_read(d, &p))) {
		const struct media_track *t = &got->track[p->track];
		int k = t->kind == MEDIA_VIDEO ? 0 : 1;
		struct media_packet *want = packet(k, first[k] + n[k], k || n[k] % 30 == 0);
		int64_t want_us = media_packet_us(info, want) - base_us;

		assert_true(llabs(media_packet_us(got, p) - want_us) <= slack_us);
		assert_int_equal(p->key, want->key);
		assert_true(p->duration > 0);
		/* MPEG-TS puts an access unit delimiter in front, and start codes may be shorter.
		 */
		size_t tail = k ? want->size : want->key ? sizeof(idr) - 4 : sizeof(same) - 4;
		assert_true(p->size >= want->size - 3);
		assert_memory_equal(p->data + p->size - tail, want->data + want->size - tail, tail);
		n[k]++;
		media_packet_unref(want);
		media_packet_unref(p);
	}
	assert_int_equal(rc, -ENODATA);
	assert_int_equal(n[0], FRAMES);
	assert_true(n[1] >= FRAMES * 3 / 2 - 3);
	assert_ptr_equal(got, media_demux_info(d));
	assert_int_equal(media_demux_damaged(d), 0);
	for (int i = 0; i < 2; i++) {
		int k = got->track[i].kind == MEDIA_VIDEO ? 0 : 1;

		assert_int_equal(got->track[i].codec, info->track[k].codec);
		if (!k && strcmp(format, "mpegts")) { /* whose frames say 30 */
			assert_int_equal(got->track[i].fps.num, 30000);
			assert_int_equal(got->track[i].fps.den, 1001);
		}
		assert_int_equal(got->track[i].width, info->track[k].width);
		assert_int_equal(got->track[i].sample_rate, info->track[k].sample_rate);
		assert_int_equal(got->track[i].channels, info->track[k].channels);
		assert_int_equal(got->track[i].extra->len, info->track[k].extra->len);
		assert_memory_equal(got->track[i].extra->data, info->track[k].extra->data,
				    info->track[k].extra->len);
		if (!named)
			continue;
		if (k || !strcmp(format, "nut"))
			assert_string_equal(got->track[i].lang, info->track[k].lang);
		if (strcmp(format, "nut"))
			continue;
		assert_string_equal(got->track[i].name, info->track[k].name);
		assert_int_equal(got->track[i].bitrate, info->track[k].bitrate);
	}
	media_demux_close(d);
	media_info_unref(info);
	free(b.at);
}

static void nut_keeps_everything(void **state)
{
	round_trip("nut", 0, false, true, 0, 0);
	round_trip("nut", INT64_C(1790000000) * SEC_US + 123456, true, true, 0, 0);
}

static void mpegts_keeps_utc(void **state)
{
	round_trip("mpegts", 10 * SEC_US, false, true, 6, 0);
	round_trip("mpegts", os_utc_us() - 2 * SEC_US, true, true, 6, 0);
}

static void flv_starts_at_zero(void **state)
{
	int64_t start = 500 * SEC_US;
	int64_t v = base_rescale(
	    base_rescale(start, (struct ratio){1, SEC_US}, (struct ratio){1001, 30000}),
	    (struct ratio){1001, 30000}, (struct ratio){1, SEC_US});

	round_trip("flv", start, false, false, 1000, v);
}

/* A wrap of the 33 bits in the middle of the stream. */
static void mpegts_wrap(void **state)
{
	int64_t wrap_us =
	    base_rescale(INT64_C(1) << 33, (struct ratio){1, 90000}, (struct ratio){1, SEC_US});

	round_trip("mpegts", wrap_us - SEC_US, false, true, 6, 0);
}

static void refused(const void *data, size_t len, const char *format, const char *because)
{
	struct bytes b = {.at = (uint8_t *)data, .len = len};
	struct media_reader r = {.read = give, .arg = &b};
	struct media_demux *d;
	char err[MEDIA_ERR] = "";

	assert_int_equal(media_demux_open(&d, &r, format, err), -EINVAL);
	assert_non_null(strstr(err, because));
	assert_null(strchr(err, '\n'));
}

static void what_is_no_stream_is_refused(void **state)
{
	static const char text[] = "It was a dark and stormy night; the rain fell in torrents.\n";
	static const char list[] =
	    "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
	static const char concat[] = "ffconcat version 1.0\nfile '/etc/passwd'\n";
	static const char sdp[] =
	    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nm=video 9 RTP/AVP 96\r\n";
	static const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0,	0, 0, 13,
				      'I',  'H', 'D', 'R', 0,	 0,    0,    1,	   0,	0, 0, 1,
				      8,    2,	 0,   0,   0,	 0x90, 0x77, 0x53, 0xde};
	uint8_t noise[40000];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	refused("", 0, NULL, "empty");
	refused(text, sizeof(text) - 1, NULL, "not a media stream");
	refused(list, sizeof(list) - 1, NULL, "not a media stream");
	refused(concat, sizeof(concat) - 1, NULL, "not a media stream");
	refused(sdp, sizeof(sdp) - 1, NULL, "not a media stream");
	refused(png, sizeof(png), NULL, "not a media stream");
	refused(noise, sizeof(noise), NULL, "not a media stream");
	refused(text, sizeof(text) - 1, "nut", "not a media stream");
	refused(list, sizeof(list) - 1, "hls", "not");
	refused(text, sizeof(text) - 1, "no-such", "no such input format");
}

static void truncated_and_damaged(void **state)
{
	static const char *const formats[] = {"nut", "mpegts", "flv", "mp4"};
	struct media_info *info = two_tracks(true);

	for (size_t f = 0; f < ARRAY_LEN(formats); f++) {
		struct bytes whole = {0};

		record(&whole, formats[f], info, os_utc_us());
		for (size_t cut = 1; cut < whole.len; cut += 1 + cut / 3) {
			struct bytes b = {.at = malloc(cut), .len = cut};
			struct media_reader r = {.read = give, .arg = &b};
			struct media_demux *d;
			struct media_packet *p;
			char err[MEDIA_ERR];

			memcpy(b.at, whole.at, cut);
			for (size_t i = 300; i < cut; i += 997)
				b.at[i] ^= (uint8_t)(1 << cut % 8);
			if (!media_demux_open(&d, &r, NULL, err)) {
				while (!media_demux_read(d, &p)) {
					assert_in_range(p->track, 0, media_demux_info(d)->n - 1);
					media_packet_unref(p);
				}
				media_demux_close(d);
			}
			free(b.at);
		}
		free(whole.at);
	}
	media_info_unref(info);
}

static void reader_errors_come_through(void **state)
{
	struct bytes b = {.end = -EINTR};
	struct media_info *info = two_tracks(false);
	struct media_reader r = {.read = give, .arg = &b};
	struct media_demux *d;
	struct media_packet *p;
	char err[MEDIA_ERR];
	int rc;

	assert_int_equal(media_demux_open(&d, &r, NULL, err), -EINTR);
	record(&b, "nut", info, 0);
	b.end = -ECONNRESET;
	d = open_bytes(&b, NULL);
	while (!(rc = media_demux_read(d, &p)))
		media_packet_unref(p);
	assert_int_equal(rc, -ECONNRESET);
	media_demux_close(d);
	media_info_unref(info);
	free(b.at);
}

static int full(void *arg, const void *p, size_t n)
{
	int *left = arg;

	return --*left < 0 ? -ENOSPC : 0;
}

static void mux_errors(void **state)
{
	struct media_info *info = two_tracks(false);
	struct media_mux *m;
	struct media_packet *p = packet(0, 0, true);
	char err[MEDIA_ERR];
	int left = 0;

	assert_int_equal(media_mux_create(&m, "nut", info, full, &left, err), -ENOSPC);
	left = 1;
	assert_int_equal(media_mux_create(&m, "nut", info, full, &left, err), 0);
	assert_int_equal(media_mux_write(m, p), -ENOSPC);
	media_mux_destroy(m);
	assert_int_equal(media_mux_create(&m, "no-such", info, full, &left, err), -EINVAL);
	info->track[0].codec = MEDIA_AV1;
	left = 100;
	assert_int_equal(media_mux_create(&m, "flv", info, full, &left, err), -EINVAL);
	assert_non_null(strstr(err, "hall"));
	media_mux_destroy(NULL);
	media_packet_unref(p);
	media_info_unref(info);
}

static void find_by_name_or_kind(void **state)
{
	struct media_info *info = two_tracks(false);

	assert_ptr_equal(media_info_find(info, "sound"), &info->track[1]);
	assert_ptr_equal(media_info_find(info, "video"), &info->track[0]);
	assert_ptr_equal(media_info_find(info, "audio"), &info->track[1]);
	assert_null(media_info_find(info, "720p"));
	media_info_unref(info);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(nut_keeps_everything),	    cmocka_unit_test(mpegts_keeps_utc),
    cmocka_unit_test(flv_starts_at_zero),	    cmocka_unit_test(mpegts_wrap),
    cmocka_unit_test(what_is_no_stream_is_refused), cmocka_unit_test(truncated_and_damaged),
    cmocka_unit_test(reader_errors_come_through),   cmocka_unit_test(mux_errors),
    cmocka_unit_test(find_by_name_or_kind),
};

int main(void)
{
	media_setup_log();
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
