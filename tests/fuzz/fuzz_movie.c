/* Any bytes as an MP4 file whose boxes follow each other, and as an index of segments on disk. What is found lies within them. */
#include <assert.h>

#include "cmaf/archive.h"
#include "cmaf/movie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_track(const struct movie_track *t, const uint8_t *data, size_t n)
{
	char codec[32];
	int rate, channels;

	assert(t->scale > 0 && t->stsd.p >= data && t->stsd.n <= n);
	movie_codec(t, codec);
	movie_sound(t, &rate, &channels);
	assert(strlen(codec) < sizeof(codec));
	struct buf *init = movie_init(t);
	struct movie_track back;
	assert(init && movie_tracks(init->data, init->len, &back, 1) == 1);
	assert(back.stsd.n == t->stsd.n);
	buf_unref(init);
}

static void check_samples(const struct movie_track *t, struct movie_samples *s)
{
	size_t first, k;

	if (!s->s.len || s->s.len > 1000)
		return;
	int64_t from = s->s.at[0].dts;
	if (movie_cut(s->s.at, s->s.len, from, from + t->scale, &first, &k)) {
		struct movie_out o = {t, s->s.at + first, k, from, from + t->scale};

		assert(first + k <= s->s.len);
		buf_unref(movie_head(&o, 1, 1000));
	}
}

static void read_movie(const uint8_t *data, size_t n)
{
	struct movie_track t[4];
	struct movie_samples samples[4] = {0};
	int tracks = movie_tracks(data, n, t, 4);

	for (int i = 0; i < tracks; i++)
		check_track(&t[i], data, n);
	for (size_t at = 0; tracks > 0 && at + 8 <= n;) {
		struct rd r = rd_of(data + at, 4);
		uint32_t size = rd_u32(&r);

		if (size < 8 || size > n - at)
			break;
		if (!memcmp(data + at + 4, "moof", 4) &&
		    movie_moof(data + at, size, at, t, tracks, samples))
			break;
		at += size;
	}
	for (int i = 0; i < 4; i++) {
		if (i < tracks)
			check_samples(&t[i], &samples[i]);
		movie_samples_finish(&samples[i]);
	}
}

static void read_index(const uint8_t *data, size_t n)
{
	struct archive a = {0};
	int got = archive_read(&a, data, n, UINT32_MAX);

	assert(got <= (int)(n / ARCHIVE_RECORD));
	archive_finish(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	read_movie(data, n);
	read_index(data, n);
	return 0;
}
