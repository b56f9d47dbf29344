#include "media/codec.h"

#include <stdio.h>

static void tell_x264(AVDictionary **o, const struct rung *r)
{
	av_dict_set(o, "preset", *r->preset ? r->preset : "veryfast", 0);
	av_dict_set(o, "tune", "zerolatency", 0);
	av_dict_set(o, "profile", "high", 0);
	av_dict_set(o, "forced-idr", "1", 0);
	av_dict_set(o, "x264-params", "keyint=infinite:scenecut=0:open-gop=0", 0);
}

static void tell_x265(AVDictionary **o, const struct rung *r)
{
	av_dict_set(o, "preset", *r->preset ? r->preset : "veryfast", 0);
	av_dict_set(o, "tune", "zerolatency", 0);
	av_dict_set(o, "forced-idr", "1", 0);
	av_dict_set(o, "x265-params",
		    "keyint=-1:scenecut=0:open-gop=0:pools=none:frame-threads=1:log-level=error",
		    0);
}

/* Not SVT-AV1 1.4: even for low delay and with no lookahead it holds two frames back (tried with its output asked for all the time;
 * libaom: none), and takes no key frames at our word there ("only supported with RA CRF/CQP mode"). */
static void tell_aom(AVDictionary **o, const struct rung *r)
{
	av_dict_set(o, "usage", "realtime", 0);
	av_dict_set_int(o, "cpu-used", 8 - rung_effort(r) / 2, 0);
	av_dict_set(o, "lag-in-frames", "0", 0);
}

static void tell_vpx(AVDictionary **o, const struct rung *r)
{
	av_dict_set(o, "deadline", "realtime", 0);
	av_dict_set_int(o, "cpu-used", 9 - MAX(rung_effort(r), 1), 0);
	av_dict_set(o, "lag-in-frames", "0", 0);
}

static void tell_nvenc(AVDictionary **o, const struct rung *r)
{
	char preset[8];

	snprintf(preset, sizeof(preset), "p%d", (1 + rung_effort(r) * 6 / 8) & 7);
	av_dict_set(o, "preset", preset, 0);
	av_dict_set(o, "tune", "ull", 0);
	av_dict_set(o, "rc", "cbr", 0);
	av_dict_set(o, "forced-idr", "1", 0);
	av_dict_set(o, "zerolatency", "1", 0);
	av_dict_set(o, "no-scenecut", "1", 0);
}

/* The presets of x264 as steps of another encoder, 1 for the best. */
static int step(const struct rung *r, int fastest)
{
	return fastest - rung_effort(r) * (fastest - 1) / 8;
}

static void tell_qsv(AVDictionary **o, const struct rung *r)
{
	av_dict_set_int(o, "preset", step(r, 7), 0);
	av_dict_set(o, "forced_idr", "1", 0);
	av_dict_set(o, "async_depth", "1", 0);
	av_dict_set(o, "look_ahead", "0", 0);
}

/* It makes a key frame of each I picture, and CBR of a maximum that is the rate; what "quality" means is the driver's. */
static void tell_vaapi(AVDictionary **o, const struct rung *r)
{
	av_dict_set(o, "async_depth", "1", 0);
}

static const struct codec codecs[] = {
    {"h264", "libx264", "h264", MEDIA_H264, tell_x264, NULL, CARD_NOTHING},
    {"hevc", "libx265", "hevc", MEDIA_HEVC, tell_x265, NULL, CARD_NOTHING},
    {"av1", "libaom-av1", "av1", MEDIA_AV1, tell_aom, NULL, CARD_NOTHING},
    {"vp9", "libvpx-vp9", "vp9", MEDIA_VP9, tell_vpx, NULL, CARD_NOTHING},
    {"h264_nvenc", "h264_nvenc", "h264", MEDIA_H264, tell_nvenc, "h264", CARD_NOTHING},
    {"hevc_nvenc", "hevc_nvenc", "hevc", MEDIA_HEVC, tell_nvenc, "hevc", CARD_NOTHING},
    {"h264_qsv", "h264_qsv", "h264", MEDIA_H264, tell_qsv, "h264", CARD_NV12},
    {"hevc_qsv", "hevc_qsv", "hevc", MEDIA_HEVC, tell_qsv, "hevc", CARD_NV12},
    {"h264_vaapi", "h264_vaapi", "h264", MEDIA_H264, tell_vaapi, "h264", CARD_MEMORY},
    {"hevc_vaapi", "hevc_vaapi", "hevc", MEDIA_HEVC, tell_vaapi, "hevc", CARD_MEMORY},
};

const struct codec *codec_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
		if (!strcmp(codecs[i].name, name))
			return &codecs[i];
	return &codecs[0];
}
