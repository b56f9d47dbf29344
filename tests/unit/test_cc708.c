#include "unit.h"

#include "../media/dtvcc-make.h"
#include "cmaf/subtitle.h"
#include "cmaf/wvtt.h"

#define T0 (INT64_C(1795361000) * SEC_US)

static struct subtitles *s;
static struct dtvcc w;
static int64_t now_us;

static int set_up(void **state)
{
	s = subtitles_create((1u << CC_CHANNELS) - 1);
	w = (struct dtvcc){0};
	now_us = T0;
	dtvcc_begin(&w);
	return s ? 0 : -1;
}

static int tear_down(void **state)
{
	subtitles_destroy(s);
	return 0;
}

/* The packet is sent, two items a frame with padding between, and another begins. */
static void send(void)
{
	uint8_t cc[3 * 64];
	int n = dtvcc_end(&w, cc);

	for (int i = 0; i < n; i += 2) {
		uint8_t frame[9] = {0xfa, 0, 0};
		int k = MIN(2, n - i);

		memcpy(frame + 3, cc + 3 * i, (size_t)(3 * k));
		subtitles_take(s, now_us, now_us, frame, (size_t)(3 + 3 * k));
		now_us += SEC_US / 30;
	}
	dtvcc_begin(&w);
}

/* Row r (from 1) of a service's screen; what is not there is a dot, what is not ASCII a question mark. */
static void shows(int service, int r, const char *want)
{
	const struct cc_screen *screen = cc708_shown(&s->of[CC_SERVICE1 + service - 1]->cc708);
	char is[CC_COLUMNS + 1] = "";
	int n = 0;

	for (int c = 0; c < CC_COLUMNS; c++) {
		const struct cc_cell *cell = &screen->at[r - 1][c];

		is[c] = (char)(!cell->c ? '.' : cell->c < 0x80 ? cell->c : '?');
		n = cell->c ? c + 1 : n;
	}
	is[n] = 0;
	assert_string_equal(is, want);
}

/* Written unseen, shown at once, hidden. */
static void test_pop_on(void **state)
{
	dtvcc_service(&w, 1);
	dtvcc_words(&w, "LOST"); /* without a window */
	dtvcc_window(&w, 0, 0, 2, 32, 1);
	dtvcc_words(&w, "FIRST\rNEXT");
	send();
	shows(1, 14, "");
	assert_true(subtitles_heard(s, CC_SERVICE1));
	assert_false(subtitles_heard(s, CC_SERVICE1 + 1));
	dtvcc_service(&w, 1);
	dtvcc_windows(&w, 0x89, 1);
	send();
	/* A window of 32 columns in the middle of 42 begins in column 5. */
	shows(1, 14, ".....FIRST");
	shows(1, 15, ".....NEXT");
	dtvcc_service(&w, 1);
	dtvcc_windows(&w, 0x8a, 0xff);
	send();
	shows(1, 14, "");
	dtvcc_service(&w, 1);
	dtvcc_windows(&w, 0x8b, 1);
	send();
	shows(1, 15, ".....NEXT");
	dtvcc_service(&w, 1);
	dtvcc_windows(&w, 0x8c, 1);
	dtvcc_words(&w, "LOST");
	dtvcc_windows(&w, 0x89, 1);
	send();
	shows(1, 15, "");
}

static void test_roll_up(void **state)
{
	dtvcc_service(&w, 1);
	dtvcc_window(&w, 0, 1, 2, 42, 1);
	dtvcc_words(&w, "ONE\rTWO\rTHREE");
	send();
	shows(1, 14, "TWO");
	shows(1, 15, "THREE");
	dtvcc_service(&w, 1);
	dtvcc_words(&w, "\b\b\x0e"
			"FOUR");
	send();
	shows(1, 15, "FOUR");
	dtvcc_service(&w, 1);
	dtvcc_words(&w, "\x0cTOP");
	send();
	shows(1, 14, "TOP");
	shows(1, 15, "");
}

