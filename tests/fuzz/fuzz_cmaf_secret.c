/* A key file and a key server's answer of any bytes; parameter sets and slices of H.264 of any bytes, as encryption reads
 * them: what is left clear and what is encrypted is the sample, all of it and no more. */
#include <assert.h>

#include "cmaf/avc.h"
#include "cmaf/coder.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct avc_sets sets;
	struct subsamples subs = {0};
	size_t sum = 0;

	read_keys(data, n);
	memset(&sets, 0, sizeof(sets));
	avc_sets_read(&sets, data, n);
	if (!avc_subsamples(&sets, data, n, &subs)) {
		for (size_t i = 0; i < subs.len; i++)
			sum += subs.at[i].clear + subs.at[i].encrypted;
		assert(sum == coder_avc.size(data, n));
		assert(subs.len <= SUBSAMPLES_MAX);
	}
	free(subs.at);
	return 0;
}
