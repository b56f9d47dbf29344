/* hls-crowd: many players of LL-HLS in one process. Each reloads its playlists by blocking requests and takes each new part
 * of one rendition, and of the sound, as hls.js does; nothing is decoded.
 *
 *   hls-crowd [-n PLAYERS] [-t TIME] [-w TIME] [-r PER_S] [-a AUDIO] [-q QUERY] [-A ADDRESSES] [-2] [-H]
 *             http[s]://HOST:PORT/NAME VIDEO...
 *
 * -n 200; -t 10s to watch, after -w 3s to come in; -r so many begin in a second (1000); -a the sound's rendition; -q goes
 * with each playlist's address; -A so many addresses the connections come from, to a server on 127.0.0.0/8 (200); -2 HTTP/2;
 * -H the hinted part is asked for ahead, as Apple's players do. The players are spread over the VIDEO renditions.
 * With HTTP/1.1 each has two connections for each track, with HTTP/2 one in all.
 *
 * A part is made at PROGRAM-DATE-TIME plus the lengths of the parts up to it: its age is when its last byte came, less that.
 * How late it is (late_) is its age less the least age of any part of its rendition; how long it took from the first player
 * who had it to this one is spread_. What of that the players themselves are to blame for is read_: how long the playlist that
 * told of the part, and the part, lay there before they were read. Prints, in ms and in all, key=value at the end, and at each SIGUSR1 of the time since the
 * one before, followed by an empty line: players, playing (got a part in the last 2 s), requests, failed (not 200, or broken), skipped (parts
 * not asked for, being too far behind), broken (connections), bytes, parts, cpu (seconds of this process), age_, late_,
 * spread_, read_ p50, p99 and max. The first line is began=, in UTC.
 * Ends early at SIGTERM. Exit status 0; 1 when nothing could be measured; 64. */
#include "web.h"

#include <libdeflate.h>

#define TRACKS 8
#define RING 1024 /* parts of a track that are remembered */
#define BEHIND 8  /* parts, then a player goes on with the newest */
#define BODY_MAX (1 << 20)

struct part {
	char name[256]; /* its URI */
	int64_t number, index, end_us, first_us;
};

/* A playlist that came is read once, for all who get the same. */
struct memo {
	int64_t number, part, bytes, next_number, next_part;
	uint64_t known;
};

struct rendition {
	char name[64];
	struct part part[RING];
	uint64_t known; /* parts seen so far; the i-th is part[i % RING] */
	struct memo memo[64];
	unsigned memos;
	int64_t least_us;
};

struct side {
	struct player *player;
	struct rendition *of;
	struct web_conn *lists, *media;
	struct web_get list, part;
	char list_path[512], part_path[512];
	int64_t number, index; /* of the request for the playlist; -1: without */
	char *body;
	uint64_t next, asked; /* the next part to take; the one under way */
	bool begun, taking;
	int64_t lain_us;  /* how long its last playlist had lain there */
	int64_t again_us; /* after a failure */
};

struct player {
	struct web_conn conn[4];
	struct side side[2];
	int64_t got_us;
};

struct sample {
	int64_t age, spread, read;
	unsigned rendition;
};

static struct crowd {
	struct web web;
	const char *base, *query, *audio;
	int64_t n, time_us, warm_us, per_s, sources;
	struct rendition track[TRACKS];
	unsigned tracks;
	struct player *player;
	int64_t begun, requests, failed, skipped;
	VEC(struct sample) samples;
	bool counting, hints;
} crowd = {.n = 200, .time_us = 10 * SEC_US, .warm_us = 3 * SEC_US, .per_s = 1000, .sources = 200};

static volatile sig_atomic_t marked, ended;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		marked = 1;
	else
		ended = 1;
}

static int64_t utc_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * SEC_US + t.tv_nsec / 1000;
}

/* ---- playlists ---- */

static int64_t read_date(const char *s)
{
	struct tm tm = {0};
	const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

	return rest ? timegm(&tm) * SEC_US + (int64_t)(strtod(rest, NULL) * 1e6) : 0;
}

