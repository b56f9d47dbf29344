/* Inside cmaf: the keys of a presentation and what is done with them. */
#ifndef GEX_CMAF_PROTECT_H
#define GEX_CMAF_PROTECT_H

#include "cmaf/avc.h"
#include "crypt/crypt.h"

#define CBCS_SKIP 9 /* of ten blocks of a slice one is encrypted */

struct cmaf_key *key_ref(struct cmaf_key *k);
void key_unref(struct cmaf_key *k);
/* The key of segment `number`; NULL: there is none yet. */
struct cmaf_key *key_of(const struct cmaf *c, int64_t number);
/* Forgets keys that no segment from `number` on has. */
void key_forget(struct cmaf *c, int64_t number);

/* Encrypts the payload of a chunk in place. 0 or -EIO. */
int protect_samples(const struct cmaf_key *k, bool video, const struct sample *s, size_t n,
		    const struct subsamples *subs, uint8_t *data) MUST_USE;
/* The n chunks as one file of AES-128; the IV is the number of the segment (RFC 8216bis, 4.4.4.4 and 5.2),
 * in each of its parts as well. NULL without memory. */
struct buf *protect_file(const struct cmaf_key *k, int64_t number, struct buf *const *chunk,
			 size_t n);

#endif
