#include "cmaf/cc608.h"

#include <string.h>

#define BLOCK 0x2588 /* for a character of wrong parity */

/* ---- characters ---- */

/* Like ASCII but for these (15.119, table 1). */
static uint16_t basic(uint8_t b)
{
	static const struct {
		uint8_t b;
		uint16_t c;
	} other[] = {
	    {0x2a, 0xe1}, {0x5c, 0xe9}, {0x5e, 0xed}, {0x5f, 0xf3}, {0x60, 0xfa},
	    {0x7b, 0xe7}, {0x7c, 0xf7}, {0x7d, 0xd1}, {0x7e, 0xf1}, {0x7f, BLOCK},
	};

	for (size_t i = 0; i < ARRAY_LEN(other); i++)
		if (other[i].b == b)
			return other[i].c;
	return b;
}

static const uint16_t special[16] = {
    0xae, 0xb0, 0xbd, 0xbf, 0x2122, 0xa2, 0xa3, 0x266a, 0xe0, 0, 0xe8, 0xe2, 0xea, 0xee, 0xf4, 0xfb,
};

/* Codes 12 20-3f and 13 20-3f: each stands behind a basic character that older decoders show instead. */
static const uint16_t extended[2][32] = {
    {
	0xc1, 0xc9,   0xd3,   0xda,   0xdc,   0xfc, 0x2018, 0xa1, 0x2a, 0x2019, 0x2014,
	0xa9, 0x2120, 0x2022, 0x201c, 0x201d, 0xc0, 0xc2,   0xc7, 0xc8, 0xca,	0xcb,
	0xeb, 0xce,   0xcf,   0xef,   0xd4,   0xd9, 0xf9,   0xdb, 0xab, 0xbb,
    },
    {
	0xc3, 0xe3,   0xcd, 0xcc, 0xec, 0xd2, 0xf2,   0xd5,   0xf5,   0x7b,   0x7d,
	0x5c, 0x5e,   0x5f, 0x7c, 0x7e, 0xc4, 0xe4,   0xd6,   0xf6,   0xdf,   0xa5,
	0xa4, 0x2502, 0xc5, 0xe5, 0xd8, 0xf8, 0x250c, 0x2510, 0x2514, 0x2518,
    },
};

/* ---- the screen ---- */

const struct cc_screen *cc608_shown(const struct cc608 *d)
{
	return &d->memory[d->shown];
}

void cc608_erase(struct cc608 *d)
{
	memset(&d->memory[d->shown], 0, sizeof(d->memory[0]));
}

static void erase_hidden(struct cc608 *d)
{
	memset(&d->memory[!d->shown], 0, sizeof(d->memory[0]));
}

static bool is_hidden(const struct cc608 *d)
{
	return d->style == CC608_POP_ON;
}

static struct cc_cell *row_of(struct cc608 *d)
{
	return d->memory[is_hidden(d) ? !d->shown : d->shown].at[d->row];
}

static bool is_caption(const struct cc608 *d)
{
	return d->style == CC608_POP_ON || d->style == CC608_ROLL_UP || d->style == CC608_PAINT_ON;
}

static enum cc_change seen(const struct cc608 *d, enum cc_change change)
{
	return is_hidden(d) ? CC_SAME : change;
}

/* Behind the last column characters take each other's place there. */
static enum cc_change put(struct cc608 *d, uint16_t c)
{
	if (!is_caption(d))
		return CC_SAME;
	row_of(d)[d->column] = (struct cc_cell){c, d->look};
	d->column = MIN(d->column + 1, CC608_COLUMNS - 1);
	d->heard = true;
	return seen(d, CC_MORE);
}

static enum cc_change back(struct cc608 *d)
{
	if (!is_caption(d) || !d->column)
		return CC_SAME;
	d->column--;
	row_of(d)[d->column] = (struct cc_cell){0};
	return seen(d, CC_OTHER);
}

