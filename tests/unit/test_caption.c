#include "unit.h"

#include "media/caption.h"

/* Triplet number i: field 1 of CEA-608, with two bytes that name it. */
static void say(struct captions *c, int64_t n, int i, int count, bool valid)
{
	uint8_t cc[CAPTION_FRAME * 3];

	for (int k = 0; k < count; k++) {
		cc[3 * k] = valid ? 0xfc : 0xf8;
		cc[3 * k + 1] = (uint8_t)(0x20 + (i + k) / 90);
		cc[3 * k + 2] = (uint8_t)(0x20 + (i + k) % 90);
	}
	captions_put(c, n, cc, (size_t)count * 3);
}

/* How many valid ones frame n bears; they follow on *next. */
static int hear(struct captions *c, int64_t n, int *next, size_t *size)
{
	uint8_t cc[CAPTION_FRAME * 3];
	int valid = 0;

	*size = captions_take(c, n, cc);
	assert_true(*size <= sizeof(cc) && *size % 3 == 0);
	for (size_t i = 0; i < *size; i += 3) {
		if (cc[i] != 0xfc)
			continue;
		assert_int_equal(cc[i + 1], 0x20 + *next / 90);
		assert_int_equal(cc[i + 2], 0x20 + *next % 90);
		++*next;
		valid++;
	}
	return valid;
}

static void at_one_rate_all_stays_as_it_is(void **state)
{
	struct captions c = {0};
	size_t size;
	int next = 0;

	captions_init(&c);
	for (int n = 0; n < 100; n++) {
		say(&c, n, n * 2, 2, true);
		say(&c, n, 0, 18, false);
		assert_int_equal(hear(&c, n, &next, &size), 2);
		assert_int_equal(size, 60);
		/* A repeat bears none. */
		assert_int_equal(hear(&c, n, &next, &size), 0);
		assert_int_equal(size, 0);
	}
	assert_int_equal(next, 200);
	captions_finish(&c);
	captions_finish(&c);
}

/* Two frames, or three, into one: nothing is lost, padding makes room. */
static void at_half_the_rate_nothing_is_lost(void **state)
{
	for (int of = 2; of < 4; of++) {
		struct captions c = {0};
		size_t size;
		int next = 0;

		captions_init(&c);
		for (int n = 0; n < 300; n++) {
			say(&c, n / of, n * 2, 2, true);
			say(&c, n / of, 0, 18, false);
			if (n % of == of - 1)
				assert_int_equal(hear(&c, n / of, &next, &size), 2 * of);
		}
		assert_int_equal(next, 600);
		assert_int_equal(c.dropped, 0);
		captions_finish(&c);
	}
}

/* What is for later frames waits; too much is spread; what nobody takes is bounded, the oldest goes. */
static void much_waits(void **state)
{
	struct captions c = {0};
	size_t size;
	int next = 0;

	captions_init(&c);
	for (int i = 0; i < 4; i++)
		say(&c, 5, i * 20, 20, true);
	say(&c, 7, 80, 1, true);
	assert_int_equal(hear(&c, 4, &next, &size), 0);
	assert_int_equal(hear(&c, 5, &next, &size), 31);
	assert_int_equal(hear(&c, 6, &next, &size), 31);
	assert_int_equal(hear(&c, 7, &next, &size), 19);
	assert_int_equal(next, 81);
	for (int i = 0; i < 250; i++)
		say(&c, i, i * 20, 20, true);
	assert_int_equal(c.len, CAPTIONS_MAX);
	assert_int_equal(c.dropped, 5000 - CAPTIONS_MAX);
	next = 5000 - CAPTIONS_MAX;
	assert_int_equal(hear(&c, 1000, &next, &size), 31);
	captions_finish(&c);
}

static struct media_packet *packet(const uint8_t *p, size_t n)
{
	struct media_packet *m = media_packet_create(n);

	assert_non_null(m);
	memcpy(m->data, p, n);
	m->pts = 4711;
	m->key = true;
	return m;
}

