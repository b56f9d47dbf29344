/* The handshake on both sides, with somebody on the way who changes, repeats, drops and invents
 * datagrams in every state. It may fail, at any point; it may not crash, answer an unproven peer with
 * more than he sent, or come to its end on both sides with secrets that differ.
 *
 * The input is a sequence of steps: a byte of what, and its arguments. */
#include "crypt/crypt.h"
#include <assert.h>

#define KEPT 16

struct dgram {
	size_t n;
	uint8_t data[CRYPT_SHAKE_MAX];
};

struct fuzz {
	struct crypt_gate *gate;
	struct crypt_shake *client, *server;
	int client_status, server_status;
	struct dgram
	    kept[2][KEPT]; /* to the client, to the server: all that was sent, the last ones */
	size_t sent[2];
	int64_t now_us;
};

static void collect(struct fuzz *z, int to)
{
	struct crypt_shake *s = to ? z->client : z->server;
	uint8_t buf[CRYPT_SHAKE_MAX];
	size_t n;

	while (s && (n = crypt_shake_output(s, buf, sizeof(buf))) > 0) {
		struct dgram *d = &z->kept[to][z->sent[to]++ % KEPT];

		memcpy(d->data, buf, n);
		d->n = n;
	}
}

static void to_gate(struct fuzz *z, const uint8_t *p, size_t n)
{
	struct dgram *d = &z->kept[0][z->sent[0] % KEPT];
	struct crypt_shake *s = NULL;
	size_t len = 0;
	int r = crypt_gate_input(z->gate, "peer", 4, p, n, d->data, &len, &s, z->now_us);

	assert(len <= n && (r == 1) == (s != NULL));
	if (len) {
		d->n = len;
		z->sent[0]++;
	}
	if (r == 1) {
		z->server = s;
		z->server_status = crypt_shake_start(s);
	}
}

static void deliver(struct fuzz *z, int to, const uint8_t *p, size_t n)
{
	if (!to)
		z->client_status = crypt_shake_input(z->client, p, n);
	else if (z->server)
		z->server_status = crypt_shake_input(z->server, p, n);
	else
		to_gate(z, p, n);
	collect(z, 0);
	collect(z, 1);
}

static void bend(struct dgram *d, struct rd *r)
{
	unsigned changes = rd_u8(r) & 7;

	while (changes-- && d->n) {
		size_t at = rd_u16(r) % d->n;

		d->data[at] ^= rd_u8(r);
	}
	if (rd_u8(r) & 1)
		d->n = rd_u16(r) % (d->n + 1);
}

static void step(struct fuzz *z, struct rd *r)
{
	unsigned what = rd_u8(r);
	int to = what >> 7;
	size_t have = MIN(z->sent[to], (size_t)KEPT);
	struct dgram d = {0};

	switch (what & 7) {
	case 0: /* made up */
		d.n = rd_u8(r);
		d.n = MIN(d.n, rd_left(r));
		if (d.n)
			memcpy(d.data, rd_bytes(r, d.n), d.n);
		break;
	case 1: /* one of the last ones again, changed */
	case 2:
		if (!have)
			return;
		d = z->kept[to][(z->sent[to] - 1 - rd_u8(r) % have) % KEPT];
		bend(&d, r);
		break;
	case 3:
		crypt_shake_resend(z->client);
		collect(z, 1);
		return;
	case 4:
		if (z->server)
			crypt_shake_resend(z->server);
		collect(z, 0);
		return;
	case 5:
		z->now_us += rd_u8(r) * SEC_US;
		return;
	default: /* as it should be */
		if (!have)
			return;
		d = z->kept[to][(z->sent[to] - 1) % KEPT];
		break;
	}
	deliver(z, to, d.data, d.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct crypt_ring ring = {.n = 1, .key[0].name = "k"};
	struct crypt_secrets a, b;
	struct fuzz z = {0};
	struct rd r = rd_of(data, size);
	int e = crypt_gate_create(&ring, &z.gate);

	assert(e == 0);
	e = crypt_shake_create(&ring.key[0], &z.client);
	assert(e == 0);
	collect(&z, 1);
	for (int i = 0; i < 60 && rd_left(&r) > 0; i++)
		step(&z, &r);
	if (z.client_status == 1 && z.server_status == 1) {
		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		e = crypt_shake_export(z.client, &a);
		assert(e == 0);
		e = crypt_shake_export(z.server, &b);
		assert(e == 0 && memcmp(&a, &b, sizeof(a)) == 0);
	}
	crypt_shake_destroy(z.client);
	crypt_shake_destroy(z.server);
	crypt_gate_destroy(z.gate);
	return 0;
}
