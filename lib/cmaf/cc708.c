#include "cmaf/cc708.h"

#define GRID_ROWS 75 /* where anchors are, of a picture of 16:9 */
#define GRID_COLUMNS 210
#define CELL_ROWS (GRID_ROWS / CC_ROWS)
#define CELL_COLUMNS (GRID_COLUMNS / CC_COLUMNS)

enum { JUSTIFY_LEFT, JUSTIFY_RIGHT, JUSTIFY_CENTRE };

/* ---- the screen ---- */

/* The first cell of a window that has n on a scale of `grid` units, whose point third/2 from its beginning lies at `at`. */
static int place(int at, int third, int n, int unit, int all)
{
	int first = at - third * n * unit / 2;

	return CLAMP((first + unit / 2) / unit, 0, MAX(all - n, 0));
}

static int top(const struct cc708_window *w)
{
	int y = w->relative ? w->y * GRID_ROWS / 100 : w->y;

	return place(y, w->anchor / 3, w->rows, CELL_ROWS, CC_ROWS);
}

static int left(const struct cc708_window *w)
{
	int x = w->relative ? w->x * GRID_COLUMNS / 100 : w->x;

	return place(x, w->anchor % 3, w->columns, CELL_COLUMNS, CC_COLUMNS);
}

/* How far a row is to be moved to be justified. */
static int indent(const struct cc708_window *w, const struct cc_cell *row)
{
	int first = CC_COLUMNS, last = -1;

	for (int c = 0; c < w->columns; c++) {
		if (!row[c].c || row[c].c == ' ')
			continue;
		first = MIN(first, c);
		last = c;
	}
	if (last < 0 || (w->justify != JUSTIFY_RIGHT && w->justify != JUSTIFY_CENTRE))
		return 0;
	int room = w->columns - (last - first + 1);
	return (w->justify == JUSTIFY_RIGHT ? room : room / 2) - first;
}

static void lay(const struct cc708_window *w, struct cc_screen *s)
{
	int y = top(w), x = left(w);

	for (int r = 0; r < w->rows && y + r < CC_ROWS; r++) {
		int by = x + indent(w, w->at[r]);

		for (int c = 0; c < w->columns; c++)
			if (w->at[r][c].c && c + by >= 0 && c + by < CC_COLUMNS)
				s->at[y + r][c + by] = w->at[r][c];
	}
}

static void compose(struct cc708 *d)
{
	memset(&d->screen, 0, sizeof(d->screen));
	for (int priority = 7; priority >= 0; priority--)
		for (int i = CC708_WINDOWS - 1; i >= 0; i--)
			if (d->window[i].visible && d->window[i].priority == priority)
				lay(&d->window[i], &d->screen);
}

const struct cc_screen *cc708_shown(const struct cc708 *d)
{
	return &d->screen;
}

void cc708_erase(struct cc708 *d)
{
	for (int i = 0; i < CC708_WINDOWS; i++)
		d->window[i].visible = false;
	compose(d);
}

/* ---- windows ---- */

static void clear(struct cc708_window *w)
{
	memset(w->at, 0, sizeof(w->at));
}

static enum cc_change seen(const struct cc708_window *w, enum cc_change change)
{
	return w->visible ? change : CC_SAME;
}

/* Justification and word wrap of the styles that every decoder knows (CTA-708-E, 8.10.5). */
static void set_style(struct cc708_window *w, int style)
{
	if (!style)
		return;
	w->justify = style == 3 || style == 6 ? JUSTIFY_CENTRE : JUSTIFY_LEFT;
	w->wraps = style >= 4 && style <= 6;
}

/* DF0 to DF7: one that exists keeps its words. */
static enum cc_change define(struct cc708 *d, int i, const uint8_t *p)
{
	struct cc708_window *w = &d->window[i], was = *w;

