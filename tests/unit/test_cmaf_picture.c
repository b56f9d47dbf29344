#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmaf/archive.h"
#include "cmaf/picture.h"

#define T0 (INT64_C(1700000000) * SEC_US)

/* The least of a JPEG that has a size. */
static size_t jpeg(uint8_t out[64], int w, int h)
{
	const uint8_t frame[] = {8, (uint8_t)(h >> 8), (uint8_t)h, (uint8_t)(w >> 8), (uint8_t)w};
	static const uint8_t head[] = "\xff\xd8\xff\xe0\0\4ab\xff\xff\xc0\0\013",
			     tail[] = "\1\1\x11\0\xff\xda\0\2U\xff\xd9";
	size_t n = sizeof(head) - 1;

	memcpy(out, head, n);
	memcpy(out + n, frame, sizeof(frame));
	memcpy(out + n + sizeof(frame), tail, sizeof(tail) - 1);
	return n + sizeof(frame) + sizeof(tail) - 1;
}

static struct pictures *of(int64_t num, int64_t den, int64_t window_us)
{
	struct media_track m = {.codec = MEDIA_JPEG, .fps = {num, den}, .width = 160, .height = 90};
	struct pictures *p = pictures_create(&m, window_us);

	assert_non_null(p);
	return p;
}

static int take(struct pictures *p, int64_t us)
{
	uint8_t b[64];

	return pictures_take(p, b, jpeg(b, 160, 90), us);
}

static void each_has_the_number_of_its_time(void **state)
{
	struct pictures *p = of(1, 2, 10 * SEC_US);

	assert_int_equal(p->every_us, 2 * SEC_US);
	assert_null(pictures_last(p));
	assert_int_equal(take(p, T0), 0);
	assert_int_equal(take(p, T0 + 1999999), -EEXIST);
	assert_int_equal(take(p, T0 - 1), -EEXIST);
	assert_int_equal(take(p, T0 + 6 * SEC_US + 33333), 0);
	assert_int_equal(pictures_last(p)->number, 850000003);
	assert_non_null(pictures_find(p, 850000000));
	assert_null(pictures_find(p, 850000001));
	assert_int_equal(pictures_find(p, 850000003)->width, 160);
	pictures_destroy(p);
}

static void the_distance_has_bounds(void **state)
{
	static const struct {
		struct ratio fps;
		int64_t every_us;
	} k[] = {{{0, 1}, 2 * SEC_US},
		 {{30, 1}, 200 * MS_US},
		 {{1, 100000}, 600 * SEC_US},
		 {{2, 5}, 2500 * MS_US}};

	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		assert_int_equal(pictures_every_us(&(struct media_track){.fps = k[i].fps}),
				 k[i].every_us);
}

static void what_is_no_jpeg_is_refused(void **state)
{
	struct pictures *p = of(1, 1, 10 * SEC_US);
	uint8_t b[64], *big = calloc(1, 300000);
	size_t n = jpeg(b, 160, 90);

	assert_non_null(big);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(pictures_take(p, b, cut, T0), -EINVAL);
	b[1] = 0;
	assert_int_equal(pictures_take(p, b, n, T0), -EINVAL);
	n = jpeg(b, 0, 90);
	assert_int_equal(pictures_take(p, b, n, T0), -EINVAL);
	n = jpeg(b, 160, 5000);
	assert_int_equal(pictures_take(p, b, n, T0), -EINVAL);
	jpeg(b, 160, 90);
	b[5] = 200; /* a segment beyond the end */
	assert_int_equal(pictures_take(p, b, n, T0), -EINVAL);
	assert_int_equal(pictures_take(p, big, 300000, T0), -EMSGSIZE);
	assert_int_equal(p->bytes, 0);
	free(big);
	pictures_destroy(p);
}

