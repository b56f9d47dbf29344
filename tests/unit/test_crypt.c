/* crypt: keys, seals, the replay window, and handshakes over memory: right key, wrong key, losses.
 */
#include "crypt/crypt.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char hex2[] = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

static void ring_of(struct crypt_ring *ring, const char *name, const char *digits)
{
	char text[200];
	int line;

	snprintf(text, sizeof(text), "%s %s\n", name, digits);
	assert_int_equal(crypt_ring_parse(ring, text, strlen(text), &line), 0);
}

static void test_ring(void **state)
{
	char text[400];
	struct crypt_ring ring;
	int line = -1;

	snprintf(text, sizeof(text), "# keys\n\n  %s \r\nsecond %s", hex, hex2);
	assert_int_equal(crypt_ring_parse(&ring, text, strlen(text), &line), 0);
	assert_int_equal(ring.n, 2);
	assert_int_equal(strlen(ring.key[0].name), 16);
	assert_int_equal(ring.key[0].secret[31], 0x1f);
	assert_string_equal(ring.key[1].name, "second");
	assert_int_equal(crypt_ring_find(&ring, "second")->secret[0], 0xff);
	assert_null(crypt_ring_find(&ring, "third"));
	assert_string_equal(ring.key[1].words, "");
	assert_false(crypt_key_same(&ring.key[0], &ring.key[1]));
	assert_true(crypt_key_same(&ring.key[0], &ring.key[0]));
}

static void test_ring_words(void **state)
{
	char text[1000];
	struct crypt_ring ring;
	int line = -1;

	snprintf(text, sizeof(text), "seoul %s web  game\t \n%s web\n", hex, hex2);
	assert_int_equal(crypt_ring_parse(&ring, text, strlen(text), &line), 0);
	assert_string_equal(ring.key[0].name, "seoul");
	assert_string_equal(ring.key[0].words, "web game");
	assert_true(crypt_key_has_word(&ring.key[0], "web"));
	assert_true(crypt_key_has_word(&ring.key[0], "game"));
	assert_false(crypt_key_has_word(&ring.key[0], "we"));
	assert_false(crypt_key_has_word(&ring.key[0], "web game"));
	assert_false(crypt_key_has_word(&ring.key[0], ""));
	assert_int_equal(strlen(ring.key[1].name), 16);
	assert_true(crypt_key_has_word(&ring.key[1], "web"));
	/* Two keys on a line are a mistake, and so is more than there is room for. */
	snprintf(text, sizeof(text), "%s %s", hex, hex2);
	assert_int_equal(crypt_ring_parse(&ring, text, strlen(text), &line), -EINVAL);
	snprintf(text, sizeof(text), "a %s %.60s %.60s %.60s %.60s %.12s", hex, hex, hex, hex, hex,
		 hex);
	assert_int_equal(crypt_ring_parse(&ring, text, strlen(text), &line), -EINVAL);
	snprintf(text, sizeof(text), "a %s %.60s %.60s %.60s %.60s %.11s", hex, hex, hex, hex, hex,
		 hex);
	assert_int_equal(crypt_ring_parse(&ring, text, strlen(text), &line), 0);
	assert_int_equal(strlen(ring.key[0].words), CRYPT_WORDS_MAX);
}

