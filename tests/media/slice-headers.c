/* slice-headers avc | hevc | av1 | vp9: how long the header of each slice of an H.264 or HEVC stream (Annex B, on standard input), or
 * of each frame of an AV1 or VP9 stream (IVF), is in bytes, as encryption sees it, without what emulation prevention put in; 0 where
 * that is not known. A line each. */
#include "cmaf/av1.h"
#include "cmaf/avc.h"
#include "cmaf/hevc.h"
#include "cmaf/vp9.h"

static size_t without_prevention(const uint8_t *p, size_t n)
{
	size_t zeros = 0, left = n;

	for (size_t i = 0; i < n; i++) {
		bool added = zeros >= 2 && p[i] == 3;

		left -= added;
		zeros = p[i] || added ? 0 : zeros + 1;
	}
	return left;
}

/* False: it is no slice. */
static bool avc_header(void *sets, const struct nal *nal, size_t *out)
{
	int type = avc_type(nal);

	if (type == NAL_SPS || type == NAL_PPS)
		avc_sets_read(sets, nal->p - 3, nal->n + 3);
	*out = avc_slice_header(sets, nal);
	return type == NAL_SLICE || type == NAL_IDR;
}

static bool hevc_header(void *sets, const struct nal *nal, size_t *out)
{
	int type = hevc_type(nal);

	if (type == HEVC_SPS || type == HEVC_PPS)
		hevc_sets_read(sets, nal->p - 3, nal->n + 3);
	*out = hevc_slice_header(sets, nal);
	return type < HEVC_VPS;
}

static void slices(const uint8_t *p, size_t n, bool hevc)
{
	void *sets = calloc(1, MAX(sizeof(struct avc_sets), sizeof(struct hevc_sets)));
	const uint8_t *end = p + n;
	struct nal nal;
	size_t header;

	while (sets && nal_next(&p, end, &nal))
		if ((hevc ? hevc_header : avc_header)(sets, &nal, &header))
			printf("%zu\n", without_prevention(nal.p, header));
	free(sets);
}

/* From the unit's own head on; that the tiles can be found behind it is checked too. */
static void av1_unit(struct av1_state *s, const struct obu *o)
{
	struct subsamples runs = {0};
	size_t n = 0;
	int rc;

	if (o->type == OBU_FRAME || (o->type == OBU_FRAME_HEADER && !s->pending)) {
		struct av1_state *copy = malloc(sizeof(*copy));

		*copy = *s;
		n = av1_frame_header(copy, o);
		printf("%zu\n", n ? n + (o->n - o->body_n) : 0);
		free(copy);
	}
	rc = av1_subsamples(s, o->p, o->n, &runs);
	if (rc || (o->type == OBU_FRAME && !runs.len))
		printf("tiles: %d\n", rc);
	vec_free(&runs);
}

static void vp9_frames(struct vp9_refs *refs, const uint8_t *p, size_t n)
{
	struct subsamples runs = {0};
	size_t sum = 0, at = 0;
	struct vp9_refs copy = *refs;
	int rc = vp9_subsamples(refs, p, n, &runs);

	/* A superframe has as many runs as frames, but for those that only show another. */
	for (size_t i = 0; i < runs.len; i++) {
		size_t header = vp9_frame_header(&copy, p + sum, n - sum);

		if (runs.at[i].encrypted)
			printf("%zu\n", header);
		else if (runs.at[i].clear == 1)
			printf("1\n");
		sum += runs.at[i].clear + runs.at[i].encrypted;
		at += runs.at[i].encrypted & 15;
	}
	if (rc || sum != n || at)
		printf("runs: %d\n", rc);
	vec_free(&runs);
}

static void frames(const uint8_t *p, size_t n, bool av1)
{
	void *state = calloc(1, MAX(sizeof(struct av1_state), sizeof(struct vp9_refs)));
	const uint8_t *end = p + n;

	for (p += 32; state && end - p > 12;) {
		size_t size = p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
		const uint8_t *at = p += 12;
		struct obu o;

		p += size;
		if (!av1)
			vp9_frames(state, at, size);
		while (av1 && obu_next(&at, p, &o))
			av1_unit(state, &o);
	}
	free(state);
}

int main(int argc, char **argv)
{
	static uint8_t data[16 << 20];
	size_t n = fread(data, 1, sizeof(data), stdin);
	const char *codec = argc > 1 ? argv[1] : "";

	if (!strcmp(codec, "avc") || !strcmp(codec, "hevc"))
		slices(data, n, *codec == 'h');
	else
		frames(data, n, !strcmp(codec, "av1"));
	return 0;
}