static void hevc_bears_them_before_its_first_slice(void **state)
{
	static const uint8_t au[] = {0, 0, 0, 1,    0x46, 1, 0x50, 0, 0,    1, 0x4e, 1,
				     5, 1, 9, 0x80, 0,	  0, 0,	   1, 0x26, 1, 0xaf, 9};
	static const uint8_t cc[] = {0xfc, 0, 0, 0xfd, 0, 0};
	static const uint8_t sei[] = {0,    0,	  0,   1,    0x4e, 1,	4,    17,   0xb5,
				      0,    0x31, 'G', 'A',  '9',  '4', 3,    0x42, 0xff,
				      0xfc, 0,	  0,   0xfd, 0,	   0,	0xff, 0x80};
	struct media_packet *p = captions_into(packet(au, sizeof(au)), MEDIA_HEVC, cc, sizeof(cc));

	assert_int_equal(p->size, sizeof(au) + sizeof(sei));
	assert_memory_equal(p->data, au, 16);
	assert_memory_equal(p->data + 16, sei, sizeof(sei));
	assert_memory_equal(p->data + 16 + sizeof(sei), au + 16, sizeof(au) - 16);
	assert_int_equal(p->pts, 4711);
	assert_true(p->key);
	media_packet_unref(p);
	/* Three zeros are no start code. */
	static const uint8_t zeros[] = {0xfc, 0, 0, 0, 0, 0};
	p = captions_into(packet(au, sizeof(au)), MEDIA_HEVC, zeros, sizeof(zeros));
	for (size_t i = 20; i + 2 < 16 + sizeof(sei) + 1; i++)
		assert_false(!p->data[i] && !p->data[i + 1] && p->data[i + 2] < 3);
	media_packet_unref(p);
	/* Without a slice there is no place. */
	p = captions_into(packet(au, 16), MEDIA_HEVC, cc, sizeof(cc));
	assert_int_equal(p->size, 16);
	media_packet_unref(p);
}

static void av1_bears_them_before_its_first_frame(void **state)
{
	static const uint8_t tu[] = {0x12, 0, 0x0a, 0x83, 0, 1, 2, 3, 0x32, 2, 0xaf, 9};
	static const uint8_t cc[] = {0xfc, 0, 0, 0xfd, 0, 0};
	static const uint8_t obu[] = {0x2a, 19,	  4,	0xb5, 0, 0x31, 'G', 'A', '9',  '4', 3,
				      0x42, 0xff, 0xfc, 0,    0, 0xfd, 0,   0,	 0xff, 0x80};
	struct media_packet *p = captions_into(packet(tu, sizeof(tu)), MEDIA_AV1, cc, sizeof(cc));

	assert_int_equal(p->size, sizeof(tu) + sizeof(obu));
	assert_memory_equal(p->data, tu, 8);
	assert_memory_equal(p->data + 8, obu, sizeof(obu));
	assert_memory_equal(p->data + 8 + sizeof(obu), tu + 8, 4);
	assert_int_equal(p->pts, 4711);
	assert_true(p->key);
	media_packet_unref(p);
	/* No frame, a size that is too much, none, one that has no end. */
	static const uint8_t bad[][5] = {{0x12, 0, 0x0a, 1, 9},
					 {0x0a, 0xff, 0x7f, 9, 9},
					 {0x08, 0x32, 1, 9, 9},
					 {0x0a, 0xff, 0xff, 0xff, 0xff}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		p = captions_into(packet(bad[i], 5), MEDIA_AV1, cc, sizeof(cc));
		assert_int_equal(p->size, 5);
		media_packet_unref(p);
	}
	/* VP9 has no place at all. */
	p = captions_into(packet(tu, sizeof(tu)), MEDIA_VP9, cc, sizeof(cc));
	assert_int_equal(p->size, sizeof(tu));
	media_packet_unref(p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(at_one_rate_all_stays_as_it_is),
    cmocka_unit_test(at_half_the_rate_nothing_is_lost),
    cmocka_unit_test(much_waits),
    cmocka_unit_test(hevc_bears_them_before_its_first_slice),
    cmocka_unit_test(av1_bears_them_before_its_first_frame),
};
RUN_TESTS(tests)