static void test_ring_bad(void **state)
{
	static const char *const bad[] = {
	    "",
	    "# only\n",
	    "abc",
	    "name\n",
	    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g",
	    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00",
	    "two words 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};
	static char text[CRYPT_RING_MAX * 100];
	struct crypt_ring ring;
	int line = -1;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(crypt_ring_parse(&ring, bad[i], strlen(bad[i]), &line), -EINVAL);
	snprintf(text, sizeof(text), "a %s\na %s\n", hex, hex2);
	assert_int_equal(crypt_ring_parse(&ring, text, strlen(text), &line), -EEXIST);
	assert_int_equal(line, 2);
	assert_int_equal(ring.n, 0);
	snprintf(text, sizeof(text), "a %s\nb %s\n", hex, hex);
	assert_int_equal(crypt_ring_parse(&ring, text, strlen(text), &line), -EEXIST);
	text[0] = '\0';
	for (int i = 0; i < CRYPT_RING_MAX + 1; i++)
		sprintf(text + strlen(text), "k%d %04x%s\n", i, (unsigned)i, hex + 4);
	assert_int_equal(crypt_ring_parse(&ring, text, strlen(text), &line), -E2BIG);
}

static void check_seal(enum crypt_suite suite)
{
	uint8_t secret[CRYPT_SECRET_LEN] = {1, 2, 3}, buf[100 + CRYPT_TAG_LEN], sealed[sizeof(buf)];
	struct crypt_seal *a, *b;

	assert_int_equal(crypt_seal_create(suite, secret, &a), 0);
	assert_int_equal(crypt_seal_create(suite, secret, &b), 0);
	for (uint64_t n = 0; n < 3; n++) {
		memset(buf, 'x', 100);
		assert_int_equal(crypt_seal(a, 1, n, "head", 4, buf, 100, buf), 0);
		assert_int_not_equal(buf[50], 'x');
		memcpy(sealed, buf, sizeof(buf));
		assert_int_equal(crypt_open(b, 1, n + 1, "head", 4, sealed, sizeof(buf), buf),
				 -EBADMSG);
		assert_int_equal(crypt_open(b, 2, n, "head", 4, sealed, sizeof(buf), buf),
				 -EBADMSG);
		assert_int_equal(crypt_open(b, 1, n, "haed", 4, sealed, sizeof(buf), buf),
				 -EBADMSG);
		assert_int_equal(crypt_open(b, 1, n, "head", 4, sealed, sizeof(buf) - 1, buf),
				 -EBADMSG);
		assert_int_equal(crypt_open(b, 1, n, "head", 4, sealed, 15, buf), -EBADMSG);
		assert_int_equal(crypt_open(b, 1, n, "head", 4, sealed, sizeof(buf), buf), 0);
		assert_int_equal(buf[0], 'x');
		assert_int_equal(buf[99], 'x');
	}
	crypt_seal_destroy(b);
	crypt_secret_next(secret);
	assert_int_equal(crypt_seal_create(suite, secret, &b), 0);
	assert_int_equal(crypt_open(b, 1, 2, "head", 4, sealed, sizeof(buf), buf), -EBADMSG);
	crypt_seal_destroy(a);
	crypt_seal_destroy(b);
}

static void test_seal(void **state)
{
	uint8_t secret[CRYPT_SECRET_LEN] = {0};
	struct crypt_seal *s = NULL;

	check_seal(CRYPT_AES128GCM);
	check_seal(CRYPT_CHACHA20POLY1305);
	assert_int_equal(crypt_seal_create((enum crypt_suite)9, secret, &s), -EINVAL);
	crypt_seal_destroy(NULL);
}

static void test_replay(void **state)
{
	struct crypt_replay r = {0};

	assert_false(crypt_replay_seen(&r, 0));
	crypt_replay_mark(&r, 0);
	assert_true(crypt_replay_seen(&r, 0));
	crypt_replay_mark(&r, 5000);
	assert_true(crypt_replay_seen(&r, 0)); /* too old to know */
	assert_true(crypt_replay_seen(&r, 5001 - CRYPT_REPLAY_BITS - 1));
	assert_false(crypt_replay_seen(&r, 5001 - CRYPT_REPLAY_BITS));
	assert_false(crypt_replay_seen(&r, 4999));
	crypt_replay_mark(&r, 4999);
	assert_true(crypt_replay_seen(&r, 4999));
	for (uint64_t n = 5001; n < 20000; n += 2) {
		assert_false(crypt_replay_seen(&r, n));
		crypt_replay_mark(&r, n);
		assert_true(crypt_replay_seen(&r, n));
		assert_false(crypt_replay_seen(&r, n - 1) && n > 5001);
	}
	crypt_replay_mark(&r, UINT64_C(1) << 40);
	assert_false(crypt_replay_seen(&r, (UINT64_C(1) << 40) - 1));
}

/* Both ends of a handshake and what lies between; lose: a mask over the datagrams sent. */
struct ends {
	struct crypt_shake *client, *server;
	struct crypt_gate *gate;
	uint64_t lose;
	unsigned sent;
	int client_status, server_status;
	size_t client_bytes, server_bytes;
	char seen_name[64];
};

static bool lost(struct ends *e)
{
	return e->sent < 64 && e->lose >> e->sent++ & 1;
}

static void to_server(struct ends *e)
{
	uint8_t buf[CRYPT_SHAKE_MAX], reply[CRYPT_SHAKE_MAX];
	size_t n, m;

	while ((n = crypt_shake_output(e->client, buf, sizeof(buf))) > 0) {
		e->client_bytes += n;
		if (lost(e))
			continue;
		if (e->server) {
			e->server_status = crypt_shake_input(e->server, buf, n);
			continue;
		}
		int r = crypt_gate_input(e->gate, "peer", 4, buf, n, reply, &m, &e->server, 0);

		assert_true(r >= 0);
		assert_true(m <= n);
		if (r == 1)
			e->server_status = crypt_shake_start(e->server);
		e->server_bytes += m;
		if (r == 0 && !lost(e))
			e->client_status = crypt_shake_input(e->client, reply, m);
	}
}

static void to_client(struct ends *e)
{
	uint8_t buf[CRYPT_SHAKE_MAX];
	size_t n;

	while (e->server && (n = crypt_shake_output(e->server, buf, sizeof(buf))) > 0) {
		e->server_bytes += n;
		if (!lost(e))
			e->client_status = crypt_shake_input(e->client, buf, n);
	}
}

static void shake_hands(struct ends *e, const struct crypt_ring *client,
			const struct crypt_ring *server)
{
	assert_int_equal(crypt_gate_create(server, &e->gate), 0);
	assert_int_equal(crypt_shake_create(&client->key[0], &e->client), 0);
	for (int turn = 0; turn < 60 && e->client_status == 0; turn++) {
		if (turn % 4 == 3) {
			crypt_shake_resend(e->client);
			if (e->server)
				crypt_shake_resend(e->server);
		}
		to_server(e);
		to_client(e);
	}
}

static void part(struct ends *e)
{
	crypt_shake_destroy(e->client);
	crypt_shake_destroy(e->server);
	crypt_gate_destroy(e->gate);
}

static void test_shake(void **state)
{
	struct crypt_ring ring, old;
	struct crypt_secrets a, b;

	ring_of(&ring, "one", hex);
	ring_of(&old, "two", hex2);
	ring.key[ring.n++] = old.key[0]; /* the server takes both */
	for (int i = 0; i < 2; i++) {
		struct ends e = {0};

		shake_hands(&e, i ? &old : &ring, &ring);
		assert_int_equal(e.client_status, 1);
		assert_int_equal(e.server_status, 1);
		assert_int_equal(crypt_shake_export(e.client, &a), 0);
		assert_int_equal(crypt_shake_export(e.server, &b), 0);
		assert_memory_equal(a.to_server, b.to_server, CRYPT_SECRET_LEN);
		assert_memory_equal(a.to_client, b.to_client, CRYPT_SECRET_LEN);
		assert_memory_not_equal(a.to_client, a.to_server, CRYPT_SECRET_LEN);
		assert_true(a.server_id == b.server_id && a.client_id == b.client_id);
		assert_int_equal(a.suite,
				 crypt_has_aes() ? CRYPT_AES128GCM : CRYPT_CHACHA20POLY1305);
		assert_string_equal(crypt_shake_key_name(e.server), i ? "two" : "one");
		assert_int_equal(e.sent, 6); /* each flight is one datagram */
		part(&e);
	}
}

/* Every pattern of losses among the first six datagrams ends in the same keys. */
static void test_shake_losses(void **state)
{
	struct crypt_ring ring;

	ring_of(&ring, "one", hex);
	for (uint64_t mask = 0; mask < 64; mask++) {
		struct ends e = {.lose = mask};
		struct crypt_secrets a, b;

		shake_hands(&e, &ring, &ring);
		assert_int_equal(e.client_status, 1);
		assert_int_equal(crypt_shake_export(e.client, &a), 0);
		assert_int_equal(crypt_shake_export(e.server, &b), 0);
		assert_memory_equal(a.to_server, b.to_server, CRYPT_SECRET_LEN);
		part(&e);
	}
}

static void test_wrong_key(void **state)
{
	struct crypt_ring ring, other;
	struct crypt_secrets sec;

	ring_of(&ring, "one", hex);
	ring_of(&other, "two", hex2);
	struct ends e = {0};

	/* A name that the server does not know: told at once. */
	shake_hands(&e, &other, &ring);
	assert_int_equal(e.client_status, -EACCES);
	assert_int_equal(e.server_status, -EACCES);
	assert_int_equal(crypt_shake_export(e.client, &sec), -EINVAL);
	part(&e);

	/* A known name with other bytes: the server cannot read the last flight, and stays silent.
	 */
	struct ends f = {0};

	ring_of(&other, "one", hex2);
	shake_hands(&f, &other, &ring);
	assert_int_not_equal(f.client_status, 1);
	assert_int_not_equal(f.server_status, 1);
	assert_true(crypt_shake_answered(f.client));
	part(&f);
}

static void test_garbage(void **state)
{
	struct crypt_ring ring;
	struct crypt_gate *g;
	struct crypt_shake *s = NULL, *client;
	uint8_t buf[CRYPT_SHAKE_MAX], reply[CRYPT_SHAKE_MAX];
	size_t n, m;

	ring_of(&ring, "one", hex);
	assert_int_equal(crypt_gate_create(&ring, &g), 0);
	assert_int_equal(crypt_shake_create(&ring.key[0], &client), 0);
	n = crypt_shake_output(client, buf, sizeof(buf));
	assert_true(n > 60);
	for (size_t i = 0; i < 13 + 12 + 40; i++) {
		uint8_t was = buf[i];

		buf[i] ^= 0xff;
		assert_true(crypt_gate_input(g, "p", 1, buf, n, reply, &m, &s, 0) <= 0);
		assert_true(m <= n);
		assert_null(s);
		buf[i] = was;
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(crypt_gate_input(g, "p", 1, buf, i, reply, &m, &s, 0), -EPROTO);
	assert_int_equal(crypt_gate_input(g, "p", 1, buf, n, reply, &m, &s, 0), 0);
	/* A cookie is of use to its peer only, and not for ever. */
	assert_int_equal(crypt_shake_input(client, reply, m), 0);
	n = crypt_shake_output(client, buf, sizeof(buf));
	assert_int_equal(crypt_gate_input(g, "q", 1, buf, n, reply, &m, &s, 0), 0);
	assert_int_equal(crypt_gate_input(g, "p", 1, buf, n, reply, &m, &s, 61 * SEC_US), 1);
	crypt_shake_destroy(s);
	s = NULL;
	assert_int_equal(crypt_gate_input(g, "p", 1, buf, n, reply, &m, &s, 122 * SEC_US), 0);
	assert_null(s);
	crypt_shake_destroy(client);
	crypt_gate_destroy(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ring),	 cmocka_unit_test(test_ring_bad),
	    cmocka_unit_test(test_ring_words),	 cmocka_unit_test(test_seal),
	    cmocka_unit_test(test_replay),	 cmocka_unit_test(test_shake),
	    cmocka_unit_test(test_shake_losses), cmocka_unit_test(test_wrong_key),
	    cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