static void add_part(struct rendition *t, const char *uri, int64_t end_us)
{
	const struct part *last = t->known ? &t->part[(t->known - 1) % RING] : NULL;
	struct part p = {.end_us = end_us};
	long long number, index;

	if (sscanf(uri, "%lld.%lld.", &number, &index) != 2)
		return;
	p.number = number;
	p.index = index;
	if (last &&
	    (p.number < last->number || (p.number == last->number && p.index <= last->index)))
		return;
	snprintf(p.name, sizeof(p.name), "%.*s", (int)strcspn(uri, "\""), uri);
	t->part[t->known++ % RING] = p;
}

/* Text of a playlist: new parts are noted; false when it has no hint at the next. */
static bool read_playlist(struct rendition *t, char *text, struct memo *m)
{
	int64_t at_us = 0, last_us = 0;
	char *rest = text, *line;
	long long number, index;
	bool hint = false;

	while ((line = strsep(&rest, "\n"))) {
		const char *uri = strstr(line, "URI=\"");

		if (str_starts(line, "#EXT-X-PROGRAM-DATE-TIME:")) {
			at_us = read_date(line + 25);
		} else if (str_starts(line, "#EXT-X-PART:DURATION=") && uri) {
			last_us = (int64_t)(strtod(line + 21, NULL) * 1e6);
			at_us += last_us;
			add_part(t, uri + 5, at_us);
		} else if (str_starts(line, "#EXT-X-PRELOAD-HINT:TYPE=PART") && uri) {
			hint = sscanf(uri + 5, "%lld.%lld.", &number, &index) == 2;
			m->next_number = number;
			m->next_part = index;
			if (crowd.hints) /* it will be as long as the one before */
				add_part(t, uri + 5, at_us + last_us);
		}
	}
	m->known = t->known;
	return hint;
}

static char *unpacked(const char *p, size_t n, bool gzip)
{
	static struct libdeflate_decompressor *d;
	static char text[BODY_MAX + 1];
	size_t len = n;

	if (!gzip) {
		memcpy(text, p, n);
	} else {
		if (!d)
			d = libdeflate_alloc_decompressor();
		if (libdeflate_gzip_decompress(d, p, n, text, BODY_MAX, &len))
			len = 0;
	}
	text[len] = 0;
	return text;
}

static const struct memo *find_memo(const struct side *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->of->memo); i++) {
		const struct memo *m = &s->of->memo[i];

		if (m->known && m->number == s->number && m->part == s->index &&
		    m->bytes == s->list.length)
			return m;
	}
	return NULL;
}

static const struct memo *learn(struct side *s)
{
	struct rendition *t = s->of;
	struct memo m = {.number = s->number, .part = s->index, .bytes = s->list.length};

	if (!s->body || !read_playlist(t, unpacked(s->body, (size_t)s->list.got, s->list.gzip), &m))
		return NULL;
	t->memo[t->memos % ARRAY_LEN(t->memo)] = m;
	return &t->memo[t->memos++ % ARRAY_LEN(t->memo)];
}

/* ---- a player ---- */

static void ask_list(struct side *s);
static void take_part(struct side *s);

/* How many parts the playlists that it got have told of, it can take. */
static void go_on(struct side *s, const struct memo *m)
{
	s->number = m->next_number;
	s->index = m->next_part;
	if (!s->begun) {
		s->begun = true;
		s->next = m->known - 1;
	}
	if (m->known - s->next > BEHIND && m->known > s->next) {
		crowd.skipped += (int64_t)(m->known - 1 - s->next);
		s->next = m->known - 1;
	}
	ask_list(s);
	take_part(s);
}

static void fail_for_now(struct side *s)
{
	crowd.failed++;
	s->number = s->index = -1;
	s->again_us = utc_us() + 200 * MS_US;
}

static void on_list_bytes(struct web_get *g, const char *p, size_t n)
{
	struct side *s = container_of(g, struct side, list);

	if (!s->body && (g->length < 0 || !find_memo(s)))
		s->body = malloc(BODY_MAX);
	if (s->body && g->got <= BODY_MAX)
		memcpy(s->body + g->got - n, p, n);
}

