#include "cmaf/subtitle.h"

#include <inttypes.h>
#include <stdio.h>

void subtitle_finish(struct subtitle *s)
{
	if (s)
		vec_free(&s->cues);
}

/* ---- from bytes to cues ---- */

static void close_cue(struct subtitle *s, int64_t us)
{
	if (!s->open || us <= s->now.start_us)
		return;
	s->now.end_us = us;
	if (s->cues.len >= SUBTITLE_CUES || vec_push(&s->cues, s->now))
		s->dropped++;
}

/* From us on what is shown is what the decoder shows. */
static void turn(struct subtitle *s, int64_t us)
{
	const struct cc608_screen *is = cc608_shown(&s->cc);

	if (s->open && !memcmp(is, &s->now.screen, sizeof(*is)))
		return;
	close_cue(s, us);
	s->now.start_us = us;
	s->now.screen = *is;
	s->open = !cc608_is_blank(is);
}

static void fall_silent(struct subtitle *s, int64_t us)
{
	if (!s->open || us - s->heard_us < SUBTITLE_IDLE_US)
		return;
	cc608_erase(&s->cc);
	turn(s, MAX(s->heard_us + SUBTITLE_IDLE_US, s->floor_us));
}

static void apply(struct subtitle *s, const struct subtitle_pair *p)
{
	int64_t us = MAX(p->us, s->floor_us);

	fall_silent(s, us);
	if ((p->b[0] | p->b[1]) & 0x7f)
		s->heard_us = us;
	enum cc608_change change = cc608_take(&s->cc, p->b);
	if (change == CC608_MORE && s->open && us - s->now.start_us < SUBTITLE_STEP_US)
		s->now.screen = *cc608_shown(&s->cc);
	else if (change != CC608_SAME)
		turn(s, us);
}

static void apply_first(struct subtitle *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		apply(s, &s->pending[i]);
	s->npending -= n;
	memmove(s->pending, s->pending + n, s->npending * sizeof(s->pending[0]));
}

/* All that is shown before us. */
static void apply_until(struct subtitle *s, int64_t us)
{
	size_t n = 0;

	while (n < s->npending && s->pending[n].us < us)
		n++;
	apply_first(s, n);
}

static void insert(struct subtitle *s, int64_t us, const uint8_t b[2])
{
	if (s->npending == SUBTITLE_PENDING)
		apply_first(s, 1);
	size_t i = s->npending++;
	for (; i && s->pending[i - 1].us > us; i--)
		s->pending[i] = s->pending[i - 1];
	s->pending[i] = (struct subtitle_pair){us, {b[0], b[1]}};
}

void subtitle_take(struct subtitle *s, int64_t pts_us, int64_t dts_us, const uint8_t *cc, size_t n)
{
	for (; n >= 3; cc += 3, n -= 3)
		if ((cc[0] & 7) == 4) /* valid, field 1 */
			insert(s, pts_us, cc + 1);
	apply_until(s, dts_us + 1);
}

/* ---- from cues to text ---- */