/* Centred by its style, to the right by SWA; the pen where SPL sets it; what would leave the window wraps or stays. */
static void test_places(void **state)
{
	dtvcc_service(&w, 1);
	dtvcc_window(&w, 0, 1, 1, 10, 3);
	dtvcc_words(&w, "ABCD");
	send();
	shows(1, 15, "...................ABCD");
	dtvcc_service(&w, 1);
	dtvcc_byte(&w, 0x97);
	dtvcc_words(&w, "\x01\x01");
	dtvcc_byte(&w, 1); /* right */
	dtvcc_byte(&w, 1);
	send();
	shows(1, 15, "......................ABCD");
	dtvcc_service(&w, 2);
	dtvcc_window(&w, 3, 1, 3, 4, 5);
	dtvcc_words(&w, "ABCDEFGHIJKLM");
	send();
	shows(2, 13, "...................EFGH");
	shows(2, 14, "...................IJKL");
	shows(2, 15, "...................M");
	dtvcc_service(&w, 3);
	dtvcc_window(&w, 0, 1, 2, 4, 1);
	dtvcc_byte(&w, 0x92);
	dtvcc_byte(&w, 1);
	dtvcc_byte(&w, 2);
	dtvcc_words(&w, "XYZ");
	send();
	shows(3, 15, ".....................XZ");
}

/* The anchors: a window of 10 by 2 at the corners and in the middle. */
static void test_anchors(void **state)
{
	static const struct {
		int anchor, y, x, row, column;
	} at[] = {{0, 0, 0, 1, 0},	     {2, 0, 209, 1, 32},   {4, 37, 105, 7, 16},
		  {6, 74, 0, 14, 0},	     {8, 74, 209, 14, 32}, {0, 0x80 | 50, 50, 8, 21},
		  {8, 0x80 | 99, 99, 14, 31}};

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		char want[CC_COLUMNS + 8];

		dtvcc_service(&w, 1);
		dtvcc_byte(&w, 0x98);
		dtvcc_byte(&w, 0x20);
		dtvcc_byte(&w, at[i].y);
		dtvcc_byte(&w, at[i].x);
		dtvcc_byte(&w, at[i].anchor << 4 | 1);
		dtvcc_byte(&w, 9);
		dtvcc_byte(&w, 0x09);
		dtvcc_words(&w, "\x0cHERE");
		send();
		memset(want, '.', sizeof(want));
		strcpy(want + at[i].column, "HERE");
		shows(1, at[i].row, want);
	}
}

static void test_priority(void **state)
{
	dtvcc_service(&w, 1);
	dtvcc_window(&w, 0, 1, 1, 42, 1);
	dtvcc_words(&w, "ABOVE");
	dtvcc_window(&w, 1, 1, 1, 42, 1);
	w.b[w.n - 6] |= 5; /* of a lower priority */
	dtvcc_words(&w, "UNDERNEATH");
	send();
	shows(1, 15, "ABOVENEATH");
	dtvcc_service(&w, 1);
	dtvcc_windows(&w, 0x8a, 1);
	send();
	shows(1, 15, "UNDERNEATH");
}

static void test_looks(void **state)
{
	const struct cc_cell *row;

	dtvcc_service(&w, 1);
	dtvcc_window(&w, 0, 1, 1, 42, 1);
	dtvcc_words(&w, "\x90\x05");
	dtvcc_byte(&w, 0x80); /* italics */
	dtvcc_words(&w, "i\x91");
	dtvcc_byte(&w, 0x30); /* red */
	dtvcc_byte(&w, 0);
	dtvcc_byte(&w, 0);
	dtvcc_words(&w, "r\x90\x05\x40u"); /* underlined */
	send();
	row = cc708_shown(&s->of[CC_SERVICE1]->cc708)->at[14];
	assert_int_equal(row[0].look, CC_ITALICS);
	assert_int_equal(row[1].look, CC_ITALICS | CC_RED);
	assert_int_equal(row[2].look, CC_UNDERLINE | CC_RED);
}

static void test_characters(void **state)
{
	static const uint8_t codes[] = {0x7f, 0xe9, 0x10, 0x25, 0x10, 0x32, 0x10, 0x76, 0x10,
					0x26, 0x10, 0xa0, 0x18, 0xd5, 0x5c, 0x18, 0xd8, 0x00};
	static const uint16_t want[] = {0x266a, 0xe9, 0x2026, 0x2019, 0x215b,
					'_',	'_',  0xd55c, '_'};

	dtvcc_service(&w, 1);
	dtvcc_window(&w, 0, 1, 1, 42, 1);
	send();
	dtvcc_service(&w, 1);
	for (size_t i = 0; i < sizeof(codes); i++)
		dtvcc_byte(&w, codes[i]);
	/* Codes of C2 and C3 have so many bytes, and say nothing here. */
	dtvcc_words(&w, "\x10\x08?\x10\x10??\x10\x18???");
	send();
	dtvcc_service(&w, 1);
	dtvcc_words(&w, "\x10\x80????\x10\x88?????\x10\x90\x02??E");
	send();
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_int_equal(cc708_shown(&s->of[CC_SERVICE1]->cc708)->at[14][i].c, want[i]);
	assert_int_equal(cc708_shown(&s->of[CC_SERVICE1]->cc708)->at[14][9].c, 'E');
	assert_int_equal(cc708_shown(&s->of[CC_SERVICE1]->cc708)->at[14][10].c, 0);
}