static void on_list(struct web_get *g)
{
	struct side *s = container_of(g, struct side, list);
	const struct memo *m = NULL;

	crowd.requests++;
	s->lain_us = utc_us() - g->came_us;
	if (g->length < 0)
		g->length = g->got;
	if (g->status == 200 && g->got <= BODY_MAX)
		m = s->body ? learn(s) : find_memo(s);
	free(s->body);
	s->body = NULL;
	if (m)
		go_on(s, m);
	else
		fail_for_now(s);
}

static void ask_list(struct side *s)
{
	const char *q = crowd.query;
	int n = snprintf(s->list_path, sizeof(s->list_path), "%s/%s/index.m3u8%s%s", crowd.base,
			 s->of->name, q ? "?" : "", q ? q : "");

	if (s->number >= 0)
		snprintf(s->list_path + n, sizeof(s->list_path) - (size_t)n,
			 "%c_HLS_msn=%jd&_HLS_part=%jd", q ? '&' : '?', (intmax_t)s->number,
			 (intmax_t)s->index);
	s->again_us = 0;
	web_ask(s->lists, &s->list);
}

static void count_part(struct side *s)
{
	struct part *p = &s->of->part[s->asked % RING];
	int64_t now = utc_us(), age = now - p->end_us;

	if (!p->first_us)
		p->first_us = now;
	s->of->least_us = MIN(s->of->least_us, age);
	s->player->got_us = now;
	if (crowd.counting)
		(void)!vec_push(&crowd.samples, ((struct sample){age, now - p->first_us,
								 s->lain_us + now - s->part.came_us,
								 (unsigned)(s->of - crowd.track)}));
}

static void on_part(struct web_get *g)
{
	struct side *s = container_of(g, struct side, part);

	crowd.requests++;
	s->taking = false;
	if (g->status == 200)
		count_part(s);
	else
		crowd.failed++;
	take_part(s);
}

static void take_part(struct side *s)
{
	if (s->taking || !s->begun || s->next >= s->of->known)
		return;
	s->taking = true;
	s->asked = s->next++;
	snprintf(s->part_path, sizeof(s->part_path), "%s/%s/%s", crowd.base, s->of->name,
		 s->of->part[s->asked % RING].name);
	web_ask(s->media, &s->part);
}

static void begin(struct player *p, unsigned video)
{
	for (size_t i = 0; i < 4; i++)
		p->conn[i] = (struct web_conn){.web = &crowd.web, .fd = -1};
	for (int i = 0; i < 1 + !!crowd.audio; i++) {
		struct side *s = &p->side[i];

		*s = (struct side){.player = p,
				   .of = &crowd.track[i ? crowd.tracks - 1 : video],
				   .lists = &p->conn[crowd.web.h2 ? 0 : 2 * i],
				   .media = &p->conn[crowd.web.h2 ? 0 : 2 * i + 1],
				   .number = -1,
				   .index = -1};
		s->list =
		    (struct web_get){.path = s->list_path, .body = on_list_bytes, .done = on_list};
		s->part = (struct web_get){.path = s->part_path, .done = on_part};
		ask_list(s);
	}
}

/* ---- figures ---- */

static const char *const names[] = {"age", "late", "spread", "read"};

static int64_t figure(const struct sample *s, size_t what)
{
	const int64_t v[] = {s->age, s->age - crowd.track[s->rendition].least_us, s->spread,
			     s->read};

	return v[what];
}

