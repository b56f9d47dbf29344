/* Splice information sections of any bytes, with their CRC made right: what is read of them fits in what it is read into, and
 * date ranges made of many stay few, each with its own ID. The first byte of each says how long it is and what time goes by. */
#include <assert.h>

#include "cmaf/range.h"
#include "media/cue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The head that every section has, so that not only bytes by chance get further. */
static size_t section(uint8_t *p, const uint8_t *data, size_t n)
{
	memcpy(p, data, n);
	p[0] = 0xfc;
	p[1] = 0x30;
	p[2] = (uint8_t)(n - 3);
	p[3] = 0;
	cue_shift(p, n, 0);
	return n;
}

static void check(const struct ranges *r)
{
	char text[256];

	assert(r->at.len <= RANGES_MAX);
	for (size_t i = 0; i < r->at.len; i++) {
		const struct range *a = &r->at.at[i];

		assert(a->gone == !a->out && (!a->in || a->paired));
		assert(a->end_us == SPLICE_NONE || a->end_us >= a->start_us);
		for (size_t k = 0; k < i; k++)
			assert(strcmp(a->id, r->at.at[k].id));
	}
	FILE *f = fmemopen(text, sizeof(text), "w");
	ranges_write(r, 0, f);
	ranges_write_removed(r, 0, f);
	fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct ranges r = {0};
	int64_t now = INT64_C(1795361000) * SEC_US;
	struct splice s;

	(void)!splice_read(&s, data, n);
	while (n > 1) {
		uint8_t p[256];
		size_t len = MIN(n - 1, (size_t)20 + data[0] % 64);

		now += data[0] * MS_US * 100;
		if (len < 20)
			break;
		section(p, data + 1, len);
		if (!splice_read(&s, p, len)) {
			int64_t at =
			    s.pts == SPLICE_NONE ? now : now + (s.pts - (INT64_C(1) << 32)) * 11;

			assert(s.segments <= SPLICE_SEGMENTS);
			assert(s.pts >= SPLICE_NONE && s.pts < INT64_C(1) << 33);
			(void)!ranges_cue(&r, &s, p, len, at, now);
		}
		ranges_pass(&r, now - 20 * SEC_US, now, 6 * SEC_US);
		check(&r);
		data += 1 + len;
		n -= 1 + len;
	}
	ranges_finish(&r);
	return 0;
}