static enum cc_change clear_row(struct cc608 *d)
{
	if (!is_caption(d))
		return CC_SAME;
	memset(row_of(d) + d->column, 0,
	       (size_t)(CC608_COLUMNS - d->column) * sizeof(struct cc_cell));
	return seen(d, CC_OTHER);
}

/* ---- styles ---- */

static void home(struct cc608 *d)
{
	d->column = 0;
	d->look = CC_WHITE;
}

/* Roll-up with a window that ends at row base; what was at another place moves there. */
static void move_base(struct cc608 *d, int base)
{
	struct cc_screen old = d->memory[d->shown];

	base = MAX(base, d->rows - 1);
	if (base != d->base) {
		cc608_erase(d);
		for (int i = 0; i < d->rows && d->base - i >= 0; i++)
			memcpy(d->memory[d->shown].at[base - i], old.at[d->base - i],
			       sizeof(old.at[0]));
	}
	d->row = d->base = base;
}

static enum cc_change begin_roll_up(struct cc608 *d, int rows)
{
	bool anew = d->style != CC608_ROLL_UP;

	if (anew) {
		d->style = CC608_ROLL_UP;
		cc608_erase(d);
		erase_hidden(d);
		d->base = CC_ROWS - 1;
		home(d);
	}
	d->rows = rows;
	move_base(d, d->base);
	for (int r = 0; r <= d->base - rows; r++)
		memset(d->memory[d->shown].at[r], 0, sizeof(d->memory[0].at[0]));
	return CC_OTHER;
}

static enum cc_change roll(struct cc608 *d)
{
	struct cc_screen *s = &d->memory[d->shown];
	int top = d->base - d->rows + 1;

	if (d->style != CC608_ROLL_UP)
		return CC_SAME;
	memmove(s->at[top], s->at[top + 1], (size_t)(d->rows - 1) * sizeof(s->at[0]));
	memset(s->at[d->base], 0, sizeof(s->at[0]));
	home(d);
	return CC_OTHER;
}

static enum cc_change end_of_caption(struct cc608 *d)
{
	d->style = CC608_POP_ON;
	d->shown = !d->shown;
	home(d);
	return CC_OTHER;
}

/* 14 20-2f. */
static enum cc_change command(struct cc608 *d, uint8_t b)
{
	switch (b) {
	case 0x20: /* RCL: resume caption loading */
		d->style = CC608_POP_ON;
		return CC_SAME;
	case 0x21: /* BS */
		return back(d);
	case 0x24: /* DER: delete to the end of the row */
		return clear_row(d);
	case 0x25: /* RU2, RU3, RU4 */
	case 0x26:
	case 0x27:
		return begin_roll_up(d, b - 0x23);
	case 0x29: /* RDC: resume direct captioning */
		d->style = CC608_PAINT_ON;
		return CC_SAME;
	case 0x2a: /* TR, RTD: text mode */
	case 0x2b:
		d->style = CC608_TEXT;
		return CC_SAME;
	case 0x2c: /* EDM: erase displayed memory */
		cc608_erase(d);
		return CC_OTHER;
	case 0x2d: /* CR */
		return roll(d);
	case 0x2e: /* ENM: erase non-displayed memory */
		erase_hidden(d);
		return CC_SAME;
	case 0x2f: /* EOC */
		return end_of_caption(d);
	default: /* alarms and flashing, which is no longer done */
		return CC_SAME;
	}
}

/* ---- places and looks ---- */

static uint8_t look_of(uint8_t colour, uint8_t b)
{
	return (uint8_t)(colour | (b & 1 ? CC_UNDERLINE : 0));
}

/* A preamble address code: the row, and a colour or an indent. */
static enum cc_change preamble(struct cc608 *d, uint8_t a, uint8_t b)
{
	static const int8_t rows[8] = {10, 0, 2, 11, 13, 4, 6, 8};
	int row = rows[a & 7] + ((a & 7) && b & 0x20 ? 1 : 0), kind = b >> 1 & 15;
	enum cc_change change = CC_SAME;