	if (!w->defined) {
		*w = (struct cc708_window){.defined = true};
		set_style(w, 1);
	}
	w->visible = p[0] & 0x20;
	w->priority = p[0] & 7;
	w->relative = p[1] & 0x80;
	w->y = p[1] & 0x7f;
	w->x = p[2];
	w->anchor = MIN(p[3] >> 4, 8);
	w->rows = MIN((p[3] & 15) + 1, CC_ROWS);
	w->columns = MIN((p[4] & 63) + 1, CC_COLUMNS);
	w->row = MIN(w->row, w->rows - 1);
	w->column = MIN(w->column, w->columns - 1);
	set_style(w, p[5] >> 3 & 7);
	d->now = w;
	return memcmp(&was, w, sizeof(was)) && (was.visible || w->visible) ? CC_OTHER : CC_SAME;
}

/* CLW, DSW, HDW, TGW, DLW: of all windows in a set. */
static enum cc_change for_windows(struct cc708 *d, uint8_t command, uint8_t set)
{
	enum cc_change change = CC_SAME;

	for (int i = 0; i < CC708_WINDOWS; i++) {
		struct cc708_window *w = &d->window[i];
		bool was = w->visible;

		if (!(set >> i & 1) || !w->defined)
			continue;
		if (command == 0x88)
			clear(w);
		else if (command == 0x8c)
			*w = (struct cc708_window){0};
		else
			w->visible = command == 0x89 || (command == 0x8b && !was);
		if (d->now == w && !w->defined)
			d->now = NULL;
		if (was || w->visible)
			change = CC_OTHER;
	}
	return change;
}

static enum cc_change reset(struct cc708 *d)
{
	memset(d->window, 0, sizeof(d->window));
	d->now = NULL;
	return CC_OTHER;
}

/* ---- the pen ---- */

static enum cc_change next_row(struct cc708_window *w)
{
	w->column = 0;
	if (w->row + 1 < w->rows) {
		w->row++;
		return CC_SAME;
	}
	memmove(w->at[0], w->at[1], (size_t)(w->rows - 1) * sizeof(w->at[0]));
	memset(w->at[w->row], 0, sizeof(w->at[0]));
	return seen(w, CC_OTHER);
}

static enum cc_change put(struct cc708 *d, uint16_t c)
{
	struct cc708_window *w = d->now;
	enum cc_change change = CC_SAME;

	if (!w)
		return CC_SAME;
	if (w->column == w->columns && w->wraps)
		change = next_row(w);
	w->column = MIN(w->column, w->columns - 1);
	w->at[w->row][w->column++] = (struct cc_cell){c, w->look};
	d->heard = true;
	return MAX(change, seen(w, CC_MORE));
}

static enum cc_change back(struct cc708_window *w)
{
	if (!w->column)
		return CC_SAME;
	w->at[w->row][--w->column] = (struct cc_cell){0};
	return seen(w, CC_OTHER);
}

/* Two bits of each of red, green and blue, to the colours that WebVTT has classes for; black would not be seen. */
static uint8_t colour(uint8_t rgb)
{
	static const uint8_t of[8] = {CC_WHITE, CC_BLUE,    CC_GREEN,  CC_CYAN,
				      CC_RED,	CC_MAGENTA, CC_YELLOW, CC_WHITE};

	return of[(rgb >> 5 & 1) << 2 | (rgb >> 3 & 1) << 1 | (rgb >> 1 & 1)];
}

static void set_pen(struct cc708_window *w, uint8_t b)
{
	w->look &= CC_COLOUR;
	w->look |= (uint8_t)((b & 0x80 ? CC_ITALICS : 0) | (b & 0x40 ? CC_UNDERLINE : 0));
}

static void set_colour(struct cc708_window *w, uint8_t b)
{
	w->look = (uint8_t)((w->look & ~CC_COLOUR) | colour(b & 63));
}

static enum cc_change set_window(struct cc708_window *w, const uint8_t *p)
{
	w->wraps = p[2] & 0x40;
	w->justify = p[2] & 3;
	return seen(w, CC_OTHER);
}

/* ---- codes ---- */

/* C0 that has no parameters. */
static enum cc_change control(struct cc708 *d, uint8_t code)
{
	struct cc708_window *w = d->now;

