#include "tunnel/rs.h"
#include <errno.h>
#include <isa-l.h>

#define TABLE 32 /* bytes of a factor's table */

static uint8_t factor(unsigned row, unsigned at)
{
	return gf_mul((uint8_t)(TN_RS_DATA ^ at), gf_inv((uint8_t)((TN_RS_DATA + row) ^ at)));
}

void tn_rs_add(uint8_t *const *sum, const uint8_t *row, unsigned rows, unsigned at,
	       const void *data, size_t n)
{
	uint8_t tables[TN_RS_ROWS * TABLE];

	for (unsigned i = 0; i < rows; i++)
		gf_vect_mul_init(factor(row[i], at), tables + i * TABLE);
	ec_encode_data_update((int)n, 1, (int)rows, 0, tables, (uint8_t *)data, (uint8_t **)sum);
}

int tn_rs_solve(uint8_t *const *sum, const uint8_t *row, const uint8_t *at, unsigned n, size_t len)
{
	uint8_t m[TN_RS_ROWS * TN_RS_ROWS], inverse[TN_RS_ROWS * TN_RS_ROWS], *out[TN_RS_ROWS];
	uint8_t *tables = malloc((size_t)n * n * TABLE), *all = malloc(n * len);
	int r = tables && all ? 0 : -ENOMEM;

	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < n; k++)
			m[i * n + k] = factor(row[i], at[k]);
	if (r == 0 && gf_invert_matrix(m, inverse, (int)n) != 0)
		r = -EINVAL; /* the same row or piece twice */
	if (r == 0) {
		for (unsigned i = 0; i < n; i++)
			out[i] = all + i * len;
		ec_init_tables((int)n, (int)n, inverse, tables);
		ec_encode_data((int)len, (int)n, (int)n, tables, (uint8_t **)sum, out);
		for (unsigned i = 0; i < n; i++)
			memcpy(sum[i], out[i], len);
	}
	free(tables);
	free(all);
	return r;
}
