/* A source with cues: reads a stream from standard input and writes it as MPEG-TS, with a PID of SCTE 35 and one of timed ID3
 * added. In each four seconds of media:
 *
 *   0.0, 0.5  splice_insert, event 1000 + n: out at 1.0, for 1.5 s
 *   2.0       splice_insert, the same event: in at 2.5
 *   3.0       time_signal, event 2000 + n, at once: a programme begins
 *
 * and each half second a tag. Times are the stream's own. */
#include <stdio.h>
#include <unistd.h>

#include "cue-make.h"
#include "media/media.h"

#define STEP 45000 /* ticks between things to tell */
#define MASK ((INT64_C(1) << 33) - 1)

static const uint8_t tag[] = {'I', 'D', '3', 4, 0, 0, 0, 0,   0,   18,	'T', 'X', 'X', 'X',
			      0,   0,	0,   8, 0, 0, 3, 'm', 'a', 'r', 'k', 0,	  'o', 'n'};

static ssize_t get(void *arg, void *p, size_t n)
{
	return read(STDIN_FILENO, p, n);
}

static int put(void *arg, const void *p, size_t n)
{
	return fwrite(p, 1, n, stdout) == n && !fflush(stdout) ? 0 : -1;
}

static struct media_info *with_sides(const struct media_info *from)
{
	static const enum media_codec codec[] = {MEDIA_SCTE35, MEDIA_ID3};
	struct media_info *i = media_info_create();

	if (!i)
		abort();
	i->n = from->n;
	for (int k = 0; k < i->n; k++) {
		i->track[k] = from->track[k];
		if (i->track[k].extra)
			buf_ref(i->track[k].extra);
	}
	for (; i->sides < 2; i->sides++)
		i->track[i->n + i->sides] = (struct media_track){
		    .kind = MEDIA_DATA, .codec = codec[i->sides], .tb = {1, 90000}};
	return i;
}

static int send(struct media_mux *m, int track, const void *p, size_t n, int64_t pts)
{
	struct media_packet *s = media_packet_create(n);

	if (!s)
		abort();
	memcpy(s->data, p, n);
	s->track = track;
	s->pts = s->dts = pts;
	s->key = true;
	int rc = media_mux_write(m, s);
	media_packet_unref(s);
	return rc;
}

/* Step k of the stream, at pts. */
static int tell(struct media_mux *m, const struct media_info *info, int64_t k, int64_t pts)
{
	uint8_t cue[CUE_MADE], desc[64];
	struct wr d = wr_of(desc, sizeof(desc));
	uint32_t n = (uint32_t)(k / 8);
	size_t size = 0;

	switch (k % 8) {
	case 0:
	case 1:
		size = cue_make_insert(cue, 1000 + n, true, (pts + (2 - k % 8) * STEP) & MASK,
				       3 * STEP, false);
		break;
	case 4:
		size = cue_make_insert(cue, 1000 + n, false, (pts + STEP) & MASK, -1, false);
		break;
	case 6:
		cue_make_segment(&d, 2000 + n, 0x10, -1);
		size = cue_make_signal(cue, -1, &d);
		break;
	default:
		break;
	}
	int rc = size ? send(m, info->n, cue, size, pts) : 0;
	return rc ? rc : send(m, info->n + 1, tag, sizeof(tag), pts);
}

static int pass(struct media_demux *d, struct media_mux *m, const struct media_info *info)
{
	int64_t first = 0, k = -1;
	struct media_packet *p;
	int rc = 0;

	while (!rc && !media_demux_read(d, &p)) {
		const struct media_track *t = &info->track[p->track];
		int64_t pts = base_rescale(p->pts, t->tb, (struct ratio){1, 90000});

		if (t->kind == MEDIA_VIDEO && k < 0) {
			first = pts;
			k = 0;
		}
		while (!rc && t->kind == MEDIA_VIDEO && pts >= first + k * STEP) {
			rc = tell(m, info, k, first + k * STEP);
			k++;
		}
		if (!rc)
			rc = media_mux_write(m, p);
		media_packet_unref(p);
	}
	return rc;
}

int main(void)
{
	struct media_reader r = {.read = get};
	struct media_demux *d = NULL;
	struct media_mux *m = NULL;
	struct media_info *info = NULL;
	char err[MEDIA_ERR] = "";
	int rc = media_demux_open(&d, &r, NULL, err);

	if (!rc) {
		info = with_sides(media_demux_info(d));
		rc = media_mux_create(&m, "mpegts", info, put, NULL, err);
	}
	if (!rc)
		rc = pass(d, m, info);
	if (rc)
		fprintf(stderr, "cue-source: %s %d\n", err, rc);
	media_mux_destroy(m);
	media_demux_close(d);
	media_info_unref(info);
	return rc ? 1 : 0;
}
