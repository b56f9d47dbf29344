/* The applications on both sides of a simulated tunnel: streams by plan, and flows that are echoed.
 * sim.h includes this in its middle. */
#ifndef SIM_APP_H
#define SIM_APP_H

#define WRITE_LEN ((size_t)16384)
#define PATTERN_LEN ((size_t)1 << 19)
#define PATTERN_RUN ((size_t)1 << 16) /* of so many bytes at a time */

/* The n bytes (at most PATTERN_RUN) from `off` on of the stream `id` that go to the other side: each stream
 * begins elsewhere in the same sequence. */
static const uint8_t *pattern(uint64_t id, int side, uint64_t off)
{
	static uint8_t bytes[PATTERN_LEN + PATTERN_RUN];
	static bool made;

	for (size_t i = 0; !made && i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 11);
	made = true;
	return bytes + (off + id * 30011 + (uint64_t)side * 70001) % PATTERN_LEN;
}

static void end_done(struct sim *m, struct end *e)
{
	e->done_us = m->now_us;
	tunnel_stream_release(e->s);
	e->s = NULL;
	m->done++;
}

static void end_write(struct sim *m, struct end *e)
{
	while (e->sent < e->send && !e->reset) {
		size_t n = MIN(MIN(WRITE_LEN, e->send - e->sent), e->reset_at - e->sent);
		ssize_t w;

		if (n == 0) {
			e->reset = true;
			m->resets++;
			tunnel_stream_reset(e->s, TUNNEL_RST_APP + 7);
			end_done(m, e);
			return;
		}
		w = tunnel_stream_write(e->s, pattern(e->id, e->side, e->sent), n);
		CHECK(m, w >= 0);
		e->sent += (uint64_t)w;
		if ((size_t)w < n)
			return;
	}
	if (!e->finished && !e->reset) {
		e->finished = true;
		tunnel_stream_finish(e->s);
	}
}

static void end_read(struct sim *m, struct end *e)
{
	const void *p;
	size_t n;

	if (e->stopped || !e->s)
		return;
	while ((n = tunnel_stream_peek(e->s, &p)) > 0) {
		if (e->got == 0)
			e->first_us = m->now_us;
		CHECK(m, n <= PATTERN_RUN && !memcmp(p, pattern(e->id, !e->side, e->got), n));
		e->got += n;
		CHECK(m, e->got <= e->recv);
		tunnel_stream_consume(e->s, n);
	}
	if (tunnel_stream_ended(e->s) && !e->ended) {
		e->ended = true;
		CHECK(m, e->got == e->recv);
	}
	if (e->ended && e->finished)
		end_done(m, e);
}

static struct end *end_make(struct sim *m, struct tunnel_stream *s, int side)
{
	uint64_t id = tunnel_stream_id(s);
	const struct plan *p = &m->plan[id / 2];
	struct end *e = calloc(1, sizeof(*e));

	assert(e && id / 2 < m->n_plans && !m->end[side][id / 2]);
	e->s = s;
	e->side = side;
	e->id = id;
	e->send = side ? p->down : p->up;
	e->recv = side ? p->up : p->down;
	e->reset_at = side ? p->reset_at : UINT64_MAX;
	e->stopped = !side && p->stopped;
	e->opened_us = m->now_us;
	tunnel_stream_set_user(s, e);
	m->end[side][id / 2] = e;
	return e;
}

static void open_next(struct sim *m)
{
	struct tunnel_open o = {.service = "web", .class = m->plan[m->n_opened].class, .offset = 3};
	struct tunnel_stream *s;

	o.origin = (struct tunnel_origin){.family = 4, .src = {10, 0, 0, 1}, .src_port = 4711};
	CHECK(m, tunnel_stream_open(m->client, &o, &s) == 0);
	end_write(m, end_make(m, s, 0));
	m->n_opened++;
}

static void accepted(struct sim *m, struct tunnel_stream *s)
{
	const struct tunnel_open *o = tunnel_stream_info(s);

	CHECK(m, strcmp(o->service, "web") == 0 && o->offset == 3 && o->origin.src_port == 4711 &&
		     o->origin.src[0] == 10);
	end_write(m, end_make(m, s, 1));
}

