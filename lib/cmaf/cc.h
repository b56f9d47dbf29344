/* cc: what captions of CEA-608 and of CEA-708 have in common: the channels in which they come, and a screen of cells, on which
 * their decoders (cc608.h, cc708.h) show what is said. Pure. */
#ifndef GEX_CMAF_CC_H
#define GEX_CMAF_CC_H

#include "base/base.h"

/* The four channels of CEA-608, two in each field, and the first services of CEA-708. */
enum cc_channel { CC_CC1, CC_CC2, CC_CC3, CC_CC4, CC_SERVICE1, CC_SERVICE6 = CC_SERVICE1 + 5 };
#define CC_CHANNELS (CC_SERVICE6 + 1)
#define CC_SERVICES (CC_CHANNELS - CC_SERVICE1)

/* "CC1" or "SERVICE1", as INSTREAM-ID has them (RFC 8216bis, 4.4.6.1). */
const char *cc_name(enum cc_channel ch);
/* By that, whatever its case; -EINVAL. */
int cc_channel(const char *name);

#define CC_ROWS 15
#define CC_COLUMNS 42 /* CEA-608 uses the first 32 */

/* Looks of a cell: a colour in the low bits, and these. */
enum { CC_WHITE, CC_GREEN, CC_BLUE, CC_CYAN, CC_RED, CC_YELLOW, CC_MAGENTA };
#define CC_COLOUR 7
#define CC_ITALICS 8
#define CC_UNDERLINE 16

struct cc_cell {
	uint16_t c; /* Unicode; 0: nothing */
	uint16_t look;
};
struct cc_screen {
	struct cc_cell at[CC_ROWS][CC_COLUMNS];
};
bool cc_is_blank(const struct cc_screen *s);

/* What some bytes have done to what is shown: characters were added, or it is another. */
enum cc_change { CC_SAME, CC_MORE, CC_OTHER };

#endif
