/* What an RTMP publisher sends, in pieces: no crash, bounded memory, and what is read is FLV. The first byte: the size of the
 * pieces; the handshake is made here. */
#include <stdlib.h>

#include "stream/rtmp.h"

#define SHAKE 1536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* The tags that are there are whole. */
static void check_flv(struct rtmp *r, bool *begun)
{
	uint8_t head[13];

	if (!*begun && rtmp_read(r, head, 13)) {
		check(!memcmp(head, "FLV", 3));
		*begun = true;
	}
	while (rtmp_read(r, head, 11)) {
		size_t n = (size_t)(head[1] << 16 | head[2] << 8 | head[3]);
		uint8_t *body = malloc(n + 4);

		check(*begun && n && body && rtmp_read(r, body, n + 4) == n + 4);
		free(body);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t shake[1 + 2 * SHAKE] = {3};
	struct rtmp *r;
	bool begun = false;
	int rc;

	if (!size || rtmp_create(&r))
		return 0;
	rc = rtmp_input(r, shake, sizeof(shake));
	check(!rc);
	size_t step = 1 + *data;
	for (size_t at = 1; at < size && !rc; at += step) {
		size_t n;

		rc = rtmp_input(r, data + at, MIN(step, size - at));
		rtmp_out(r, &n);
		check(n < 200000);
		if (at & 1)
			rtmp_sent(r, n);
		if (rtmp_state(r) == RTMP_ASKING && !rc) {
			check(strlen(rtmp_name(r)) < 1100);
			rc = rtmp_answer(r, step & 1 ? NULL : "no");
		}
		check_flv(r, &begun);
	}
	rtmp_destroy(r);
	return 0;
}
