/* ccdata: cc_data of ATSC A/53 part 4 (three bytes each) put in order and taken apart: into the pairs of both fields of CEA-608 and
 * the service blocks of CEA-708's packets (DTVCC, CTA-708-E 5 and 6). Packets come in the order of decoding, captions are meant in
 * that of showing: a picture's wait until no earlier one can come, which its neighbours' decoding times tell.
 * Pure; times in microseconds. */
#ifndef GEX_CMAF_CCDATA_H
#define GEX_CMAF_CCDATA_H

#include "base/base.h"

#define CCDATA_MAX 186	   /* bytes with a picture: those of two fields */
#define CCDATA_PENDING 512 /* what waits for its turn; beyond it the first goes early */
#define DTVCC_MAX 128	   /* bytes of a packet */

/* Whose bytes they are: of a field of CEA-608 a pair, of a service (its number, from 1) of CEA-708 what a block has. */
enum ccdata_kind { CCDATA_FIELD1, CCDATA_FIELD2, CCDATA_SERVICE };
struct ccdata_piece {
	enum ccdata_kind kind;
	int service;
	bool gap; /* of a service: packets before it are lost */
	const uint8_t *p;
	size_t n;
};
typedef void ccdata_sink(void *arg, int64_t us, const struct ccdata_piece *piece);

struct ccdata {
	struct ccdata_item {
		int64_t us;
		uint8_t b[3];
	} pending[CCDATA_PENDING]; /* by us */
	size_t npending;
	uint8_t packet[DTVCC_MAX]; /* in progress */
	size_t have, want;	   /* bytes of it; want 0: none has begun */
	int sequence;		   /* of the last one, plus one; 0: none yet */
	ccdata_sink *sink;
	void *arg;
};

/* Zeroed but for sink and arg: at its beginning. cc_data of a picture that is shown at pts_us; no later one is decoded before
 * dts_us. What can have no predecessor any more goes to the sink. */
void ccdata_take(struct ccdata *d, int64_t pts_us, int64_t dts_us, const uint8_t *cc, size_t n);
/* All that is shown before us goes to the sink. */
void ccdata_until(struct ccdata *d, int64_t us);

#endif
