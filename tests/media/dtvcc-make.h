/* What a caption encoder writes (CTA-708-E): commands and words of services, in packets, as items of cc_data. It shares nothing
 * with what reads them. */
#ifndef GEX_TESTS_DTVCC_MAKE_H
#define GEX_TESTS_DTVCC_MAKE_H

#include <stdint.h>
#include <string.h>

struct dtvcc {
	uint8_t b[128]; /* a packet: its head, then blocks */
	int n, block;	/* block: where the head of the one in progress is; 0: none */
	int sequence;
};

static inline void dtvcc_begin(struct dtvcc *d)
{
	d->n = 1;
	d->block = 0;
}

static inline void dtvcc_byte(struct dtvcc *d, int v)
{
	d->b[d->n++] = (uint8_t)v;
	d->b[d->block]++; /* its length is in the low bits */
}

/* What follows is of that service, 1 to 6. */
static inline void dtvcc_service(struct dtvcc *d, int service)
{
	d->block = d->n++;
	d->b[d->block] = (uint8_t)(service << 5);
}

static inline void dtvcc_words(struct dtvcc *d, const char *words)
{
	for (; *words; words++)
		dtvcc_byte(d, (uint8_t)*words);
}

/* DFn: `shown` or not, with its anchor at the bottom in the middle of the grid of 75 by 210. */
static inline void dtvcc_window(struct dtvcc *d, int n, int shown, int rows, int columns, int style)
{
	dtvcc_byte(d, 0x98 + n);
	dtvcc_byte(d, shown ? 0x38 : 0x18);
	dtvcc_byte(d, 74);
	dtvcc_byte(d, 105);
	dtvcc_byte(d, 7 << 4 | (rows - 1));
	dtvcc_byte(d, columns - 1);
	dtvcc_byte(d, style << 3 | 1);
}

/* A command to the windows of a set: 0x88 clear, 0x89 display, 0x8a hide, 0x8b toggle, 0x8c delete. */
static inline void dtvcc_windows(struct dtvcc *d, int command, int set)
{
	dtvcc_byte(d, command);
	dtvcc_byte(d, set);
}

/* The packet is over: how many items of three bytes it became. */
static inline int dtvcc_end(struct dtvcc *d, uint8_t *cc)
{
	int items;

	if (d->n & 1)
		d->b[d->n++] = 0; /* a null block */
	d->b[0] = (uint8_t)(d->sequence++ << 6 | (d->n / 2 & 63));
	items = d->n / 2;
	for (int i = 0; i < items; i++) {
		cc[3 * i] = i ? 0xfe : 0xff;
		memcpy(cc + 3 * i + 1, d->b + 2 * i, 2);
	}
	return items;
}

#endif