	if (!is_caption(d))
		return CC_SAME;
	if (d->style == CC608_ROLL_UP) {
		change = MAX(row, d->rows - 1) == d->base ? CC_SAME : CC_OTHER;
		move_base(d, row);
	} else {
		d->row = row;
	}
	d->column = kind >= 8 ? 4 * (kind - 8) : 0;
	d->look = look_of(kind < 7 ? (uint8_t)kind : CC_WHITE, b);
	if (kind == 7)
		d->look |= CC_ITALICS;
	return change;
}

/* A mid-row code takes a column. A colour ends italics, and italics leave the colour. */
static enum cc_change mid_row(struct cc608 *d, uint8_t b)
{
	uint8_t kind = b >> 1 & 7;

	d->look = look_of(kind < 7 ? kind : d->look & CC_COLOUR, b);
	if (kind == 7)
		d->look |= CC_ITALICS;
	return put(d, ' ');
}

static enum cc_change code(struct cc608 *d, uint8_t a, uint8_t b)
{
	a &= 0x17;
	if (a == 0x15 && b < 0x30) /* as field 2 has it */
		a = 0x14;
	if (b >= 0x40)
		return preamble(d, a, b);
	if (a == 0x11 && b >= 0x30)
		return put(d, special[b & 15]);
	if (a == 0x11)
		return mid_row(d, b);
	if (a == 0x12 || a == 0x13) {
		back(d);
		return put(d, extended[a & 1][b & 31]);
	}
	if (a == 0x14 && b < 0x30)
		return command(d, b);
	if (a == 0x17 && b >= 0x21 && b <= 0x23 && is_caption(d)) /* tab offsets */
		d->column = MIN(d->column + b - 0x20, CC608_COLUMNS - 1);
	return CC_SAME;
}

/* ---- pairs ---- */

static bool is_odd(uint8_t b)
{
	return __builtin_popcount(b) & 1;
}

/* Of a repeated code only the second byte has to be whole (15.119(i)(1)). */
static bool is_repeated(struct cc608 *d, uint8_t a, uint8_t b, bool whole)
{
	bool same = d->last[0] && d->last[1] == b && (!whole || d->last[0] == a);

	d->last[0] = d->last[1] = 0;
	return same;
}

static bool is_ours(const struct cc608 *d)
{
	return d->of_second == d->second && !d->of_xds;
}

static enum cc_change character(struct cc608 *d, uint8_t raw)
{
	uint8_t b = raw & 0x7f;

	if (!is_ours(d) || (is_odd(raw) && b < 0x20))
		return CC_SAME;
	return put(d, is_odd(raw) ? basic(b) : BLOCK);
}

static enum cc_change characters(struct cc608 *d, const uint8_t pair[2])
{
	enum cc_change first = character(d, pair[0]), second = character(d, pair[1]);

	return MAX(first, second);
}

enum cc_change cc608_take(struct cc608 *d, const uint8_t pair[2])
{
	uint8_t a = pair[0] & 0x7f, b = pair[1] & 0x7f;
	bool whole = is_odd(pair[0]), is_code = whole && a >= 0x10 && a < 0x20;

	if ((is_code || !whole) && is_odd(pair[1]) && is_repeated(d, a, b, whole))
		return CC_SAME;
	d->last[0] = d->last[1] = 0;
	if (whole && a && a < 0x10) { /* a packet of XDS begins or goes on, and ends by 0f */
		d->of_xds = a != 0x0f;
		return CC_SAME;
	}
	if (!is_code)
		return characters(d, pair);
	if (!is_odd(pair[1]) || b < 0x20)
		return CC_SAME;
	d->last[0] = a;
	d->last[1] = b;
	d->of_second = a & 8;
	d->of_xds = false;
	return is_ours(d) ? code(d, a, b) : CC_SAME;
}
