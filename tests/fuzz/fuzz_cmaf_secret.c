/* A key file and a key server's answer of any bytes; parameters and pictures of any bytes, as encryption reads them, twice, for
 * what a picture leaves behind is read with the next: what is left clear and what is encrypted is the sample, all of it and no
 * more. */
#include <assert.h>

#include "cmaf/coder.h"
#include "cmaf/license.h"
#include "cmaf/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void read_keys(const uint8_t *data, size_t n)
{
	struct cmaf_secret s[8], one;
	char *text = str_ndup((const char *)data, n);
	int line, count = cmaf_secrets_parse(text, s, ARRAY_LEN(s), &line);

	assert(count <= (int)ARRAY_LEN(s) && count != 0 && line >= 0);
	for (int i = 1; i < count; i++)
		assert(memcmp(s[i].kid, s[0].kid, 16));
	free(text);
	if (!cmaf_secret_answer(data, n, &one) && n == 16)
		assert(!memcmp(one.key, data, 16));
}

static void split(const struct coder *c, const uint8_t *data, size_t n)
{
	void *sets = calloc(1, c->sets);

	if (c->learn)
		c->learn(sets, data, n);
	for (int turn = 0; turn < 2; turn++) {
		struct subsamples subs = {0};
		size_t sum = 0;

		if (!c->split(sets, data, n, &subs)) {
			for (size_t i = 0; i < subs.len; i++)
				sum += subs.at[i].clear + subs.at[i].encrypted;
			assert(sum == (c->size ? c->size(data, n) : n));
			assert(subs.len <= SUBSAMPLES_MAX);
		}
		free(subs.at);
	}
	free(sets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct coder *const coders[] = {&coder_avc, &coder_hevc, &coder_av1,
						     &coder_vp9};

	uint8_t kid[LICENSE_KIDS][16];

	assert(license_read((const char *)data, n, kid) <= LICENSE_KIDS);
	read_keys(data, n);
	for (size_t i = 0; i < ARRAY_LEN(coders); i++)
		split(coders[i], data, n);
	return 0;
}
