#include "media/ladder.h"

#include <errno.h>
#include <stdio.h>

#define SIDE_MIN 16
#define SIDE_MAX 7680
#define FPS_MAX 240
#define RATE_MIN 100000 /* of what is chosen here */
#define FITTING 4	/* rungs of an automatic ladder */

static const int heights[] = {1080, 720, 480, 360, 240, 144};

static const char *const presets[] = {"ultrafast", "superfast", "veryfast", "faster",  "fast",
				      "medium",	   "slow",	"slower",   "veryslow"};

static const char *const codecs[] = {"h264",	   "hevc",	 "av1",	     "vp9",
				     "h264_nvenc", "hevc_nvenc", "h264_qsv", "hevc_qsv",
				     "h264_vaapi", "hevc_vaapi"};

static int bad(char *err, const char *what, const char *text)
{
	snprintf(err, MEDIA_ERR, "%s: %.100s", what, text);
	return -EINVAL;
}

int rung_set_size(struct rung *r, const char *text, char *err)
{
	int w, h, used = 0;

	if (sscanf(text, "%5dx%5d%n", &w, &h, &used) != 2 || text[used])
		return bad(err, "not a size like 1280x720", text);
	if (w < SIDE_MIN || h < SIDE_MIN || w > SIDE_MAX || h > SIDE_MAX || w % 2 || h % 2)
		return bad(err, "sizes are even and from 16 to 7680", text);
	r->width = w;
	r->height = h;
	return 0;
}

int rung_set_preset(struct rung *r, const char *text, char *err)
{
	for (size_t i = 0; i < ARRAY_LEN(presets); i++) {
		if (!strcmp(presets[i], text)) {
			str_copy(r->preset, sizeof(r->preset), text);
			return 0;
		}
	}
	return bad(err, "no preset (ultrafast to veryslow)", text);
}

int rung_effort(const struct rung *r)
{
	for (size_t i = 0; i < ARRAY_LEN(presets); i++)
		if (!strcmp(presets[i], *r->preset ? r->preset : "veryfast"))
			return (int)i;
	return 0;
}

int rung_set_codec(struct rung *r, const char *text, char *err)
{
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
		if (!strcmp(codecs[i], text)) {
			str_copy(r->codec, sizeof(r->codec), text);
			return 0;
		}
	}
	return bad(err, "no codec (h264 hevc av1 vp9, or h264_ and hevc_ with nvenc qsv vaapi)",
		   text);
}

int rung_set_fps(struct rung *r, const char *text, char *err)
{
	struct ratio fps;

	if (num_ratio(text, &fps) || fps.num > FPS_MAX * fps.den || fps.num < fps.den)
		return bad(err, "not a frame rate from 1 to 240", text);
	r->fps = fps;
	return 0;
}

static int set_option(struct rung *r, const char *text, char *err)
{
	int64_t rate;

	if (str_starts(text, "preset="))
		return rung_set_preset(r, text + 7, err);
	if (str_starts(text, "codec="))
		return rung_set_codec(r, text + 6, err);
	if (num_rate(text, &rate))
		return bad(err, "neither a bit rate nor preset=, codec=", text);
	if (rate < 10000 || rate > INT64_C(200000000))
		return bad(err, "bit rates are from 10k to 200M", text);
	r->bitrate = rate;
	return 0;
}

/* 720p, 720p60. */
static int set_preset_name(struct rung *r, const char *text, char *err)
{
	for (size_t i = 0; i < ARRAY_LEN(heights); i++) {
		char name[16];
		int n = snprintf(name, sizeof(name), "%dp", heights[i]);

		if (strncmp(text, name, (size_t)n) || (text[n] && strcmp(text + n, "60")))
			continue;
		r->height = heights[i];
		if (text[n])
			r->fps = (struct ratio){60, 1};
		str_copy(r->name, sizeof(r->name), text);
		return 0;
	}
	return bad(err,
		   "no preset (1080p 720p 480p 360p 240p 144p, with 60) and no NAME=WxH@FPS,RATE",
		   text);
}

