/* slice-headers: how long the header of each slice of an H.264 stream (Annex B, on standard input) is in bytes, as encryption
 * sees it, without what emulation prevention put in; 0 where that is not known. A line each. */
#include "cmaf/avc.h"

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

int main(void)
{
	static uint8_t data[16 << 20];
	size_t n = fread(data, 1, sizeof(data), stdin);
	struct avc_sets *sets = calloc(1, sizeof(*sets));
	const uint8_t *p = data;
	struct nal nal;

	while (sets && nal_next(&p, data + n, &nal)) {
		int type = avc_type(&nal);

		if (type == NAL_SPS || type == NAL_PPS)
			avc_sets_read(sets, nal.p - 3, nal.n + 3);
		if (type == NAL_SLICE || type == NAL_IDR)
			printf("%zu\n", without_prevention(nal.p, avc_slice_header(sets, &nal)));
	}
	free(sets);
	return 0;
}