/* Several services in a packet, one of them beyond six; a command that its block ends in; a packet that is lost with its rest. */
static void test_packets(void **state)
{
	for (int service = 1; service <= 6; service++) {
		dtvcc_service(&w, service);
		dtvcc_window(&w, 0, 1, 1, 42, 1);
		dtvcc_byte(&w, '0' + service);
	}
	dtvcc_service(&w, 7);
	w.b[w.n++] = 9; /* the ninth: not in the block's length */
	dtvcc_words(&w, "NINTH");
	dtvcc_service(&w, 1);
	dtvcc_words(&w, "A\x92");
	send();
	for (int service = 2; service <= 6; service++)
		shows(service, 15, (char[]){(char)('0' + service), 0});
	dtvcc_service(&w, 1);
	dtvcc_byte(&w, 0);
	dtvcc_byte(&w, 5);
	dtvcc_words(&w, "B\x92");
	send();
	shows(1, 15, "1A...B");
	w.sequence++;
	dtvcc_service(&w, 1);
	dtvcc_words(&w, "CD");
	send();
	shows(1, 15, "1A...BCD");
}

/* Each channel of CEA-608 has its own words. */
static void test_fields(void **state)
{
	static const struct {
		int field, style, text;
	} of[4] = {{0, 0x14, 'A'}, {0, 0x1c, 'B'}, {1, 0x15, 'C'}, {1, 0x1d, 'D'}};

	for (int i = 0; i < 4; i++) {
		int b[][2] = {
		    {of[i].style, 0x29}, {of[i].style & 0x1e, 0x70}, {of[i].text, of[i].text}};

		for (int k = 0; k < 3; k++) {
			uint8_t cc[3] = {(uint8_t)(0xfc | of[i].field)};

			for (int m = 0; m < 2; m++)
				cc[1 + m] =
				    (uint8_t)(b[k][m] |
					      (__builtin_popcount((unsigned)b[k][m]) % 2 ? 0
											 : 0x80));
			subtitles_take(s, now_us, now_us, cc, 3);
			now_us += SEC_US / 30;
		}
		/* Of XDS, in the second field. */
		subtitles_take(s, now_us, now_us, (uint8_t[]){0xfd, 0x01, 0x83, 0xfd, 0xc1, 0xc1},
			       6);
	}
	for (int i = 0; i < 4; i++) {
		const struct cc_screen *is = cc608_shown(&s->of[i]->cc608);

		assert_true(subtitles_heard(s, (enum cc_channel)i));
		assert_int_equal(is->at[14][0].c, of[i].text);
		assert_int_equal(is->at[14][1].c, of[i].text);
		assert_int_equal(is->at[14][2].c, 0);
	}
	assert_false(subtitles_heard(s, CC_SERVICE1));
}

/* As a text, at the time and the place. */
static void test_text(void **state)
{
	static const char want[] =
	    "\n1795361000500.14\n"
	    "00:00:00.500 --> 00:00:01.000 line:79.33% position:19.52% align:start\n"
	    "R&amp;D\n<i>second</i>\n";

	dtvcc_service(&w, 1);
	dtvcc_window(&w, 0, 0, 2, 32, 1);
	dtvcc_words(&w, "R&D\r\x90\x05");
	dtvcc_byte(&w, 0x80);
	dtvcc_words(&w, "second");
	send();
	now_us = T0 + 500 * MS_US;
	dtvcc_service(&w, 1);
	dtvcc_windows(&w, 0x89, 1);
	send();
	subtitles_until(s, T0 + SEC_US);
	struct buf *b = subtitle_cut(s->of[CC_SERVICE1], 33, T0, T0 + SEC_US);
	struct buf *text = b ? wvtt_text(b->data, b->len) : NULL;
	assert_non_null(text);
	assert_non_null(memmem(text->data, text->len, want, strlen(want)));
	buf_unref(b);
	buf_unref(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_pop_on),	 TEST(test_roll_up), TEST(test_places),	    TEST(test_anchors),
	    TEST(test_priority), TEST(test_looks),   TEST(test_characters), TEST(test_packets),
	    TEST(test_fields),	 TEST(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
