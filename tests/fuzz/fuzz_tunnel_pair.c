/* Two tunnels that talk to each other, sealed as on the wire, with applications on both sides; and a
 * client that has the key and means harm: its packets' frames are changed, or made up, before they
 * are sealed. The honest side may close such a tunnel. It may not crash, spin, or hold more than its
 * limits; and while nobody does harm, every byte arrives as it was written.
 *
 * The input is a sequence of steps: a byte of what, and its arguments. */
#include "../amiss.h"
#include <assert.h>
#include <stdio.h>

#define HANDLES 8
#define WINDOW (8 << 20)

static const struct tunnel_addr addr[2] = {{1, {1}}, {1, {2}}};

struct side {
	struct tunnel *t;
	struct tunnel_stream *stream[HANDLES];
	struct tunnel_flow *flow[HANDLES];
	uint64_t wrote[HANDLES], got[HANDLES];
};

struct fuzz {
	struct side side[2]; /* the client, the server */
	int64_t now_us;
	bool harm;
	struct rd *in;
	uint8_t late[TUNNEL_DGRAM_MAX];
	size_t late_len;
};

static uint8_t pattern(uint64_t id, int side, uint64_t off)
{
	return (uint8_t)(off * 7 + id * 31 + (uint64_t)side * 101);
}

/* ---- the applications ---- */

static void stream_forget(struct side *s, struct tunnel_stream *x)
{
	for (size_t i = 0; i < HANDLES; i++)
		if (s->stream[i] == x)
			s->stream[i] = NULL;
	tunnel_stream_release(x);
}

static void stream_keep(struct side *s, struct tunnel_stream *x)
{
	size_t slot = tunnel_stream_id(x) / 2 % HANDLES;

	if (s->stream[slot]) {
		tunnel_stream_release(x);
		return;
	}
	s->stream[slot] = x;
	s->wrote[slot] = s->got[slot] = 0;
}

static void stream_read(struct fuzz *z, int side, struct tunnel_stream *x)
{
	struct side *s = &z->side[side];
	uint64_t id = tunnel_stream_id(x);
	size_t slot = id / 2 % HANDLES;
	uint8_t buf[4096];
	size_t n;

	if (s->stream[slot] != x || slot == 3) /* nobody reads that one */
		return;
	while ((n = tunnel_stream_read(x, buf, sizeof(buf))) > 0)
		for (size_t i = 0; i < n; i++, s->got[slot]++)
			assert(z->harm || buf[i] == pattern(id, !side, s->got[slot]));
	if (tunnel_stream_ended(x))
		tunnel_stream_finish(x);
}

static void flow_event(struct side *s, struct tunnel_flow *f, enum tunnel_event_type type)
{
	bool echo = tunnel_flow_id(f) / 2 % HANDLES == 1 && s->t->server;
	size_t slot = tunnel_flow_id(f) / 2 % HANDLES;
	uint8_t buf[2000];
	ssize_t n;

	if (type == TUNNEL_EV_FLOW_OPENED && !s->flow[slot])
		s->flow[slot] = f;
	if (s->flow[slot] == f && slot != 3)
		while ((n = tunnel_flow_recv(f, buf, sizeof(buf))) >= 0)
			if (echo)
				tunnel_flow_send(f, buf, (size_t)n);
	if (type != TUNNEL_EV_FLOW_CLOSED && s->flow[slot] == f)
		return;
	if (s->flow[slot] == f)
		s->flow[slot] = NULL;
	tunnel_flow_release(f);
}

static void events(struct fuzz *z, int side)
{
	struct side *s = &z->side[side];
	struct tunnel_event ev;
	size_t turns = 0;

	while (tunnel_event(s->t, &ev)) {
		assert(++turns < 20000);
		if (ev.type == TUNNEL_EV_STREAM_OPENED)
			stream_keep(s, ev.stream);
		else if (ev.type == TUNNEL_EV_STREAM_READABLE)
			stream_read(z, side, ev.stream);
		else if (ev.type == TUNNEL_EV_STREAM_RESET)
			stream_forget(s, ev.stream);
		else if (ev.flow)
			flow_event(s, ev.flow, ev.type);
	}
}

/* ---- what must hold ---- */

static void bounded(const struct tunnel *t)
{
	const char *what = tunnel_amiss(t);

	if (what) {
		fprintf(stderr, "not so: !(%s)\n", what);
		abort();
	}
}

