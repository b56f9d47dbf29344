/* Tokens and lists of networks, and tokens handed on to the addresses of playlists. */
#include "unit.h"

#include <errno.h>

#include "../../cmd/gex-package/inherit.c"
#include "crypt/crypt.h"

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define OPENSSL_SAYS "43e26f1df7cfdc3b5bc02797f981cffeeb9f7c496550bfefa8a991bcd35914bd"
#define KEYS "# two, for roll-over\na " KEY_A "\nb " KEY_B "\n"

static char made[ACCESS_TOKEN_MAX];

/* text, signed by the key. */
static const char *sign(const char *key, const char *text)
{
	uint8_t secret[CRYPT_KEY_LEN], mac[CRYPT_MAC_LEN];
	struct crypt_mac *m;

	assert_int_equal(num_hex(key, secret, sizeof(secret)), 0);
	assert_int_equal(crypt_mac_create(secret, sizeof(secret), &m), 0);
	assert_true(crypt_mac(m, text, strlen(text), mac));
	crypt_mac_destroy(m);
	int n = snprintf(made, sizeof(made), "%s~", text);
	for (size_t i = 0; i < sizeof(mac); i++)
		n += snprintf(made + n, sizeof(made) - (size_t)n, "%02x", mac[i]);
	return made;
}

static struct access *with(const char *keys, const char *allow, const char *deny)
{
	struct access *a;
	char err[HTTP_ERR];

	assert_int_equal(access_create(&a, keys, allow, deny, err), 0);
	return a;
}

static enum access_verdict judge(struct access *a, const char *token, const char *path,
				 const char *ip)
{
	struct net_addr peer;

	assert_int_equal(net_addr_parse_ip(ip, &peer), 0);
	return access_check_token(a, token, path, &peer, 1000);
}

/* What `printf %s 'a~2000~/live/~' | openssl dgst -sha256 -mac HMAC -macopt hexkey:...` says. */
static void test_as_openssl(void **state)
{
	struct access *a = with(KEYS, NULL, NULL);

	assert_int_equal(judge(a, "a~2000~/live/~~" OPENSSL_SAYS, "/live/x", "192.0.2.1"),
			 ACCESS_OK);
	access_destroy(a);
}

/* A token of that text, signed by the key. */
struct row {
	enum access_verdict verdict;
	const char *key, *text, *path, *ip;
};

static void verdicts(const struct row *row, size_t n)
{
	struct access *a = with(KEYS, NULL, NULL);

	for (size_t i = 0; i < n; i++) {
		enum access_verdict v =
		    judge(a, sign(row[i].key, row[i].text), row[i].path, row[i].ip);

		if (v != row[i].verdict)
			fail_msg("%zu: %d, not %d: %s %s", i, v, row[i].verdict, row[i].text,
				 row[i].path);
	}
	access_destroy(a);
}

static void test_tokens(void **state)
{
	static const struct row rows[] = {
	    {ACCESS_OK, KEY_A, "a~2000~/live/~", "/live/index.m3u8", "192.0.2.1"},
	    {ACCESS_OK, KEY_B, "b~2000~/live/~", "/live/index.m3u8", "192.0.2.1"},
	    {ACCESS_FORGED, KEY_B, "a~2000~/live/~", "/live/", "192.0.2.1"},
	    {ACCESS_FORGED, KEY_A, "c~2000~/live/~", "/live/", "192.0.2.1"},
	    {ACCESS_EXPIRED, KEY_A, "a~1000~/live/~", "/live/", "192.0.2.1"},
	    {ACCESS_OK, KEY_A, "a~1001~/live/~", "/live/", "192.0.2.1"},
	    {ACCESS_FORGED, KEY_A, "a~never~/live/~", "/live/", "192.0.2.1"},
	    {ACCESS_FORGED, KEY_A, "a~2000~/live/", "/live/", "192.0.2.1"},
	};

	verdicts(rows, ARRAY_LEN(rows));
}

static void test_forged(void **state)
{
	struct access *a = with(KEYS, NULL, NULL);

	assert_int_equal(judge(a, "", "/", "192.0.2.1"), ACCESS_FORGED);
	assert_int_equal(judge(a, "a~2000~/~~", "/", "192.0.2.1"), ACCESS_FORGED);
	/* Each character counts. */
	sign(KEY_A, "a~2000~/live/~");
	for (size_t i = 0; made[i]; i++) {
		made[i] ^= 1;
		assert_int_equal(judge(a, made, "/live/", "192.0.2.1"), ACCESS_FORGED);
		made[i] ^= 1;
	}
	assert_int_equal(judge(a, made, "/live/", "192.0.2.1"), ACCESS_OK);
	access_destroy(a);
}