static void print_figures(void)
{
	int64_t *v = calloc(crowd.samples.len + 1, sizeof(*v)), playing = 0,
		recent = utc_us() - 2 * SEC_US;
	size_t n = crowd.samples.len;
	struct rusage u;

	if (!v)
		die("memory");
	for (int64_t i = 0; i < crowd.begun; i++)
		playing += crowd.player[i].got_us > recent;
	getrusage(RUSAGE_SELF, &u);
	printf("players=%jd\nplaying=%jd\nrequests=%jd\nfailed=%jd\nskipped=%jd\nbroken=%jd\nbytes="
	       "%jd\nparts=%zu\ncpu=%.2f\n",
	       (intmax_t)crowd.n, (intmax_t)playing, (intmax_t)crowd.requests,
	       (intmax_t)crowd.failed, (intmax_t)crowd.skipped, (intmax_t)crowd.web.broken,
	       (intmax_t)crowd.web.bytes, n,
	       (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	for (size_t what = 0; what < ARRAY_LEN(names); what++) {
		for (size_t i = 0; i < n; i++)
			v[i] = 1000 * figure(&crowd.samples.at[i], what);
		print_quantiles(names[what], v, n);
	}
	printf("\n");
	fflush(stdout);
	free(v);
	crowd.samples.len = 0;
	crowd.requests = crowd.failed = crowd.skipped = crowd.web.broken = crowd.web.bytes = 0;
}

/* ---- the run ---- */

static void look_again(void)
{
	int64_t now = utc_us();

	for (int64_t i = 0; i < crowd.begun; i++)
		for (int k = 0; k < 2; k++) {
			struct side *s = &crowd.player[i].side[k];

			if (s->again_us && s->again_us <= now)
				ask_list(s);
		}
}

static void run(void)
{
	int64_t start = utc_us(), now, looked = 0;
	unsigned videos = crowd.tracks - !!crowd.audio;

	printf("began=%.3f\n", (double)start / 1e6);
	fflush(stdout);
	while (!ended && (now = utc_us()) < start + crowd.warm_us + crowd.time_us) {
		while (crowd.begun < crowd.n &&
		       crowd.begun <= (now - start) * crowd.per_s / SEC_US) {
			begin(&crowd.player[crowd.begun], (unsigned)(crowd.begun % videos));
			crowd.begun++;
		}
		if (!crowd.counting && now >= start + crowd.warm_us) {
			crowd.counting = true;
			crowd.requests = crowd.failed = crowd.web.broken = crowd.web.bytes = 0;
		}
		if (marked) {
			marked = 0;
			print_figures();
		}
		if (now - looked > 50 * MS_US) {
			looked = now;
			look_again();
		}
		web_turn(&crowd.web, crowd.begun < crowd.n ? 1 : 20);
	}
	print_figures();
}

static void add_track(const char *name)
{
	struct rendition *t = &crowd.track[crowd.tracks++];

	snprintf(t->name, sizeof(t->name), "%s", name);
	t->least_us = INT64_MAX;
}

static int read_options(int argc, char **argv, bool *h2)
{
	int opt, r = 0;

	while (!r && (opt = getopt(argc, argv, "n:t:w:r:a:q:A:2H")) != -1) {
		switch (opt) {
		case 'n':
			r = num_int(optarg, &crowd.n);
			break;
		case 't':
			r = num_duration(optarg, &crowd.time_us);
			break;
		case 'w':
			r = num_duration(optarg, &crowd.warm_us);
			break;
		case 'r':
			r = num_int(optarg, &crowd.per_s);
			break;
		case 'H':
			crowd.hints = true;
			break;
		case 'A':
			r = num_int(optarg, &crowd.sources);
			break;
		case 'a':
			crowd.audio = optarg;
			break;
		case 'q':
			crowd.query = optarg;
			break;
		case '2':
			*h2 = true;
			break;
		default:
			r = -EINVAL;
		}
	}
	return r || crowd.n < 1 || crowd.per_s < 1 || argc - optind < 2 ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	bool h2 = false;

	if (read_options(argc, argv, &h2)) {
		fprintf(stderr, "usage: see the head of tests/bench/hls-crowd.c\n");
		return 64;
	}
	many_descriptors();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, on_signal);
	signal(SIGTERM, on_signal);
	crowd.web.sources = (unsigned)crowd.sources;
	web_init(&crowd.web, argv[optind], h2, &crowd.base);
	for (int i = optind + 1; i < argc && crowd.tracks < TRACKS - 1; i++)
		add_track(argv[i]);
	if (crowd.audio)
		add_track(crowd.audio);
	crowd.player = calloc((size_t)crowd.n, sizeof(*crowd.player));
	if (!crowd.player)
		die("memory");
	run();
	for (int64_t i = 0; i < crowd.begun; i++)
		for (int k = 0; k < 4; k++)
			web_leave(&crowd.player[i].conn[k]);
	bool any = crowd.track[0].known > 0;
	SSL_CTX_free(crowd.web.tls);
	free(crowd.player);
	vec_free(&crowd.samples);
	return any ? 0 : 1;
}
