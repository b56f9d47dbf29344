#include "cmaf/picture.h"

#include <errno.h>
#include <inttypes.h>

#include "cmaf/m3u8.h"

#define EVERY_US (2 * SEC_US) /* of a track that does not tell */
#define EVERY_MIN_US (200 * MS_US)
#define EVERY_MAX_US (600 * SEC_US)
#define SIDE_MAX 4096
#define PICTURE_MAX ((size_t)256 << 10)
#define BYTES_MAX ((size_t)16 << 20)
#define KEEP_MAX 8192
#define GUESS 2000 /* bytes of a picture before the first */

/* ---- JPEG (ITU-T T.81, annex B) ---- */

/* Has this marker no length behind it? */
static bool stands_alone(uint8_t m)
{
	return m == 0x01 || (m >= 0xd0 && m <= 0xd8);
}

static bool is_frame(uint8_t m)
{
	return m >= 0xc0 && m <= 0xcf && m != 0xc4 && m != 0xc8 && m != 0xcc;
}

/* The size in the frame header. False: it has none before its scan, or does not end as it should. */
static bool jpeg_size(const uint8_t *p, size_t n, int *width, int *height)
{
	if (n < 4 || p[0] != 0xff || p[1] != 0xd8 || p[n - 2] != 0xff || p[n - 1] != 0xd9)
		return false;
	for (size_t at = 2; at + 4 <= n && p[at] == 0xff;) {
		uint8_t m = p[at + 1];
		size_t len = (size_t)p[at + 2] << 8 | p[at + 3];

		if (m == 0xff || stands_alone(m)) { /* the former fills */
			at += m == 0xff ? 1 : 2;
			continue;
		}
		if (len < 2 || len > n - at - 2 || m == 0xda || m == 0xd9)
			return false;
		if (is_frame(m) && len >= 8) {
			*height = p[at + 5] << 8 | p[at + 6];
			*width = p[at + 7] << 8 | p[at + 8];
			return *width > 0 && *height > 0 && *width <= SIDE_MAX &&
			       *height <= SIDE_MAX;
		}
		at += 2 + len;
	}
	return false;
}

/* ---- the store ---- */

int64_t pictures_every_us(const struct media_track *m)
{
	if (m->fps.num <= 0 || m->fps.den <= 0)
		return EVERY_US;
	return CLAMP(base_scale(SEC_US, m->fps.den, m->fps.num), EVERY_MIN_US, EVERY_MAX_US);
}

struct pictures *pictures_create(const struct media_track *m, int64_t window_us)
{
	struct pictures *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->every_us = pictures_every_us(m);
	p->window_us = window_us;
	p->width = m->width;
	p->height = m->height;
	p->told = pictures_about(p).bandwidth;
	p->keep = (size_t)CLAMP(2 * window_us / p->every_us + 2, 4, KEEP_MAX);
	return p;
}

static void drop_first(struct pictures *p)
{
	p->bytes -= p->at.at[0].jpeg->len;
	buf_unref(p->at.at[0].jpeg);
	vec_remove(&p->at, 0);
}

void pictures_destroy(struct pictures *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->at.len; i++)
		buf_unref(p->at.at[i].jpeg);
	vec_free(&p->at);
	free(p);
}

const struct picture *pictures_last(const struct pictures *p)
{
	return p->at.len ? &p->at.at[p->at.len - 1] : NULL;
}

int pictures_take(struct pictures *p, const uint8_t *data, size_t n, int64_t us)
{
	struct picture new = {.number = base_floor_div(us, p->every_us)};
	const struct picture *last = pictures_last(p);

	if (n > PICTURE_MAX)
		return -EMSGSIZE;
	if (!jpeg_size(data, n, &new.width, &new.height))
		return -EINVAL;
	if (last && new.number <= last->number)
		return -EEXIST;
	new.jpeg = buf_copy(data, n);
	if (!new.jpeg || vec_push(&p->at, new)) {
		buf_unref(new.jpeg);
		return -ENOMEM;
	}
	p->bytes += n;
	p->width = new.width;
	p->height = new.height;
	while (p->at.len > p->keep || p->bytes > BYTES_MAX)
		drop_first(p);
	return 0;
}

