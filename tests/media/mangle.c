/* mangle: a media file as a bad line, a broken disk or somebody malicious would send it.
 *
 *   mangle SEED FILE...    writes one of the files to standard output, damaged in one way or several, and says which on
 *                          standard error: "mangle: seed 7: b.flv, 90211 bytes: flips cut". The same seed and the same
 *                          files give the same bytes.
 *
 * A reader that goes away is no error. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (1 << 20) /* at most so much of a file, from where the seed says */
#define TS 188

static unsigned long long state;

/* xorshift64* (Marsaglia, Vigna). */
static unsigned long long rnd(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717ULL;
}

static size_t below(size_t n)
{
	return n ? (size_t)(rnd() >> 11) % n : 0;
}

struct bytes {
	unsigned char *p;
	size_t n, cap;
};

static void die(const char *what)
{
	fprintf(stderr, "mangle: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void flips(struct bytes *b)
{
	size_t every = (size_t)10 << below(14);

	for (size_t i = below(every); i < b->n; i += 1 + below(2 * every))
		b->p[i] ^= (unsigned char)(1u << below(8));
}

static void noise(struct bytes *b)
{
	for (size_t k = 1 + below(6); k--;) {
		size_t at = below(b->n), len = below(4096);

		for (size_t i = at; i < b->n && i < at + len; i++)
			b->p[i] = (unsigned char)rnd();
	}
}

static void zeros(struct bytes *b)
{
	size_t at = below(b->n), len = below(b->n / 2);

	memset(b->p + at, below(2) ? 0 : 0xff, at + len > b->n ? b->n - at : len);
}

static void cut(struct bytes *b)
{
	b->n = below(b->n);
}

static void holes(struct bytes *b)
{
	for (size_t k = 1 + below(20); k-- && b->n > 1;) {
		size_t at = below(b->n), len = 1 + below(b->n / 20 + 1);

		len = at + len > b->n ? b->n - at : len;
		memmove(b->p + at, b->p + at + len, b->n - at - len);
		b->n -= len;
	}
}

/* Packets of MPEG-TS lost, doubled and in each other's place. */
static void packets(struct bytes *b)
{
	size_t n = b->n / TS;

	for (size_t k = below(n / 4 + 1); k--;) {
		size_t from = below(n) * TS, to = below(n) * TS;

		if (below(2)) {
			memmove(b->p + to, b->p + from, TS);
		} else {
			unsigned char t[TS];

			memcpy(t, b->p + to, TS);
			memcpy(b->p + to, b->p + from, TS);
			memcpy(b->p + from, t, TS);
		}
	}
}

/* Lengths, counts and times are often these. */
static void numbers(struct bytes *b)
{
	static const unsigned char evil[][4] = {
	    {0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0x7f, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0},
	    {0, 0, 0, 1}, {0xff, 0xff, 0xff, 0}};

	for (size_t k = 1 + below(40); k--;) {
		size_t at = below(below(4) ? b->n : 2048);

		if (at + 4 <= b->n)
			memcpy(b->p + at, evil[below(sizeof(evil) / sizeof(*evil))], 4);
	}
}

/* Its own middle once more in front: another container begins behind some bytes. */
static void late(struct bytes *b)
{
	size_t len = below(b->n / 2 + 1);

	if (b->n + len > b->cap)
		return;
	memmove(b->p + len, b->p, b->n);
	for (size_t i = 0; i < len; i++)
		b->p[i] = below(2) ? b->p[len + i] : (unsigned char)rnd();
	b->n += len;
}

static const struct {
	const char *name;
	void (*fn)(struct bytes *b);
} ways[] = {{"flips", flips}, {"noise", noise},	    {"zeros", zeros},	  {"cut", cut},
	    {"holes", holes}, {"packets", packets}, {"numbers", numbers}, {"late", late}};

static void load(struct bytes *b, const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f || fseek(f, 0, SEEK_END))
		die(path);
	size_t size = (size_t)ftell(f);
	/* Mostly from the beginning, where the headers are. */
	size_t from = below(4) || size <= PIECE ? 0 : below(size - PIECE);

	b->cap = 2 * PIECE;
	b->p = malloc(b->cap);
	if (!b->p || fseek(f, (long)from, SEEK_SET))
		die(path);
	b->n = fread(b->p, 1, PIECE, f);
	fclose(f);
}

int main(int argc, char **argv)
{
	struct bytes b;

	if (argc < 3) {
		fprintf(stderr, "usage: mangle SEED FILE...\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
	for (int i = 0; i < 8; i++)
		rnd();
	const char *path = argv[2 + below((size_t)argc - 2)], *name = strrchr(path, '/');
	load(&b, path);
	fprintf(stderr, "mangle: seed %s: %s, %zu bytes:", argv[1], name ? name + 1 : path, b.n);
	for (size_t k = 1 + below(3); k--;) {
		size_t w = below(sizeof(ways) / sizeof(*ways));

		fprintf(stderr, " %s", ways[w].name);
		ways[w].fn(&b);
	}
	fputc('\n', stderr);
	for (size_t at = 0; at < b.n;) {
		ssize_t w = write(STDOUT_FILENO, b.p + at, b.n - at);

		if (w < 0 && errno != EINTR)
			break;
		at += w > 0 ? (size_t)w : 0;
	}
	free(b.p);
	return 0;
}
