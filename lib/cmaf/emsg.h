/* emsg: what a source tells beside its media, in the chunks (DASHEventMessageBox version 1, ISO/IEC 23009-1, 5.10.3.3): cues as
 * urn:scte:scte35:2013:bin (SCTE 214-3), ID3 as https://aomedia.org/emsg/ID3. A message stands before the next chunk of each
 * track of video, or of sound where there is no video; one whose time is yet to come, once more before the first chunk of
 * each segment until then, with the same id, for players that came later. Media time is UTC, so is a message's. Pure. */
#ifndef GEX_CMAF_EMSG_H
#define GEX_CMAF_EMSG_H

#include "cmaf/box.h"

#define EMSG_MAX 32		 /* the newest are kept, for chunks that are not made yet */
#define EMSG_SIZE_MAX (16 << 10) /* of a message; bigger ones are refused */

enum emsg_kind { EMSG_SCTE35, EMSG_ID3, EMSG_KINDS };

struct emsg {
	enum emsg_kind kind;
	uint32_t id;	       /* equal in those that are the same */
	int64_t us, length_us; /* its time; length < 0: not known */
	struct buf *data;
};

struct emsgs {
	int64_t n; /* that there have been; number i is at[i % EMSG_MAX] */
	struct emsg at[EMSG_MAX];
};

/* Copies the n bytes of the message m. 0, -EMSGSIZE or -ENOMEM. */
int emsgs_add(struct emsgs *e, struct emsg m, const uint8_t *p, size_t n) MUST_USE;
void emsgs_finish(struct emsgs *e);
/* The boxes before a chunk: messages from number *told on, which goes on; since_us: and those before it whose time is that or
 * later (INT64_MAX: none). scale: the track's. */
void emsgs_put(const struct emsgs *e, int64_t scale, int64_t since_us, int64_t *told,
	       struct boxes *b);
/* The box of a message that MPDs published before `published` (xs:dateTime) are not to be used for what begins at us
 * or later. */
#define EMSG_VALIDITY "urn:mpeg:dash:event:2012" /* value 1; ISO/IEC 23009-1, 5.10.4.2 */
void emsg_put_expired(int64_t scale, int64_t us, uint32_t id, const char *published,
		      struct boxes *b);
/* The scheme of a kind. */
const char *emsg_scheme(enum emsg_kind kind);
uint32_t emsg_hash(uint32_t h, const void *p, size_t n); /* h: 0 to begin */

#endif