const struct picture *pictures_find(const struct pictures *p, int64_t number)
{
	size_t lo = 0, hi = p->at.len;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (p->at.at[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->at.len && p->at.at[lo].number == number ? &p->at.at[lo] : NULL;
}

/* ---- text ---- */

struct picture_about pictures_about(const struct pictures *p)
{
	size_t most = p->at.len ? 0 : GUESS;

	for (size_t i = 0; i < p->at.len; i++)
		most = MAX(most, p->at.at[i].jpeg->len);
	return (struct picture_about){.every_us = p->every_us,
				      .width = p->width,
				      .height = p->height,
				      .bandwidth =
					  base_scale((int64_t)most * 8, SEC_US, p->every_us)};
}

void picture_put_stream(const struct picture_about *o, const char *playlist, const char *query,
			FILE *f)
{
	fprintf(f,
		"#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=%" PRId64
		",RESOLUTION=%dx%d,CODECS=\"jpeg\",URI=\"" CMAF_PICTURES "/%s%s\"\n",
		MAX(o->bandwidth, 1), o->width, o->height, playlist, query);
}

/* Where the period does not begin on the grid, a picture is shown for that much too early: less than `every`. */
void picture_put_set(const struct picture_about *o, int id, int64_t start_us, FILE *f)
{
	fprintf(f,
		"    <AdaptationSet id=\"%d\" contentType=\"image\" mimeType=\"image/jpeg\">\n"
		"      <Representation id=\"" CMAF_PICTURES "\" bandwidth=\"%" PRId64
		"\" width=\"%d\" height=\"%d\">\n"
		"        <EssentialProperty "
		"schemeIdUri=\"http://dashif.org/guidelines/thumbnail_tile\" value=\"1x1\"/>\n"
		"        <SegmentTemplate timescale=\"1000000\" duration=\"%" PRId64
		"\" startNumber=\"%" PRId64 "\" media=\"" CMAF_PICTURES "/$Number$.jpg\"/>\n"
		"      </Representation>\n    </AdaptationSet>\n",
		id, MAX(o->bandwidth, 1), o->width, o->height, o->every_us,
		base_floor_div(start_us, o->every_us));
}

void picture_list_begin(struct picture_list *l, int64_t every_us, int64_t first, bool live, FILE *f)
{
	*l = (struct picture_list){.f = f, .every_us = every_us, .next = INT64_MIN};
	fprintf(f,
		"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%" PRId64
		"\n#EXT-X-MEDIA-SEQUENCE:%" PRId64 "\n",
		(every_us + SEC_US - 1) / SEC_US, first);
	if (!live)
		fputs("#EXT-X-PLAYLIST-TYPE:VOD\n", f);
	fputs("#EXT-X-IMAGES-ONLY\n", f);
}

/* Each is said to be a tile, and how long it stands: players differ in how far they take that. */
static void put_one(const struct picture_list *l, int64_t number)
{
	double s = (double)l->every_us / 1e6;

	fprintf(l->f,
		"#EXT-X-TILES:RESOLUTION=%dx%d,LAYOUT=1x1,DURATION=%.3f\n#EXTINF:%.3f,\n%" PRId64
		".jpg\n",
		l->width, l->height, s, s, number);
}

void picture_list_add(struct picture_list *l, int64_t number, int width, int height)
{
	bool begins = l->next == INT64_MIN;

	l->width = width;
	l->height = height;
	if (begins) {
		fputs("#EXT-X-PROGRAM-DATE-TIME:", l->f);
		m3u8_date(number * l->every_us, l->f);
		fputc('\n', l->f);
	}
	for (int64_t n = begins ? number : l->next; n < number; n++) {
		fputs("#EXT-X-GAP\n", l->f);
		put_one(l, n);
	}
	put_one(l, number);
	l->next = number + 1;
}

void pictures_put_list(const struct pictures *p, bool ended, FILE *f)
{
	const struct picture *last = pictures_last(p);
	int64_t from = last ? last->number - p->window_us / p->every_us : 0;
	struct picture_list l;
	size_t i = 0;

	while (i < p->at.len && p->at.at[i].number <= from)
		i++;
	picture_list_begin(&l, p->every_us, i < p->at.len ? p->at.at[i].number : 0, true, f);
	for (; i < p->at.len; i++)
		picture_list_add(&l, p->at.at[i].number, p->at.at[i].width, p->at.at[i].height);
	if (ended)
		fputs("#EXT-X-ENDLIST\n", f);
}