static void test_paths(void **state)
{
	static const struct row rows[] = {
	    {ACCESS_OK, KEY_A, "a~2000~/live~", "/live", "192.0.2.1"},
	    {ACCESS_OK, KEY_A, "a~2000~/live~", "/live/720p/1.m4s", "192.0.2.1"},
	    {ACCESS_PATH, KEY_A, "a~2000~/live~", "/live2/720p/1.m4s", "192.0.2.1"},
	    {ACCESS_PATH, KEY_A, "a~2000~/live~", "/", "192.0.2.1"},
	    {ACCESS_OK, KEY_A, "a~2000~/~", "/anything", "192.0.2.1"},
	    {ACCESS_PATH, KEY_A, "a~2000~~", "/", "192.0.2.1"},
	};

	verdicts(rows, ARRAY_LEN(rows));
}

static void test_networks(void **state)
{
	static const struct row rows[] = {
	    {ACCESS_OK, KEY_A, "a~2000~/~192.0.2.0/24", "/", "192.0.2.9"},
	    {ACCESS_NETWORK, KEY_A, "a~2000~/~192.0.2.0/24", "/", "192.0.3.9"},
	    {ACCESS_NETWORK, KEY_A, "a~2000~/~192.0.2.0/24", "/", "::1"},
	    {ACCESS_OK, KEY_A, "a~2000~/~2001:db8::1", "/", "2001:db8::1"},
	    {ACCESS_NETWORK, KEY_A, "a~2000~/~nonsense", "/", "192.0.2.9"},
	};

	verdicts(rows, ARRAY_LEN(rows));
}

static enum access_verdict from(struct access *a, const char *ip)
{
	struct net_addr peer = {0};
	struct http_request r = {.path = "/", .query = "", .addr = &peer};
	char token[ACCESS_TOKEN_MAX];

	if (ip)
		assert_int_equal(net_addr_parse_ip(ip, &peer), 0);
	return access_check(a, &r, 1000, token);
}

static void test_lists(void **state)
{
	struct access *a = with(NULL, "192.0.2.0/24, 2001:db8::/32", "192.0.2.66");

	assert_int_equal(from(a, "192.0.2.1"), ACCESS_OK);
	assert_int_equal(from(a, "2001:db8::5"), ACCESS_OK);
	assert_int_equal(from(a, "192.0.2.66"), ACCESS_ADDRESS);
	assert_int_equal(from(a, "198.51.100.1"), ACCESS_ADDRESS);
	assert_int_equal(from(a, NULL), ACCESS_OK); /* a UNIX socket */
	access_destroy(a);
	a = with(NULL, NULL, "10.0.0.0/8");
	assert_int_equal(from(a, "10.1.2.3"), ACCESS_ADDRESS);
	assert_int_equal(from(a, "192.0.2.1"), ACCESS_OK);
	access_destroy(a);
}

static void test_mistakes(void **state)
{
	struct access *a;
	char err[HTTP_ERR];

	assert_int_equal(access_create(&a, "a 1234\n", NULL, NULL, err), -EINVAL);
	assert_string_equal(err, "line 1: not a key; it is NAME and 64 hex digits");
	assert_null(a);
	assert_int_equal(access_create(&a, "a " KEY_A "\na " KEY_B "\n", NULL, NULL, err), -EEXIST);
	assert_int_equal(access_create(&a, "", NULL, NULL, err), -EINVAL);
	assert_int_equal(access_create(&a, NULL, "10.0.0.1/8", NULL, err), -EINVAL);
	assert_string_equal(err, "'10.0.0.1/8' is no address or network, like 192.0.2.0/24");
	access_destroy(NULL);
}

static void inherits(const char *text, bool mpd, const char *want)
{
	struct buf *from = buf_copy(text, strlen(text)), *b = text_inherit(from, "T~1", mpd);

	assert_non_null(b);
	assert_int_equal(b->len, strlen(want));
	assert_memory_equal(b->data, want, b->len);
	buf_unref(from);
	buf_unref(b);
}

static void test_inherit(void **state)
{
	inherits("#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:1,\n1.m4s\n"
		 "#EXT-X-PART:DURATION=1,URI=\"2.0.m4s\",INDEPENDENT=YES\n\nx?a=1\n",
		 false,
		 "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4?token=T~1\"\n#EXTINF:1,\n1.m4s?token=T~1\n"
		 "#EXT-X-PART:DURATION=1,URI=\"2.0.m4s?token=T~1\",INDEPENDENT=YES\n\nx?a=1&token="
		 "T~1\n");
	inherits("last.m4s", false, "last.m4s?token=T~1");
	inherits("", false, "");
	inherits("<A initialization=\"i.mp4\" media=\"$Number$.m4s\"/><Role "
		 "value=\"main\"/><UTCTiming value=\"/l/time\"/>",
		 true,
		 "<A initialization=\"i.mp4?token=T~1\" media=\"$Number$.m4s?token=T~1\"/><Role "
		 "value=\"main\"/>"
		 "<UTCTiming value=\"/l/time?token=T~1\"/>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_as_openssl), cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_forged),     cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_networks),   cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_mistakes),   cmocka_unit_test(test_inherit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
