#include "cmaf/ccdata.h"

#define VALID 4 /* in an item's first byte; its low bits are the type */

/* ---- packets of CEA-708 ---- */

/* A packet's service blocks; number 7 stands for one that the next byte tells, 0 ends them. */
static void split_packet(struct ccdata *d, int64_t us, bool gap)
{
	const uint8_t *p = d->packet + 1, *end = d->packet + d->have;

	while (p < end) {
		int service = *p >> 5;
		size_t n = *p++ & 31;

		if (!service && !n)
			return;
		if (service == 7 && n && p < end)
			service = *p++ & 63;
		if (n > (size_t)(end - p))
			return; /* torn */
		struct ccdata_piece piece = {CCDATA_SERVICE, service, gap, p, n};
		if (service && n)
			d->sink(d->arg, us, &piece);
		p += n;
	}
}

static void end_packet(struct ccdata *d, int64_t us)
{
	int sequence = d->packet[0] >> 6;
	bool gap = d->sequence && sequence != (d->sequence & 3);

	if (!d->want)
		return;
	d->want = 0;
	d->sequence = sequence + 1;
	split_packet(d, us, gap);
}

static void take_dtvcc(struct ccdata *d, int64_t us, const uint8_t b[2], bool begins)
{
	if (begins) {
		size_t code = b[0] & 63;

		end_packet(d, us); /* shorter than it said */
		d->have = 0;
		d->want = code ? 2 * code : DTVCC_MAX;
	}
	for (size_t i = 0; i < 2 && d->have < d->want; i++)
		d->packet[d->have++] = b[i];
	if (d->want && d->have == d->want)
		end_packet(d, us);
}

/* ---- order ---- */

static void apply(struct ccdata *d, const struct ccdata_item *it)
{
	int type = it->b[0] & 3;
	struct ccdata_piece pair = {type ? CCDATA_FIELD2 : CCDATA_FIELD1, 0, false, it->b + 1, 2};

	if (type < 2)
		d->sink(d->arg, it->us, &pair);
	else
		take_dtvcc(d, it->us, it->b + 1, type == 3);
}

static void apply_first(struct ccdata *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		apply(d, &d->pending[i]);
	d->npending -= n;
	memmove(d->pending, d->pending + n, d->npending * sizeof(d->pending[0]));
}

static void insert(struct ccdata *d, int64_t us, const uint8_t b[3])
{
	if (d->npending == CCDATA_PENDING)
		apply_first(d, 1);
	size_t i = d->npending++;
	for (; i && d->pending[i - 1].us > us; i--)
		d->pending[i] = d->pending[i - 1];
	d->pending[i] = (struct ccdata_item){us, {b[0], b[1], b[2]}};
}

void ccdata_until(struct ccdata *d, int64_t us)
{
	size_t n = 0;

	while (n < d->npending && d->pending[n].us < us)
		n++;
	apply_first(d, n);
}

void ccdata_take(struct ccdata *d, int64_t pts_us, int64_t dts_us, const uint8_t *cc, size_t n)
{
	for (; n >= 3; cc += 3, n -= 3)
		if (cc[0] & VALID)
			insert(d, pts_us, cc);
	ccdata_until(d, dts_us + 1);
}