static void put_time(int64_t us, FILE *f)
{
	int64_t ms = us / 1000;

	fprintf(f, "%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%03" PRId64, ms / 3600000,
		ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
}

static void put_char(uint16_t c, FILE *f)
{
	if (c == '&') {
		fputs("&amp;", f);
	} else if (c == '<') {
		fputs("&lt;", f);
	} else if (c == '>') {
		fputs("&gt;", f); /* so that no text is an arrow */
	} else if (c < 0x80) {
		fputc(c ? c : ' ', f);
	} else if (c < 0x800) {
		fputc(0xc0 | c >> 6, f);
		fputc(0x80 | (c & 63), f);
	} else {
		fputc(0xe0 | c >> 12, f);
		fputc(0x80 | (c >> 6 & 63), f);
		fputc(0x80 | (c & 63), f);
	}
}

static void put_look(unsigned look, bool begin, FILE *f)
{
	/* white is what all is; the others are classes that every player knows (WebVTT, 5) */
	static const char *const colour[] = {"",    "lime",   "blue",	"cyan",
					     "red", "yellow", "magenta"};
	const char *name = colour[MIN(look & CC608_COLOUR, (unsigned)CC608_MAGENTA)];

	if (begin && *name)
		fprintf(f, "<c.%s>", name);
	if (look & CC608_ITALICS)
		fputs(begin ? "<i>" : "</i>", f);
	if (look & CC608_UNDERLINE)
		fputs(begin ? "<u>" : "</u>", f);
	if (!begin && *name)
		fputs("</c>", f);
}

/* The columns of a row that are not blank; false: all are. */
static bool extent(const struct cc608_cell *row, int *first, int *last)
{
	*first = CC608_COLUMNS;
	for (int c = 0; c < CC608_COLUMNS; c++) {
		if (!row[c].c || row[c].c == ' ')
			continue;
		*first = MIN(*first, c);
		*last = c;
	}
	return *first < CC608_COLUMNS;
}

static void put_row(const struct cc608_cell *row, FILE *f)
{
	unsigned look = CC608_WHITE;
	int first, last = 0;

	extent(row, &first, &last);
	for (int c = first; c <= last; c++) {
		if (row[c].look != look && row[c].c) {
			put_look(look, false, f);
			look = row[c].look;
			put_look(look, true, f);
		}
		put_char(row[c].c, f);
	}
	put_look(look, false, f);
	fputc('\n', f);
}

/* Rows that follow each other, as a cue. By its name a player that gets it again, and has put it at a time a little
 * different, knows that it has it. The screen's rows and columns are the middle 80 % of the picture (15.119(d)). */
static int put_block(const struct subtitle_cue *cue, int row, int64_t from_us, FILE *f)
{
	int end = row, left = CC608_COLUMNS, first, last;

	for (; end < CC608_ROWS && extent(cue->screen.at[end], &first, &last); end++)
		left = MIN(left, first);
	fprintf(f, "\n%" PRId64 ".%d\n", cue->start_us / 1000, row + 1);
	put_time(cue->start_us - from_us, f);
	fputs(" --> ", f);
	put_time(cue->end_us - from_us, f);
	fprintf(f, " line:%.2f%% position:%.2f%% align:start\n", 10 + 80.0 * row / CC608_ROWS,
		10 + 80.0 * left / CC608_COLUMNS);
	for (; row < end; row++)
		put_row(cue->screen.at[row], f);
	return end;
}

static void put_cue(const struct subtitle_cue *cue, int64_t from_us, FILE *f)
{
	int first, last;

	for (int row = 0; row < CC608_ROWS;) {
		if (extent(cue->screen.at[row], &first, &last))
			row = put_block(cue, row, from_us, f);
		else
			row++;
	}
}

/* RFC 8216bis, 3.1.4: the text's time 0 is the segment's beginning in the media's time, which is UTC. */
static void put_header(int64_t from_us, FILE *f)
{
	uint64_t ticks = (uint64_t)base_scale(from_us, 9, 100) & 0x1ffffffff;

	fprintf(f, "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:%" PRIu64 ",LOCAL:00:00:00.000\n", ticks);
}

static struct buf *write_text(const struct subtitle_cue *cues, size_t n, int64_t from_us)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	put_header(from_us, f);
	for (size_t i = 0; i < n; i++)
		if ((cues[i].end_us - from_us) / 1000 > (cues[i].start_us - from_us) / 1000)
			put_cue(&cues[i], from_us, f);
	bool bad = ferror(f);
	struct buf *b = fclose(f) || bad ? NULL : buf_copy(text, size);
	free(text);
	return b;
}

struct buf *subtitle_cut(struct subtitle *s, int64_t from_us, int64_t to_us)
{
	struct subtitle_cue *c;

	apply_until(s, to_us);
	fall_silent(s, to_us);
	close_cue(s, to_us);
	s->now.start_us = MAX(s->now.start_us, to_us);
	vec_for (c, &s->cues) {
		c->start_us = MAX(c->start_us, from_us);
		c->end_us = CLAMP(c->end_us, c->start_us, MAX(to_us, c->start_us));
	}
	struct buf *b = write_text(s->cues.at, s->cues.len, from_us);
	s->cues.len = 0;
	s->floor_us = to_us;
	return b;
}

struct buf *subtitle_blank(int64_t from_us)
{
	return write_text(NULL, 0, from_us);
}
