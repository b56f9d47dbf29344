/* A token of any bytes, a path and a time: nothing but what a key has signed opens anything. The lists and the key
 * file, from the same bytes. */
#include <assert.h>

#include "http/access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct access *a;
	struct net_addr peer = {.family = 4, .ip = {192, 0, 2, 1}};
	struct http_request r = {.path = "/live/x", .addr = &peer};
	char err[HTTP_ERR], token[ACCESS_TOKEN_MAX];
	struct access *b;

	if (!a)
		assert(!access_create(
		    &a, "k 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", NULL,
		    NULL, err));
	char *text = str_ndup((const char *)data, n);
	assert(access_check_token(a, text, "/live/x", &peer, 1000) != ACCESS_OK);
	if (!access_create(&b, NULL, text, text, err)) {
		r.query = text;
		access_check(b, &r, 1000, token);
		access_destroy(b);
	}
	if (!access_create(&b, text, NULL, NULL, err))
		access_destroy(b);
	free(text);
	return 0;
}