static int set_name(struct rung *r, const char *text, size_t n, char *err)
{
	if (!n || n >= sizeof(r->name) ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") < n)
		return bad(err, "names are 1 to 31 letters, digits, - _ .", text);
	memcpy(r->name, text, n);
	return 0;
}

static int set_shape(struct rung *r, char *text, char *err)
{
	char *at = strchr(text, '@');
	int rc = 0;

	if (at)
		*at++ = 0;
	if (*text)
		rc = rung_set_size(r, text, err);
	return !rc && at ? rung_set_fps(r, at, err) : rc;
}

int rung_parse(struct rung *r, const char *text, char *err)
{
	char copy[128], *rest = copy;

	*r = (struct rung){.fps = {0, 1}};
	if (!str_copy(copy, sizeof(copy), text))
		return bad(err, "too long", text);
	char *first = strsep(&rest, ","), *is = strchr(first, '=');
	int rc;
	r->copy = !strcmp(is ? is + 1 : first, "copy");
	r->automatic = !strcmp(first, "auto");
	if (r->copy && rest)
		return bad(err, "copy has no settings", text);
	if (is || r->copy || r->automatic) {
		rc = set_name(r, first, is ? (size_t)(is - first) : strlen(first), err);
		if (!rc && !r->copy && !r->automatic)
			rc = set_shape(r, is + 1, err);
	} else {
		rc = set_preset_name(r, first, err);
	}
	for (char *o; !rc && (o = strsep(&rest, ","));)
		rc = set_option(r, o, err);
	return rc;
}

/* 0.1 bit a pixel and frame at 720p30, more for small pictures; 60 frames cost half as much again. */
int64_t ladder_bitrate(int width, int height, struct ratio fps)
{
	static const struct {
		int pixels;
		int64_t rate;
	} points[] = {{256 * 144, 200000},     {426 * 240, 400000},    {640 * 360, 800000},
		      {854 * 480, 1400000},    {1280 * 720, 2800000},  {1920 * 1080, 5000000},
		      {3840 * 2160, 14000000}, {7680 * 4320, 40000000}};
	int pixels = width * height;
	size_t i = 0;

	while (i + 2 < ARRAY_LEN(points) && points[i + 1].pixels < pixels)
		i++;
	int64_t rate = points[i].rate + (points[i + 1].rate - points[i].rate) *
					    (pixels - points[i].pixels) /
					    (points[i + 1].pixels - points[i].pixels);
	rate = MAX(rate, RATE_MIN);
	return fps.num > 40 * fps.den ? rate * 3 / 2 : rate;
}

/* What a codec needs of the bits of H.264 for the same picture, in per cent. */
static int need(enum media_codec codec)
{
	return codec == MEDIA_AV1 ? 55 : codec == MEDIA_HEVC || codec == MEDIA_VP9 ? 65 : 100;
}

static enum media_codec codec_of(const struct rung *r)
{
	return str_starts(r->codec, "hevc") ? MEDIA_HEVC
	       : !strcmp(r->codec, "av1")   ? MEDIA_AV1
	       : !strcmp(r->codec, "vp9")   ? MEDIA_VP9
					    : MEDIA_H264;
}

static int even(int64_t v)
{
	return (int)MAX((v + 1) / 2 * 2, SIDE_MIN);
}

void rung_fit(struct rung *r, const struct media_track *source)
{
	if (!r->height)
		r->height = even(source->height);
	if (!r->width)
		r->width = 2 * (int)base_scale((int64_t)r->height * source->width, source->sar.num,
					       2 * source->height * source->sar.den);
	r->width = MAX(r->width, SIDE_MIN);
	r->width = MIN(r->width, SIDE_MAX);
	if (!r->fps.num)
		r->fps = source->fps.num ? source->fps : (struct ratio){30, 1};
	if (!r->bitrate)
		r->bitrate = ladder_bitrate(r->width, r->height, r->fps) * need(codec_of(r)) / 100;
}

/* Well above the next preset below it, and not above all of them. */
static bool between_rungs(int height)
{
	for (size_t i = 0; i < ARRAY_LEN(heights); i++)
		if (height + 8 >= heights[i])
			return i > 0 && height > heights[i] * 9 / 8;
	return true;
}

int ladder_share(const struct media_track *source)
{
	static const int steps[] = {35, 50, 75};
	int64_t usual =
	    ladder_bitrate(source->width, source->height, source->fps) * need(source->codec) / 100;

	for (size_t i = 0; source->bitrate && i < ARRAY_LEN(steps); i++)
		if (source->bitrate <= usual * steps[i] / 100)
			return steps[i];
	return 100;
}

static bool is_named(const struct rung *r, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(r[i].name, name))
			return true;
	return false;
}

/* One that suits the source, with the settings of the automatic one. Returns how many there are then. */
static int add_fitting(struct rung *out, int n, const struct rung *like, int height,
		       const struct media_track *source)
{
	struct rung r = *like;
	/* A source of 1088 or 716 lines is meant to be 1080 or 720. */
	int lines = height ? height : source->height;

	r.automatic = false;
	r.bitrate = 0;
	r.height = height;
	snprintf(r.name, sizeof(r.name), "%dp", lines);
	if (n == LADDER_MAX || is_named(out, n, r.name))
		return n;
	r.fps = source->fps;
	if (lines < 720 && r.fps.num > 40 * r.fps.den)
		r.fps.den *= 2;
	rung_fit(&r, source);
	r.bitrate = MAX(r.bitrate * ladder_share(source) / 100, RATE_MIN);
	out[n] = r;
	return n + 1;
}

/* The first gets at most so much, the others less in proportion. */
static void bound(struct rung *r, int n, int64_t most)
{
	int64_t top = n ? r->bitrate : 0;

	for (int i = 0; most && top > most && i < n; i++)
		r[i].bitrate = MAX(base_scale(r[i].bitrate, most, top), RATE_MIN);
}

static int add_all(struct rung *out, int n, const struct rung *like,
		   const struct media_track *source)
{
	int from = n, left = between_rungs(source->height) ? FITTING - 1 : FITTING;

	if (left < FITTING)
		n = add_fitting(out, n, like, 0, source);
	for (size_t i = 0; i < ARRAY_LEN(heights) && left; i++) {
		if (heights[i] > source->height + 8)
			continue;
		n = add_fitting(out, n, like, heights[i], source);
		left--;
	}
	bound(out + from, n - from, like->bitrate);
	return n;
}

int ladder_expand(struct rung out[LADDER_MAX], const struct rung *in, int n,
		  const struct media_track *source)
{
	static const struct rung automatic = {.fps = {0, 1}, .automatic = true};
	int made = 0;

	if (!n)
		return add_all(out, 0, &automatic, source);
	/* Those that are asked for by name come first where names are the same. */
	for (int i = 0; i < n; i++)
		if (!in[i].automatic)
			out[made++] = in[i];
	for (int i = 0; i < n; i++)
		if (in[i].automatic)
			made = add_all(out, made, &in[i], source);
	return made;
}
