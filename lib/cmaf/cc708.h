/* cc708: a caption service of CEA-708 (CTA-708-E, 7 and 8; 47 CFR 79.102) from its bytes to a screen: eight windows, each with rows of
 * characters, a pen and an anchor on the picture; those that are shown are laid on a screen of 15 rows with 42 columns, as a
 * picture of 16:9 has, the one of the highest priority on top.
 *
 * Of looks the pen's colour, italics and underline are kept, of a window's its justification. Wipes and fades are shown at
 * once, fonts, sizes, edges and opacities are the viewer's, and DLY, which would hold a service back, is passed over. A command
 * that a service's block ends in goes on in the next. Pure: no memory of its own, no clock. */
#ifndef GEX_CMAF_CC708_H
#define GEX_CMAF_CC708_H

#include "cmaf/cc.h"

#define CC708_WINDOWS 8

struct cc708_window {
	bool defined, visible, wraps;
	uint8_t priority; /* 0 is the highest */
	uint8_t justify;  /* as SWA has it: left, right, centre, full */
	uint8_t
	    anchor; /* which point of the window is at that place: 0 top left to 8 bottom right */
	bool relative; /* the place is in percent, not in the grid of 75 by 210 */
	int x, y;
	int rows, columns;
	int row, column; /* the pen */
	uint8_t look;
	struct cc_cell at[CC_ROWS][CC_COLUMNS];
};

/* Zeroed: at its beginning. */
struct cc708 {
	struct cc708_window window[CC708_WINDOWS];
	struct cc708_window *now; /* into which is written; NULL: none */
	struct cc_screen screen;  /* as of the last change */
	uint8_t rest[160];	  /* the beginning of a command */
	size_t nrest;
	bool heard; /* it has had a character, ever */
};

/* Takes a block's bytes. gap: some before it are lost. */
enum cc_change cc708_take(struct cc708 *d, const uint8_t *p, size_t n, bool gap);
const struct cc_screen *cc708_shown(const struct cc708 *d);
/* No window is shown any more. */
void cc708_erase(struct cc708 *d);
/* The character of a code in G0 to G3 (extended: G2 and G3, behind EXT1). */
uint16_t cc708_char(uint8_t code, bool extended);

#endif