/* ---- flows: numbered datagrams with the time in them, sent back by the server ---- */

static void flow_queue(struct sim *m, struct tunnel_flow *f, const void *data, size_t n)
{
	int r = tunnel_flow_send(f, data, n);

	CHECK(m, r == 0 || (r == -ENOBUFS && m->flow_full));
}

static void flow_send(struct sim *m)
{
	uint8_t buf[8192] = {0};
	struct wr w = wr_of(buf, sizeof(buf));
	struct tunnel_open o = {.service = "game", .class = TUNNEL_GAME};

	if (!m->flow[0])
		CHECK(m, tunnel_flow_open(m->client, &o, &m->flow[0]) == 0);
	wr_u64(&w, m->flow_sent++);
	wr_u64(&w, (uint64_t)m->now_us);
	memcpy(buf + 16, pattern(1, 0, 16), m->flow_len - 16);
	flow_queue(m, m->flow[0], buf, m->flow_len);
	m->flow_next_us =
	    m->now_us + m->flow_gap_us >= m->flow_end_us ? NEVER_US : m->now_us + m->flow_gap_us;
}

static void round_trip(struct sim *m, int64_t us)
{
	if (m->rtt_ms)
		m->rtt_ms[m->n_rtt++] = (float)us / 1e3f;
}

static void flow_read(struct sim *m, struct tunnel_flow *f, int side)
{
	uint8_t buf[8192];
	ssize_t n;

	while ((n = tunnel_flow_recv(f, buf, sizeof(buf))) >= 0) {
		struct rd r = rd_of(buf, sizeof(buf));
		uint64_t seq = rd_u64(&r);
		int64_t sent = (int64_t)rd_u64(&r);

		CHECK(m, (size_t)n == m->flow_len);
		CHECK(m, !memcmp(buf + 16, pattern(1, 0, 16), (size_t)n - 16));
		if (side == 1) {
			flow_queue(m, f, buf, (size_t)n);
			continue;
		}
		CHECK(m, seq < m->flow_sent && seq < FLOW_SEQ_MAX);
		CHECK(m, !(m->flow_seen[seq / 64] >> seq % 64 & 1));
		m->flow_seen[seq / 64] |= UINT64_C(1) << seq % 64;
		m->flow_back++;
		m->flow_worst_us = MAX(m->flow_worst_us, m->now_us - sent);
		round_trip(m, m->now_us - sent);
	}
}

/* ---- the same through one stream: messages of flow_len bytes, at most FLOW_SEQ_MAX ---- */

static void echo_send(struct sim *m)
{
	struct tunnel_open o = {.service = "echo"};
	const uint8_t *message;

	if (!m->echo[0])
		CHECK(m, tunnel_stream_open(m->client, &o, &m->echo[0]) == 0);
	CHECK(m, m->echo_sent < FLOW_SEQ_MAX);
	m->echo_us[m->echo_sent] = m->now_us;
	message = pattern(2, 0, m->echo_sent++ * m->flow_len);
	CHECK(m, tunnel_stream_write(m->echo[0], message, m->flow_len) == (ssize_t)m->flow_len);
	m->flow_next_us =
	    m->now_us + m->flow_gap_us >= m->flow_end_us ? NEVER_US : m->now_us + m->flow_gap_us;
}

static void echo_event(struct sim *m, int side, const struct tunnel_event *ev)
{
	uint8_t buf[8192];
	size_t n;

	CHECK(m, ev->type == TUNNEL_EV_STREAM_READABLE);
	while ((n = tunnel_stream_read(ev->stream, buf, sizeof(buf))) > 0) {
		if (side == 1) {
			CHECK(m, tunnel_stream_write(ev->stream, buf, n) == (ssize_t)n);
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			CHECK(m, buf[i] == *pattern(2, 0, m->echo_back));
			if (++m->echo_back % m->flow_len == 0)
				round_trip(m,
					   m->now_us - m->echo_us[m->echo_back / m->flow_len - 1]);
		}
	}
}

#endif