/* ---- packets ---- */

static uint64_t number(struct fuzz *z)
{
	static const uint64_t table[] = {0,
					 1,
					 2,
					 3,
					 4,
					 5,
					 63,
					 64,
					 1000,
					 16383,
					 16384,
					 65535,
					 65536,
					 WINDOW - 1,
					 WINDOW,
					 1 << 20,
					 (1 << 30) - 1,
					 UINT64_C(1) << 32,
					 (UINT64_C(1) << 62) - 2,
					 (UINT64_C(1) << 62) - 1};
	const struct tunnel *t = z->side[1].t;
	uint8_t b = rd_u8(z->in);

	if (b < 200)
		return table[b % ARRAY_LEN(table)];
	switch (b & 7) {
	case 0:
		return t->path[0]->next - 1;
	case 1:
		return t->path[0]->next + (b >> 3 & 3);
	case 2:
		return t->data_max - t->data_high;
	case 3:
		return t->next_stream;
	case 4:
		return t->next_flow;
	default:
		return rd_u16(z->in);
	}
}

static void make_frame(struct fuzz *z, struct wr *w)
{
	static const struct tunnel_open open = {.service = "web"};
	unsigned type = rd_u8(z->in) % 0x30, n = rd_u8(z->in) % 8, len;
	bool stream = type >= TN_F_STREAM && type <= TN_F_STREAM + 3;
	bool flow = type >= TN_F_FLOW && type <= TN_F_FLOW + 3;

	wr_u8(w, (uint8_t)type);
	if (!stream && !flow) {
		while (n--)
			wr_varint(w, number(z));
		return;
	}
	wr_varint(w, number(z));
	wr_varint(w, number(z));
	len = rd_u8(z->in);
	if (stream)
		wr_varint(w, len);
	if (stream ? type & TN_F_STREAM_OPEN : type & TN_F_FLOW_OPEN)
		tn_put_open(w, &open);
	if (flow && type & TN_F_FLOW_PIECE) {
		wr_varint(w, number(z));
		wr_varint(w, number(z));
	}
	if (flow)
		wr_varint(w, len);
	while (len--)
		wr_u8(w, 'x');
}

/* The frames of a genuine packet are replaced or changed, and sealed again as the sender would. */
static size_t do_harm(struct fuzz *z, int from, uint8_t *d, size_t n, bool made_up)
{
	struct tunnel *t = z->side[from].t;
	struct tn_path *p = t->path[TN_FLAG_PATH(d[0])];
	uint64_t at = p->next - 1;
	uint8_t plain[TUNNEL_DGRAM_MAX];
	size_t len = n - TN_HEADER_LEN - CRYPT_TAG_LEN;
	struct wr w = wr_of(plain, 1100);

	z->harm = true;
	if (crypt_open(p->out.now, p->number, at, d, TN_HEADER_LEN, d + TN_HEADER_LEN,
		       n - TN_HEADER_LEN, plain) < 0)
		return n; /* not sealed: of the handshake */
	if (made_up) {
		unsigned frames = rd_u8(z->in) % 12 + 1;

		while (frames--)
			make_frame(z, &w);
		len = wr_len(&w);
	} else {
		for (unsigned k = rd_u8(z->in) & 15; k; k--)
			plain[rd_u16(z->in) % len] = rd_u8(z->in);
	}
	if (crypt_seal(p->out.now, p->number, at, d, TN_HEADER_LEN, plain, len, d + TN_HEADER_LEN) <
	    0)
		abort();
	return TN_HEADER_LEN + len + CRYPT_TAG_LEN;
}

static void arrive(struct fuzz *z, int at, const uint8_t *d, size_t n)
{
	tunnel_input(z->side[at].t, d, n, 0, &addr[!at], z->now_us);
	events(z, at);
}

