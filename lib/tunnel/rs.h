/* rs: a Reed-Solomon code over GF(2^8), by libisal. Row 0 to TN_RS_ROWS - 1 are sums of up to
 * TN_RS_DATA pieces of data, each multiplied by a factor; any n sums and all but n pieces give the n
 * others. The factors are a Cauchy matrix with its columns scaled so that row 0 is the plain sum
 * (exclusive or): 64 ^ at over (64 + row) ^ at, for the piece `at`. They do not depend on how many
 * pieces there are, so that a sum can be begun before that is known. Pieces that are shorter count as
 * if zeroes followed. */
#ifndef GEX_TUNNEL_RS_H
#define GEX_TUNNEL_RS_H

#include "base/base.h"

#define TN_RS_DATA 64
#define TN_RS_ROWS 32

/* Adds n bytes of data, the piece `at`, to each of `rows` sums; sum[i] is that of row[i]. */
void tn_rs_add(uint8_t *const *sum, const uint8_t *row, unsigned rows, unsigned at,
	       const void *data, size_t n);
/* sum[i], n of them, of row[i] are what is left when all pieces that are there were added once more:
 * the sums of the n missing ones, at[i]. len bytes each; they become those pieces, in the order of
 * `at`. -ENOMEM, -EINVAL (a row or a piece twice). */
int tn_rs_solve(uint8_t *const *sum, const uint8_t *row, const uint8_t *at, unsigned n, size_t len);

#endif