static void the_oldest_go(void **state)
{
	struct pictures *p = of(1, 1, 10 * SEC_US);

	for (int i = 0; i < 100; i++)
		assert_int_equal(take(p, T0 + i * SEC_US), 0);
	assert_int_equal(p->at.len, 22); /* two windows and the ends */
	assert_int_equal(p->at.at[0].number, 1700000078);
	assert_int_equal(p->bytes, 22 * p->at.at[0].jpeg->len);
	pictures_destroy(p);
}

static char *list(const struct pictures *p, bool ended)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	pictures_put_list(p, ended, f);
	fclose(f);
	return text;
}

static void the_playlist_has_the_window_and_its_gaps(void **state)
{
	struct pictures *p = of(1, 2, 6 * SEC_US);
	char *text;

	for (int i = 0; i < 9; i++)
		if (i != 7)
			assert_int_equal(take(p, T0 + 2 * i * SEC_US), 0);
	text = list(p, true);
	assert_string_equal(text, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n"
				  "#EXT-X-MEDIA-SEQUENCE:850000006\n#EXT-X-IMAGES-ONLY\n"
				  "#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:32.000Z\n"
				  "#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=1x1,DURATION=2.000\n"
				  "#EXTINF:2.000,\n850000006.jpg\n"
				  "#EXT-X-GAP\n"
				  "#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=1x1,DURATION=2.000\n"
				  "#EXTINF:2.000,\n850000007.jpg\n"
				  "#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=1x1,DURATION=2.000\n"
				  "#EXTINF:2.000,\n850000008.jpg\n"
				  "#EXT-X-ENDLIST\n");
	free(text);
	pictures_destroy(p);
}

static void add(struct archive *a, int64_t number, int64_t every_us)
{
	struct archive_about o = {.name = CMAF_PICTURES,
				  .codec = PICTURE_CODEC,
				  .init = "x",
				  .kind = MEDIA_DATA,
				  .width = 160,
				  .height = 90,
				  .fps = {0, 1},
				  .d = {every_us, SEC_US},
				  .scale = SEC_US};

	if (!a->pictures)
		assert_non_null(archive_begin(a, &o, number));
	assert_int_equal(archive_add(a, a->pictures,
				     &(struct archive_entry){.number = number,
							     .start = number * every_us,
							     .size = 1000,
							     .dur = (uint32_t)every_us}),
			 0);
}

static void those_on_disk_are_no_media(void **state)
{
	struct archive a = {0};
	struct archive_range all = {.from_us = T0, .to_us = INT64_MAX, .live = true};
	int64_t from, to;
	char *text = NULL;
	size_t n;

	for (int64_t i = -2; i < 3; i++)
		add(&a, 850000000 + i, 2 * SEC_US);
	assert_int_equal(a.n, 0);
	assert_false(archive_span(&a, &from, &to));
	assert_ptr_equal(archive_find(&a, CMAF_PICTURES), a.pictures);
	assert_true(archive_has_pictures(&a, &all));
	FILE *f = open_memstream(&text, &n);
	archive_hls_media(&a, a.pictures, &all, false, f);
	fclose(f);
	assert_non_null(strstr(text, "#EXT-X-MEDIA-SEQUENCE:850000000\n"));
	assert_null(strstr(text, "849999999.jpg"));
	assert_non_null(strstr(text, "850000002.jpg"));
	assert_null(strstr(text, "ENDLIST"));
	free(text);
	all.to_us = T0 - 10 * SEC_US;
	assert_false(archive_has_pictures(&a, &all));
	archive_drop(&a, a.pictures, archive_newest(a.pictures));
	assert_null(a.pictures);
	archive_finish(&a);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_has_the_number_of_its_time),
    cmocka_unit_test(the_distance_has_bounds),
    cmocka_unit_test(what_is_no_jpeg_is_refused),
    cmocka_unit_test(the_oldest_go),
    cmocka_unit_test(the_playlist_has_the_window_and_its_gaps),
    cmocka_unit_test(those_on_disk_are_no_media),
};
RUN_TESTS(tests)
