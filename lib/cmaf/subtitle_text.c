/* What cues show, in the words of WebVTT. */
#include "cmaf/subtitle.h"

#include <inttypes.h>
#include <stdio.h>

#include "cmaf/wvtt.h"

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
	const char *name = colour[MIN(look & CC_COLOUR, (unsigned)CC_MAGENTA)];

	if (begin && *name)
		fprintf(f, "<c.%s>", name);
	if (look & CC_ITALICS)
		fputs(begin ? "<i>" : "</i>", f);
	if (look & CC_UNDERLINE)
		fputs(begin ? "<u>" : "</u>", f);
	if (!begin && *name)
		fputs("</c>", f);
}

/* The columns of a row that are not blank; false: all are. */
static bool extent(const struct cc_cell *row, int *first, int *last)
{
	*first = CC_COLUMNS;
	for (int c = 0; c < CC_COLUMNS; c++) {
		if (!row[c].c || row[c].c == ' ')
			continue;
		*first = MIN(*first, c);
		*last = c;
	}
	return *first < CC_COLUMNS;
}

static void put_row(const struct cc_cell *row, FILE *f)
{
	unsigned look = CC_WHITE;
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
}

/* Rows from..end, which follow each other, as a cue. By its name a player that gets it again, and has put it at a time a little
 * different, knows that it has it. The screen's rows and columns are the middle 80 % of the picture (15.119(d)). */
static void put_block(struct wvtt *w, const struct subtitle_cue *cue, int from, int end, int left,
		      int columns)
{
	char id[40], settings[80], *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f) {
		w->data.bad = true;
		return;
	}
	snprintf(id, sizeof(id), "%" PRId64 ".%d", cue->start_us / 1000, from + 1);
	snprintf(settings, sizeof(settings), "line:%.2f%% position:%.2f%% align:start",
		 10 + 80.0 * from / CC_ROWS, 10 + 80.0 * left / columns);
	for (int row = from; row < end; row++) {
		if (row > from)
			fputc('\n', f);
		put_row(cue->screen.at[row], f);
	}
	w->data.bad |= ferror(f) != 0;
	w->data.bad |= fclose(f) != 0;
	if (!w->data.bad)
		wvtt_cue(w, id, settings, text, n);
	free(text);
}

void subtitle_put(struct wvtt *w, const struct subtitle_cue *cue, int columns)
{
	for (int row = 0; row < CC_ROWS; row++) {
		int from = row, left = CC_COLUMNS, first, last;

		for (; row < CC_ROWS && extent(cue->screen.at[row], &first, &last); row++)
			left = MIN(left, first);
		if (row > from)
			put_block(w, cue, from, row, left, columns);
	}
}
