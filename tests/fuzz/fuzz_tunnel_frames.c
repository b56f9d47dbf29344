/* The authenticated inner layer: bytes as the frames of packets from a peer that has the key, with
 * an application that answers. Such a peer may break the protocol, which closes the tunnel; it may
 * not crash it, make it spin, or make it hold more than its windows.
 *
 * The input is a sequence of packets: two bytes of length, then frames; a length of 0 is time. */
#include "tunnel/internal.h"
#include <assert.h>

static const struct tunnel_addr peer = {1, {1}};

#define HANDLES 64

struct fuzz {
	struct tunnel *t;
	int64_t now_us;
	struct tunnel_stream *stream[HANDLES];
	struct tunnel_flow *flow[HANDLES];
	uint64_t number;
};

static void on_stream(struct fuzz *z, const struct tunnel_event *ev)
{
	struct tunnel_stream *s = ev->stream;
	size_t slot = tunnel_stream_id(s) % HANDLES;
	uint8_t buf[512];

	if (ev->type == TUNNEL_EV_STREAM_OPENED) {
		assert(strlen(tunnel_stream_info(s)->service) <= TUNNEL_SERVICE_MAX);
		if (z->stream[slot]) {
			tunnel_stream_release(s);
			return;
		}
		z->stream[slot] = s;
		assert(tunnel_stream_write(s, "hello", 5) <= 5);
		return;
	}
	while (slot % 3 && tunnel_stream_read(s, buf, sizeof(buf)) > 0)
		;
	if (tunnel_stream_ended(s))
		tunnel_stream_finish(s);
	if (ev->type == TUNNEL_EV_STREAM_RESET || slot % 7 == 5) {
		if (z->stream[slot] == s)
			z->stream[slot] = NULL;
		tunnel_stream_release(s);
	}
}

static void on_flow(struct fuzz *z, const struct tunnel_event *ev)
{
	struct tunnel_flow *f = ev->flow;
	size_t slot = tunnel_flow_id(f) % HANDLES;
	uint8_t buf[512];
	ssize_t n;

	if (ev->type == TUNNEL_EV_FLOW_OPENED && !z->flow[slot])
		z->flow[slot] = f;
	while (slot % 3 && (n = tunnel_flow_recv(f, buf, sizeof(buf))) >= 0)
		assert(tunnel_flow_send(f, buf, (size_t)n) <= 0);
	if (ev->type == TUNNEL_EV_FLOW_CLOSED || (z->flow[slot] != f && slot % 3 == 0)) {
		if (z->flow[slot] == f)
			z->flow[slot] = NULL;
		tunnel_flow_release(f);
	}
}

static void drain(struct fuzz *z)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	struct tunnel_event ev;
	struct tunnel_stats st;
	size_t turns = 0;
	int path;

	while (tunnel_event(z->t, &ev)) {
		assert(++turns < 10000);
		if (ev.stream)
			on_stream(z, &ev);
		else if (ev.flow)
			on_flow(z, &ev);
	}
	while (tunnel_output(z->t, buf, sizeof(buf), &path, &to, z->now_us) > 0)
		assert(++turns < 20000);
	tunnel_stats(z->t, &st);
	assert(st.buffered_receive <= z->t->conf.tunnel_window);
	assert(st.buffered_send <= z->t->conf.tunnel_buffer);
	assert(st.in_flight <= st.bytes_sent + 28 * st.packets_sent);
	if (z->t->state == TUNNEL_OPEN && list_empty(&z->t->events))
		assert(tunnel_wake(z->t) > z->now_us);
}

static void packet(struct fuzz *z, const uint8_t *p, size_t n)
{
	enum tn_wants wants;

	if (tunnel_state(z->t) > TUNNEL_OPEN)
		return;
	z->t->path[0]->taking = z->number;
	if (tn_frames_take(z->t, z->t->path[0], &z->t->path[0]->at, p, n, &wants) == 0)
		tn_ack_received(z->t->path[0], z->number++, wants, z->now_us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crypt_secrets secrets = {.suite = CRYPT_AES128GCM, .server_id = 7, .client_id = 9};
	struct fuzz z = {.now_us = SEC_US};
	struct tunnel_open o = {.service = "mine"};
	struct tunnel_conf conf;
	struct rd r = rd_of(data, size);
	int e;

	tunnel_conf_default(&conf);
	conf.streams_max = conf.flows_max = 20;
	e = tunnel_create_keyed(&conf, &secrets, true, 0, &peer, z.now_us, &z.t);
	assert(e == 0);
	e = tunnel_stream_open(z.t, &o, &z.stream[1]); /* id 1 */
	assert(e == 0);
	assert(tunnel_stream_write(z.stream[1], data, size) >= 0);
	e = tunnel_flow_open(z.t, &o, &z.flow[1]);
	assert(e == 0);
	tunnel_flow_send(z.flow[1], data, MIN(size, (size_t)3000));
	drain(&z);
	while (rd_left(&r) >= 2) {
		size_t n = rd_u16(&r) % 1500;

		n = MIN(n, rd_left(&r));
		z.now_us += n ? 1000 : 100 * MS_US;
		packet(&z, rd_bytes(&r, n), n);
		drain(&z);
	}
	for (size_t i = 0; i < HANDLES; i++) {
		tunnel_stream_release(z.stream[i]);
		tunnel_flow_release(z.flow[i]);
	}
	drain(&z);
	tunnel_destroy(z.t);
	return 0;
}
