/* Datagrams as outsiders can send them: to an acceptor, to a client in its handshake, and to an open
 * tunnel. Nothing may crash, spin, or take memory without bound; nobody unproven gets more bytes
 * than he sent.
 *
 * The input is a sequence of pieces: one byte of what (see below), one of length, then that many
 * bytes. Genuine datagrams stand in where random ones would never get past the first check. */
#include "tunnel/internal.h"
#include <assert.h>

static const struct tunnel_addr here = {1, {1}}, there = {1, {2}};

struct fuzz {
	struct acceptor *a;
	struct tunnel *client, *open;
	int64_t now_us;
	uint8_t hello[TUNNEL_DGRAM_MAX]; /* the client's newest datagram */
	size_t hello_len;
};

static void drain(struct fuzz *z, size_t allowed)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	struct tunnel_event ev;
	size_t n, sum = 0, turns = 0;
	int path;

	while ((n = acceptor_output(z->a, buf, sizeof(buf), &path, &to, z->now_us)) > 0) {
		assert(++turns < 100);
		sum += n;
		if (memcmp(&to, &there, sizeof(to)) == 0)
			tunnel_input(z->client, buf, n, 0, &here, z->now_us);
	}
	assert(!allowed || sum <= allowed);
	while ((n = tunnel_output(z->client, buf, sizeof(buf), &path, &to, z->now_us)) > 0) {
		assert(++turns < 100);
		memcpy(z->hello, buf, n);
		z->hello_len = n;
	}
	while (tunnel_output(z->open, buf, sizeof(buf), &path, &to, z->now_us) > 0)
		assert(++turns < 100);
	while (acceptor_event(z->a, &ev) || tunnel_event(z->client, &ev) ||
	       tunnel_event(z->open, &ev))
		assert(++turns < 200);
}

static void to_acceptor(struct fuzz *z, const uint8_t *p, size_t n, const struct tunnel_addr *from)
{
	struct acceptor_stats st;

	acceptor_input(z->a, p, n, 0, from, z->now_us);
	acceptor_stats(z->a, &st);
	drain(z, st.handshakes ? 0 : n); /* who showed a cookie is proven */
}

/* The client's newest datagram with some bytes changed: pairs of place and mask. */
static void bent(struct fuzz *z, const uint8_t *p, size_t n)
{
	uint8_t d[TUNNEL_DGRAM_MAX];
	size_t len = z->hello_len;

	memcpy(d, z->hello, len);
	for (size_t i = 0; len && i + 1 < n; i += 2)
		d[p[i] % len] ^= p[i + 1];
	to_acceptor(z, d, len, &there);
}

/* Into the open tunnel, with a header that gets as far as the seal. */
static void to_open(struct fuzz *z, const uint8_t *p, size_t n)
{
	uint8_t d[TN_HEADER_LEN + 255];
	struct wr w = wr_of(d, sizeof(d));

	wr_u8(&w, TN_FLAG_FIXED);
	wr_u32(&w, (uint32_t)z->open->node.id);
	wr_bytes(&w, p, n);
	tunnel_input(z->open, d, wr_len(&w), 0, &there, z->now_us);
	drain(z, 0);
}

static void piece(struct fuzz *z, uint8_t what, const uint8_t *p, size_t n)
{
	switch (what % 7) {
	case 0:
		to_acceptor(z, p, n, &there);
		break;
	case 1:
		tunnel_input(z->client, p, n, 0, &here, z->now_us);
		drain(z, 0);
		break;
	case 2:
		bent(z, p, n);
		break;
	case 3:
		to_open(z, p, n);
		break;
	case 4:
		tunnel_input(z->open, p, n, 0, &there, z->now_us);
		break;
	case 5: /* a handshake that goes on as it should */
		to_acceptor(z, z->hello, z->hello_len, &there);
		break;
	case 6:
		z->now_us += n ? p[0] * 20 * MS_US : SEC_US;
		drain(z, 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz z = {.now_us = SEC_US};
	struct crypt_ring ring = {.n = 1, .key[0].name = "k"};
	struct crypt_secrets secrets = {.suite = CRYPT_AES128GCM, .server_id = 7, .client_id = 9};
	struct rd r = rd_of(data, size);
	struct acceptor_stats st;
	int e;

	e = acceptor_create(NULL, &ring, z.now_us, &z.a);
	assert(e == 0);
	e = tunnel_create(NULL, &ring.key[0], 0, &here, z.now_us, &z.client);
	assert(e == 0);
	e = tunnel_create_keyed(NULL, &secrets, true, 0, &there, z.now_us, &z.open);
	assert(e == 0);
	drain(&z, 0);
	for (int i = 0; i < 40 && rd_left(&r) > 1; i++) {
		uint8_t what = rd_u8(&r), n = rd_u8(&r);
		size_t len = MIN(n, rd_left(&r));

		piece(&z, what, rd_bytes(&r, len), len);
	}
	acceptor_stats(z.a, &st);
	assert(st.pending + st.tunnels <= 1);
	tunnel_destroy(z.open);
	tunnel_destroy(z.client);
	acceptor_destroy(z.a);
	return 0;
}
