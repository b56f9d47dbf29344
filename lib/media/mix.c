#include "media/mix.h"

#include <errno.h>
#include <math.h>

#define HALF_POWER M_SQRT1_2

/* The places of 5.1, in the order of a rendition's channels. */
enum { L, R, C, LFE, LS, RS };

static int parse_term(struct mix_term *t, const char *text)
{
	int64_t n;

	*t = (struct mix_term){.place = av_channel_from_string(text)};
	if ((int)t->place >= 0 && text[0] >= 'A' && text[0] <= 'Z')
		return 0;
	t->place = AV_CHAN_NONE;
	if (num_int(text, &n) || n < 0 || n >= MIX_IN_MAX)
		return -EINVAL;
	t->number = (int)n;
	return 0;
}

static int parse_pick(struct mix_pick *p, char *text, char *err)
{
	char *save = NULL;

	p->terms = 0;
	for (char *t = strtok_r(text, "+", &save); t; t = strtok_r(NULL, "+", &save)) {
		if (p->terms == MIX_TERMS_MAX || parse_term(&p->term[p->terms], t))
			return mav_say(err, "%.20s is no channel: FL, FR, FC, LFE, BL, 0, 1 ...",
				       t),
			       -EINVAL;
		p->terms++;
	}
	return p->terms ? 0 : (mav_say(err, "a channel of the map has no source"), -EINVAL);
}

int mix_parse(struct mix_map *m, const char *text, char *err)
{
	char copy[256], *save = NULL;
	int rc;

	*m = (struct mix_map){0};
	str_copy(copy, sizeof(copy), text);
	for (char *p = copy; (p = strtok_r(p, ", ", &save)); p = NULL) {
		if (m->picks == MIX_OUT_MAX)
			return mav_say(err, "a map has 1, 2 or 6 channels"), -EINVAL;
		if ((rc = parse_pick(&m->pick[m->picks++], p, err)))
			return rc;
	}
	if (m->picks == 1 || m->picks == 2 || m->picks == 6)
		return 0;
	return mav_say(err, "a map has 1, 2 or 6 channels, not %d", m->picks), -EINVAL;
}

AVChannelLayout mix_layout(int channels)
{
	if (channels == 1)
		return (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
	if (channels == 6)
		return (AVChannelLayout)AV_CHANNEL_LAYOUT_5POINT1_BACK;
	return (AVChannelLayout)AV_CHANNEL_LAYOUT_STEREO;
}

/* ---- by a map ---- */

static int find(const struct mix_term *t, const AVChannelLayout *in)
{
	if (t->place == AV_CHAN_NONE)
		return t->number < in->nb_channels ? t->number : -1;
	int at = av_channel_layout_index_from_channel(in, t->place);
	return at < 0 && in->nb_channels == 1 ? 0 : at;
}

static bool pick(double *row, const struct mix_pick *p, const AVChannelLayout *in)
{
	int found = 0;

	for (int i = 0; i < p->terms; i++)
		found += find(&p->term[i], in) >= 0;
	for (int i = 0; i < p->terms; i++) {
		int at = find(&p->term[i], in);

		if (at >= 0)
			row[at] += 1.0 / found;
	}
	return found;
}

/* ---- by the standard ---- */

/* What a channel of the source is in 5.1. */
static void place(double to[6], enum AVChannel c, const AVChannelLayout *in)
{
	bool both = av_channel_layout_index_from_channel(in, AV_CHAN_BACK_LEFT) >= 0 &&
		    av_channel_layout_index_from_channel(in, AV_CHAN_SIDE_LEFT) >= 0;

	switch ((int)c) {
	case AV_CHAN_FRONT_LEFT:
	case AV_CHAN_STEREO_LEFT:
		to[L] = 1;
		break;
	case AV_CHAN_FRONT_RIGHT:
	case AV_CHAN_STEREO_RIGHT:
		to[R] = 1;
		break;
	case AV_CHAN_FRONT_CENTER:
		to[C] = 1;
		break;
	case AV_CHAN_FRONT_LEFT_OF_CENTER:
		to[L] = to[C] = HALF_POWER;
		break;
	case AV_CHAN_FRONT_RIGHT_OF_CENTER:
		to[R] = to[C] = HALF_POWER;
		break;
	case AV_CHAN_LOW_FREQUENCY:
		to[LFE] = 1;
		break;
	case AV_CHAN_BACK_LEFT:
	case AV_CHAN_SIDE_LEFT:
		to[LS] = both ? HALF_POWER : 1;
		break;
	case AV_CHAN_BACK_RIGHT:
	case AV_CHAN_SIDE_RIGHT:
		to[RS] = both ? HALF_POWER : 1;
		break;
	case AV_CHAN_BACK_CENTER:
		to[LS] = to[RS] = HALF_POWER;
		break;
	}
}

static void fold(double *out, int channels, int i, const double at[6])
{
	double left = at[L] + HALF_POWER * (at[C] + at[LS]),
	       right = at[R] + HALF_POWER * (at[C] + at[RS]);

	if (channels == 1)
		out[i] = HALF_POWER * (at[L] + at[R]) + at[C] + 0.5 * (at[LS] + at[RS]);
	for (int o = 0; channels == 6 && o < 6; o++)
		out[o * MIX_IN_MAX + i] = at[o];
	if (channels == 2) {
		out[i] = left;
		out[MIX_IN_MAX + i] = right;
	}
}

static void standard(double *out, int channels, const AVChannelLayout *in)
{
	for (int i = 0; i < in->nb_channels && i < MIX_IN_MAX; i++) {
		double at[6] = {0};

		place(at, av_channel_layout_channel_from_index(in, (unsigned)i), in);
		fold(out, channels, i, at);
	}
}

bool mix_matrix(double out[MIX_OUT_MAX * MIX_IN_MAX], int channels, const struct mix_map *m,
		const AVChannelLayout *in)
{
	const size_t size = MIX_OUT_MAX * MIX_IN_MAX * sizeof(double);
	bool follows = true;

	memset(out, 0, size);
	for (int o = 0; o < m->picks; o++)
		follows &= pick(out + o * MIX_IN_MAX, &m->pick[o], in);
	if (m->picks && follows)
		return true;
	memset(out, 0, size);
	standard(out, channels, in);
	return !m->picks;
}
