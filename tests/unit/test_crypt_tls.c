/* crypt_tls: two ends over memory; who is let in, and that bytes come out as they went in. */
#include "unit.h"

#include <errno.h>

#include "crypt/crypt.h"

static const struct crypt_ring both = {
    .n = 2, .key = {{.name = "old", .secret = {1}}, {.name = "new", .secret = {2}}}};
static const struct crypt_ring old = {.n = 1, .key = {{.name = "old", .secret = {1}}}};
static const struct crypt_ring new = {.n = 1, .key = {{.name = "new", .secret = {2}}}};
static const struct crypt_ring forged = {.n = 1, .key = {{.name = "new", .secret = {3}}}};
static const struct crypt_ring unknown = {.n = 1, .key = {{.name = "who", .secret = {2}}}};

/* Moves what a has to send to b, in pieces of `step`; b's status, or what its read gave. */
static int move(struct crypt_tls *a, struct crypt_tls *b, size_t step, uint8_t *got, size_t *n)
{
	const void *data;
	size_t len;
	ssize_t r = 0;

	while ((len = crypt_tls_output(a, &data)) > 0) {
		len = MIN(len, step);
		r = crypt_tls_input(b, data, len);
		if (r < 0)
			return (int)r;
		while ((r = crypt_tls_read(b, got + *n, 70000 - *n)) > 0)
			*n += (size_t)r;
		if (r < 0)
			return (int)r;
		crypt_tls_sent(a, len);
	}
	return 0;
}

struct pair {
	struct crypt_tls *client, *server;
	uint8_t got[70000];
	size_t n;
};

static void begin(struct pair *p, const struct crypt_ring *client, const struct crypt_ring *server)
{
	memset(p, 0, sizeof(*p));
	assert_int_equal(crypt_tls_create(client, false, &p->client), 0);
	assert_int_equal(crypt_tls_create(server, true, &p->server), 0);
}

static void end(struct pair *p)
{
	crypt_tls_destroy(p->client);
	crypt_tls_destroy(p->server);
}

static void shake(struct pair *p, size_t step)
{
	assert_int_equal(crypt_tls_write(p->client, "x", 1), -EAGAIN);
	assert_int_equal(move(p->client, p->server, step, p->got, &p->n), 0);
	assert_int_equal(move(p->server, p->client, step, p->got, &p->n), 0);
	assert_int_equal(move(p->client, p->server, step, p->got, &p->n), 0);
	assert_int_equal(p->n, 0);
}

static void test_bytes(void **state)
{
	static const size_t steps[] = {1, 7, 1000, 100000};
	static uint8_t data[60000];
	struct pair p;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		begin(&p, i & 1 ? &old : &new, &both);
		shake(&p, steps[i]);
		assert_string_equal(crypt_tls_key_name(p.server), i & 1 ? "old" : "new");
		assert_int_equal(crypt_tls_write(p.client, data, sizeof(data)), 0);
		assert_int_equal(move(p.client, p.server, steps[i], p.got, &p.n), 0);
		assert_int_equal(p.n, sizeof(data));
		assert_memory_equal(p.got, data, sizeof(data));
		p.n = 0;
		assert_int_equal(crypt_tls_write(p.server, data, 3), 0);
		crypt_tls_close(p.server);
		assert_int_equal(move(p.server, p.client, steps[i], p.got, &p.n), -ECONNRESET);
		assert_int_equal(p.n, 3);
		end(&p);
	}
}

/* The first bytes after the handshake may come in one piece with its end. */
static void test_with_finished(void **state)
{
	struct pair p;

	begin(&p, &new, &both);
	assert_int_equal(move(p.client, p.server, 100000, p.got, &p.n), 0);
	assert_int_equal(move(p.server, p.client, 100000, p.got, &p.n), 0);
	assert_int_equal(crypt_tls_write(p.client, "hello", 5), 0);
	assert_int_equal(move(p.client, p.server, 100000, p.got, &p.n), 0);
	assert_int_equal(p.n, 5);
	end(&p);
}

static void test_refused(void **state)
{
	const struct crypt_ring *bad[] = {&forged, &unknown};
	struct pair p;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		begin(&p, bad[i], &both);
		assert_int_equal(move(p.client, p.server, 100000, p.got, &p.n), -EACCES);
		assert_int_equal(crypt_tls_write(p.server, "x", 1), -EACCES);
		assert_int_equal(move(p.server, p.client, 100000, p.got, &p.n), -EACCES);
		end(&p);
	}
}

/* A changed byte ends it. */
static void test_changed(void **state)
{
	struct pair p;
	const void *data;
	uint8_t copy[1000];
	size_t n;

	begin(&p, &new, &both);
	shake(&p, 100000);
	assert_int_equal(crypt_tls_write(p.client, "hello", 5), 0);
	n = crypt_tls_output(p.client, &data);
	assert_true(n > 5 && n < sizeof(copy));
	memcpy(copy, data, n);
	copy[n - 1] ^= 1;
	assert_int_equal(crypt_tls_input(p.server, copy, n), 1);
	assert_int_equal(crypt_tls_read(p.server, p.got, 100), -EPROTO);
	end(&p);
	begin(&p, &new, &both);
	assert_int_equal(crypt_tls_input(p.server, "GET / HTTP/1.1\r\n\r\n", 18), -EPROTO);
	end(&p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_bytes),
    cmocka_unit_test(test_with_finished),
    cmocka_unit_test(test_refused),
    cmocka_unit_test(test_changed),
};

RUN_TESTS(tests)
