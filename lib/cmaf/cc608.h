/* cc608: closed captions of line 21 (CTA-608-E, 47 CFR 15.119) from pairs of bytes to a screen of 15 rows with 32 columns. Of
 * field 1 it shows the first channel, CC1, in its three styles: pop-on, which is written unseen and shown at once; roll-up,
 * whose rows move up; paint-on, which is seen while it is written. Text mode, the second channel and what belongs to XDS are
 * passed over. A code that is sent twice, as all are, counts once; a byte of wrong parity shows as a block, and a
 * code of wrong parity is none.
 *
 * Nothing is shown before the first code of a style: who comes in the middle of a caption does not see its rest at a wrong
 * place. Pure: no memory of its own, no clock. */
#ifndef GEX_CMAF_CC608_H
#define GEX_CMAF_CC608_H

#include "base/base.h"

#define CC608_ROWS 15
#define CC608_COLUMNS 32

/* Looks of a cell: a colour in the low bits, and these. */
enum { CC608_WHITE, CC608_GREEN, CC608_BLUE, CC608_CYAN, CC608_RED, CC608_YELLOW, CC608_MAGENTA };
#define CC608_COLOUR 7
#define CC608_ITALICS 8
#define CC608_UNDERLINE 16

struct cc608_cell {
	uint16_t c; /* Unicode; 0: nothing */
	uint16_t look;
};
struct cc608_screen {
	struct cc608_cell at[CC608_ROWS][CC608_COLUMNS];
};

enum cc608_style { CC608_NONE, CC608_POP_ON, CC608_ROLL_UP, CC608_PAINT_ON, CC608_TEXT };

/* Zeroed: at its beginning. */
struct cc608 {
	struct cc608_screen memory[2];
	int shown; /* which of them */
	enum cc608_style style;
	int rows, base; /* of roll-up: how many, and the lowest */
	int row, column;
	uint8_t look;
	uint8_t last[2]; /* the pair before, when it was a code that may be repeated */
	bool other;	 /* characters belong to the second channel */
	bool heard;	 /* CC1 has shown something, ever */
};

/* What a pair has done to what is shown: characters were added, or it is another. */
enum cc608_change { CC608_SAME, CC608_MORE, CC608_OTHER };
/* Takes a pair of field 1 with its parity bits. */
enum cc608_change cc608_take(struct cc608 *d, const uint8_t pair[2]);
const struct cc608_screen *cc608_shown(const struct cc608 *d);
bool cc608_is_blank(const struct cc608_screen *s);
/* Nothing is shown any more; the style stays. */
void cc608_erase(struct cc608 *d);

#endif