	if (!w)
		return CC_SAME;
	switch (code) {
	case 0x08: /* BS */
		return back(w);
	case 0x0c: /* FF */
		clear(w);
		w->row = w->column = 0;
		return seen(w, CC_OTHER);
	case 0x0d: /* CR */
		return next_row(w);
	case 0x0e: /* HCR: clears the row */
		memset(w->at[w->row], 0, sizeof(w->at[0]));
		w->column = 0;
		return seen(w, CC_OTHER);
	default: /* NUL, ETX */
		return CC_SAME;
	}
}

/* C1 with its parameters at p. */
static enum cc_change command(struct cc708 *d, uint8_t code, const uint8_t *p)
{
	struct cc708_window *w = d->now;

	if (code < 0x88) /* CW0 to CW7 */
		d->now = d->window[code & 7].defined ? &d->window[code & 7] : d->now;
	else if (code <= 0x8c)
		return for_windows(d, code, p[0]);
	else if (code == 0x8f)
		return reset(d);
	else if (code >= 0x98)
		return define(d, code & 7, p);
	else if (code == 0x90 && w) /* SPA */
		set_pen(w, p[1]);
	else if (code == 0x91 && w) /* SPC */
		set_colour(w, p[0]);
	else if (code == 0x97 && w) /* SWA */
		return set_window(w, p);
	else if (code == 0x92 && w) { /* SPL */
		w->row = MIN(p[0] & 15, w->rows - 1);
		w->column = MIN(p[1] & 63, w->columns - 1);
	}
	return CC_SAME;
}

/* How many bytes a code has with its parameters, of what begins behind EXT1; n: how many there are. */
static size_t extended_length(const uint8_t *p, size_t n)
{
	uint8_t code = n ? p[0] : 0;

	if (code < 0x20)
		return 1 + (size_t)(code / 8);
	if (code < 0x80 || code >= 0xa0)
		return 1;
	if (code < 0x90)
		return code < 0x88 ? 5 : 6;
	return n > 1 ? 2 + (p[1] & 31) : 2;
}

static size_t length(const uint8_t *p, size_t n)
{
	static const uint8_t c1[32] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 1, 1,
				       3, 4, 3, 1, 1, 1, 1, 5, 7, 7, 7, 7, 7, 7, 7, 7};
	uint8_t code = p[0];

	if (code == 0x10)
		return 1 + extended_length(p + 1, n - 1);
	if (code < 0x20)
		return code < 0x10 ? 1 : code < 0x18 ? 2 : 3;
	return code >= 0x80 && code < 0xa0 ? c1[code & 31] : 1;
}

/* P16: of Unicode, as there is no saying otherwise here; what is no character of it shows as one that is not known. */
static uint16_t wide(uint16_t c)
{
	bool bad = c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000);

	return bad ? cc708_char(0, true) : c;
}

static enum cc_change one(struct cc708 *d, const uint8_t *p)
{
	uint8_t code = p[0];

	if (code == 0x10)
		return p[1] >= 0xa0 || (p[1] >= 0x20 && p[1] < 0x80)
			   ? put(d, cc708_char(p[1], true))
			   : CC_SAME;
	if (code == 0x18)
		return put(d, wide((uint16_t)(p[1] << 8 | p[2])));
	if (code < 0x20)
		return control(d, code);
	if (code >= 0x80 && code < 0xa0)
		return command(d, code, p + 1);
	return put(d, cc708_char(code, false));
}

enum cc_change cc708_take(struct cc708 *d, const uint8_t *p, size_t n, bool gap)
{
	enum cc_change change = CC_SAME;
	size_t at = 0;

	d->nrest = gap ? 0 : d->nrest;
	n = MIN(n, sizeof(d->rest) - d->nrest);
	memcpy(d->rest + d->nrest, p, n);
	n += d->nrest;
	while (at < n && length(d->rest + at, n - at) <= n - at) {
		size_t size = length(d->rest + at, n - at);
		enum cc_change by = one(d, d->rest + at);

		change = MAX(change, by);
		at += size;
	}
	d->nrest = n - at;
	memmove(d->rest, d->rest + at, d->nrest);
	if (change != CC_SAME)
		compose(d);
	return change;
}