/* All that one side has to send now, with the fate that `how` says. */
static void pass(struct fuzz *z, int from, unsigned how)
{
	struct side *s = &z->side[from];
	uint8_t d[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	size_t n, turns = 0;
	int path;

	while ((n = tunnel_output(s->t, d, sizeof(d), &path, &to, z->now_us)) > 0) {
		assert(++turns < 20000);
		if (how == 1 && turns % 3 == 0)
			continue;
		if (how == 2 && !z->late_len) {
			memcpy(z->late, d, n);
			z->late_len = n;
			continue;
		}
		if ((how == 3 || how == 4) && turns == 1 && from == 0)
			n = do_harm(z, from, d, n, how == 3);
		arrive(z, !from, d, n);
		if (how == 5)
			arrive(z, !from, d, n);
	}
	if (how == 6 && z->late_len) {
		arrive(z, !from, z->late, z->late_len);
		z->late_len = 0;
	}
}

static void turn(struct fuzz *z, unsigned how)
{
	for (int i = 0; i < 2; i++)
		for (int side = 0; side < 2; side++)
			pass(z, side, how);
	for (int side = 0; side < 2; side++) {
		events(z, side);
		bounded(z->side[side].t);
	}
}

/* ---- steps ---- */

static void write_some(struct side *s, int side, size_t slot, size_t n)
{
	uint8_t buf[65536];
	struct tunnel_stream *x = s->stream[slot];
	ssize_t took;

	if (!x)
		return;
	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(tunnel_stream_id(x), side, s->wrote[slot] + i);
	took = tunnel_stream_write(x, buf, n);
	s->wrote[slot] += took > 0 ? (uint64_t)took : 0;
}

static void open_one(struct side *s, bool flow)
{
	struct tunnel_open o = {.service = "web", .class = TUNNEL_AUTO};
	struct tunnel_stream *x;
	struct tunnel_flow *f;
	size_t slot;

	if (flow) {
		if (tunnel_flow_open(s->t, &o, &f) < 0)
			return;
		slot = tunnel_flow_id(f) / 2 % HANDLES;
		tunnel_flow_release(s->flow[slot]);
		s->flow[slot] = f;
	} else if (tunnel_stream_open(s->t, &o, &x) == 0) {
		stream_keep(s, x);
	}
}

static void step(struct fuzz *z)
{
	uint8_t what = rd_u8(z->in), arg = rd_u8(z->in);
	int side = what >> 7;
	struct side *s = &z->side[side];
	size_t slot = arg % HANDLES;
	static const uint8_t zeros[65000];

	switch (what & 15) {
	case 0:
		open_one(s, arg & 1);
		break;
	case 1:
		write_some(s, side, slot, (size_t)arg * arg);
		break;
	case 2:
		if (s->stream[slot])
			tunnel_stream_finish(s->stream[slot]);
		break;
	case 3:
		if (s->stream[slot])
			stream_forget(s, s->stream[slot]);
		break;
	case 4:
		if (s->flow[slot])
			tunnel_flow_send(s->flow[slot], zeros, rd_u16(z->in) % sizeof(zeros));
		break;
	case 5:
		tunnel_flow_release(s->flow[slot]);
		s->flow[slot] = NULL;
		break;
	case 6:
		z->now_us += (int64_t)arg * arg * 100;
		break;
	case 7:
		z->side[0].t->key_life.packets = arg;
		break;
	default:
		z->now_us += 1000;
		turn(z, what & 7);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct crypt_secrets secrets = {.suite = CRYPT_AES128GCM, .server_id = 7, .client_id = 9};
	struct rd r = rd_of(data, size);
	struct fuzz z = {.now_us = SEC_US, .in = &r};
	struct tunnel_conf conf;

	tunnel_conf_default(&conf);
	conf.streams_max = conf.flows_max = 12;
	conf.stream_window = conf.stream_buffer = 1 << 20;
	conf.tunnel_window = conf.tunnel_buffer = WINDOW;
	for (int i = 0; i < 2; i++) {
		int e =
		    tunnel_create_keyed(&conf, &secrets, i, 0, &addr[!i], z.now_us, &z.side[i].t);

		assert(e == 0);
	}
	turn(&z, 0);
	for (int i = 0; i < 200 && rd_left(&r) > 0; i++)
		step(&z);
	for (int i = 0; i < 20; i++) { /* it comes to rest */
		z.now_us += 20 * MS_US;
		turn(&z, 0);
	}
	for (int i = 0; i < 5; i++)
		turn(&z, 0);
	for (int i = 0; i < 2; i++) {
		struct side *s = &z.side[i];

		assert(tunnel_state(s->t) == TUNNEL_CLOSED || tunnel_wake(s->t) > z.now_us);
		for (size_t k = 0; k < HANDLES; k++) {
			tunnel_stream_release(s->stream[k]);
			tunnel_flow_release(s->flow[k]);
		}
		tunnel_destroy(s->t);
	}
	return 0;
}
