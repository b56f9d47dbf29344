#include "media/splice.h"

#define UNIT 64
#define SHARE 16			/* of a block in the mean */
#define STILL 12			/* samples that are let be */
#define STRETCH_MAX (SPLICE_RATE / 200) /* 0.5 % */

/* Half of what is wrong is put right in a second. */
static void follow(struct splice *s, int64_t off)
{
	s->mean += (off * UNIT - s->mean) / SHARE;
	int64_t wrong = s->mean / UNIT;

	s->stretch = llabs(wrong) <= STILL ? 0 : (int)CLAMP(wrong / 2, -STRETCH_MAX, STRETCH_MAX);
}

struct splice_cut splice_place(struct splice *s, int64_t at, int64_t n)
{
	struct splice_cut cut = {0};
	int64_t off = at - s->next, slack = s->rigid ? 0 : SPLICE_SLACK;

	if (off > SPLICE_HOLE_MAX) {
		cut.skip = n;
		return cut;
	}
	if (llabs(off) <= slack) {
		follow(s, off);
	} else {
		cut.silence = MAX(off, 0);
		cut.skip = MIN(MAX(-off, 0), n);
		s->mean = 0;
		s->stretch = 0;
		s->rigid = cut.skip == n; /* until a sample stands in its place */
	}
	if (!off)
		s->rigid = false;
	s->next += cut.silence + n - cut.skip;
	return cut;
}

void splice_silence(struct splice *s, int64_t n)
{
	s->next += n;
	s->mean = 0;
	s->stretch = 0;
	s->rigid = true;
}
