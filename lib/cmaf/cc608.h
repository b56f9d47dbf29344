/* cc608: closed captions of line 21 (CTA-608-E, 47 CFR 15.119) from pairs of bytes to a screen of 15 rows with 32 columns. A
 * decoder shows one of the two channels of a field in its three styles: pop-on, which is written unseen and shown at once;
 * roll-up, whose rows move up; paint-on, which is seen while it is written. Text mode, the other channel and what belongs to XDS
 * are passed over. A code that is sent twice, as all are, counts once; a byte of wrong parity shows as a block, and a
 * code of wrong parity is none.
 *
 * Nothing is shown before the first code of a style: who comes in the middle of a caption does not see its rest at a wrong
 * place. Pure: no memory of its own, no clock. */
#ifndef GEX_CMAF_CC608_H
#define GEX_CMAF_CC608_H

#include "cmaf/cc.h"

#define CC608_COLUMNS 32

enum cc608_style { CC608_NONE, CC608_POP_ON, CC608_ROLL_UP, CC608_PAINT_ON, CC608_TEXT };

/* Zeroed: at its beginning, of the first channel. */
struct cc608 {
	struct cc_screen memory[2];
	int shown; /* which of them */
	enum cc608_style style;
	int rows, base; /* of roll-up: how many, and the lowest */
	int row, column;
	uint8_t look;
	uint8_t last[2]; /* the pair before, when it was a code that may be repeated */
	bool second;	 /* it is the second channel of its field that is shown: CC2, CC4 */
	bool of_second;	 /* bytes belong to the second channel */
	bool of_xds;	 /* or to XDS, which is in field 2 */
	bool heard;	 /* the channel has had a character, ever */
};

/* Takes a pair of its field with its parity bits. */
enum cc_change cc608_take(struct cc608 *d, const uint8_t pair[2]);
const struct cc_screen *cc608_shown(const struct cc608 *d);
/* Nothing is shown any more; the style stays. */
void cc608_erase(struct cc608 *d);

#endif
