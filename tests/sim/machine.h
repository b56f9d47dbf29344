/* The machine that moves all pairs in virtual time and checks what holds always; a part of sim.h. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

/* ---- events ---- */

static void on_reset(struct sim *m, struct end *e, const struct tunnel_event *ev)
{
	CHECK(m, ev->code == TUNNEL_RST_APP + 7 && m->plan[e->id / 2].reset_at != UINT64_MAX);
	e->reset = true;
	m->resets++;
	end_done(m, e);
}

static void on_closed(struct sim *m, int side)
{
	if (side) {
		m->server_reason = tunnel_reason(m->server, NULL, NULL);
		m->server_closed = true;
		tunnel_destroy(m->server);
		m->server = NULL;
	} else {
		m->client_reason = tunnel_reason(m->client, NULL, NULL);
		m->client_closed = true;
	}
	for (unsigned i = 0; i < m->n_plans; i++)
		if (m->end[side][i])
			m->end[side][i]->s = NULL;
	m->flow[side] = NULL;
	m->echo[side] = NULL;
}

static void on_event(struct sim *m, int side, const struct tunnel_event *ev)
{
	struct end *e = ev->stream ? tunnel_stream_user(ev->stream) : NULL;

	if (ev->stream && ev->stream == m->echo[side]) {
		echo_event(m, side, ev);
		return;
	}
	switch (ev->type) {
	case TUNNEL_EV_CONNECTED:
		m->connected = true;
		if (side)
			m->server = ev->tunnel;
		else
			m->connected_us = m->now_us;
		break;
	case TUNNEL_EV_CLOSED:
		on_closed(m, side);
		break;
	case TUNNEL_EV_STREAM_OPENED:
		if (strcmp(tunnel_stream_info(ev->stream)->service, "echo") == 0) {
			m->echo[1] = ev->stream;
			break;
		}
		accepted(m, ev->stream);
		break;
	case TUNNEL_EV_STREAM_READABLE:
		end_read(m, e);
		break;
	case TUNNEL_EV_STREAM_WRITABLE:
		end_write(m, e);
		end_read(m, e);
		break;
	case TUNNEL_EV_STREAM_RESET:
		on_reset(m, e, ev);
		break;
	case TUNNEL_EV_FLOW_OPENED:
		m->flow[1] = ev->flow;
		break;
	case TUNNEL_EV_FLOW_READABLE:
		flow_read(m, ev->flow, side);
		break;
	case TUNNEL_EV_PATH:
		break;
	case TUNNEL_EV_FLOW_CLOSED:
		tunnel_flow_release(ev->flow);
		m->flow[side] = NULL;
		break;
	}
}

/* ---- the machine ---- */

/* Whose server a tunnel of a shared acceptor is: told by the client's address. */
static struct sim *owner(struct sim *m, struct tunnel *t)
{
	struct tunnel_addr a;

	for (struct sim *s = m->first; s; s = s->next)
		for (int l = 0; s->acceptor == m->acceptor && l < LINKS_MAX; l++)
			if (tunnel_peer_addr(t, l, &a) &&
			    memcmp(&a, &s->addr[l][0], sizeof(a)) == 0)
				return s;
	return m;
}

static void server_event(struct sim *m, const struct tunnel_event *ev)
{
	struct sim *s = tunnel_user(ev->tunnel);

	if (!s) {
		s = owner(m, ev->tunnel);
		tunnel_set_user(ev->tunnel, s);
	}
	on_event(s, 1, ev);
}

/* To `to`, on side `side` of link l. */
static void send_on(struct sim *m, int l, int side, const struct tunnel_addr *to, const void *data,
		    size_t n)
{
	struct link *link = &m->link[l];
	const struct way *w = &link->way[side];

	link_send(link, side, &m->addr[l][!side], to, data, n, m->now_us);
	m->steps++;
	if (!w->reliable || w->free_us <= m->now_us + BACKLOG_US)
		return;
	if (side)
		tunnel_hold(m->client, l, to, true);
	else
		acceptor_hold(m->acceptor, l, to, true);
}

/* The backlog of link l has gone. */
static void unhold(struct sim *m, int l)
{
	if (m->link[l].way[1].free_us <= m->now_us)
		tunnel_hold(m->client, l, &m->addr[l][1], false);
	if (m->link[l].way[0].free_us <= m->now_us)
		acceptor_hold(m->acceptor, l, &m->addr[l][0], false);
}

static void pump(struct sim *m)
{
	uint8_t buf[TUNNEL_DGRAM_MAX];
	struct tunnel_addr to;
	struct tunnel_event ev;
	size_t n;
	int path;

	while (tunnel_event(m->client, &ev))
		on_event(m, 0, &ev);
	while (m->acceptor && !m->guest && acceptor_event(m->acceptor, &ev))
		server_event(m, &ev);
	while ((n = tunnel_output(m->client, buf, sizeof(buf), &path, &to, m->now_us)) > 0) {
		CHECK(m, path >= 0 && path < LINKS_MAX &&
			     memcmp(&to, &m->addr[path][1], sizeof(to)) == 0);
		send_on(m, path, 1, &to, buf, n);
	}
	while (m->acceptor && !m->guest &&
	       (n = acceptor_output(m->acceptor, buf, sizeof(buf), &path, &to, m->now_us)) > 0) {
		CHECK(m, path >= 0 && path < LINKS_MAX);
		send_on(m, path, 0, &to, buf, n);
	}
}

/* A datagram has come out of link l; one to an address that nobody has any more is lost. */
static void deliver(struct sim *m, int l, const struct dgram *d)
{
	for (; m; m = m->next) {
		bool own = memcmp(&d->to, &m->addr[l][0], sizeof(d->to)) == 0;

		if (own && m->deaf && l == 0)
			m->unheard += d->len;
		else if (own || (m->also.len && memcmp(&d->to, &m->also, sizeof(d->to)) == 0))
			tunnel_input(m->client, d->data, d->len, l, &d->from, m->now_us);
		else if (!m->guest && memcmp(&d->to, &m->addr[l][1], sizeof(d->to)) == 0)
			acceptor_input(m->acceptor, d->data, d->len, l, &d->from, m->now_us);
	}
}

static void trace(const char *who, const struct tunnel *t, int64_t now_us)
{
	struct tunnel_path_stats s;

	for (unsigned i = 0; i < TUNNEL_PATHS; i++) {
		if (!tunnel_path_stats(t, i, &s))
			continue;
		printf("%8.3f %s path %u rate %7.2f delivery %7.2f Mbit/s cwnd %8" PRIu64
		       " in flight %8" PRIu64 " rtt %6.1f min %6.1f ms sent %7" PRIu64
		       " lost %6" PRIu64 "%s\n",
		       (double)now_us / 1e6, who, i, (double)s.rate_bps / 1e6,
		       (double)s.delivery_bps / 1e6, s.cwnd, s.in_flight, (double)s.rtt_us / 1e3,
		       (double)s.rtt_min_us / 1e3, s.packets_sent, s.packets_lost,
		       s.state == TUNNEL_PATH_UP ? "" : " not up");
	}
}

static void books(const struct sim *m, const struct tunnel *t)
{
	const char *what = tunnel_amiss(t);

	if (what)
		failed(m, what, __LINE__);
}

static void watch(struct sim *m)
{
	static int64_t next_us;
	struct tunnel_stats st;

	if (trace_us && (m->now_us >= next_us || m->now_us < next_us - trace_us)) {
		next_us = m->now_us + trace_us;
		trace("client", m->client, m->now_us);
		if (m->server)
			trace("server", m->server, m->now_us);
	}

	m->steps++;
	m->steps_now = m->now_us == m->was_us ? m->steps_now + 1 : 0;
	m->was_us = m->now_us;
	CHECK(m, m->steps_now < STEPS_NOW_MAX);
	if (m->steps % 64)
		return;
	books(m, m->client);
	if (!m->server)
		return;
	books(m, m->server);
	tunnel_stats(m->server, &st);
	m->most_buffered = MAX(m->most_buffered, st.buffered_send);
}

static int64_t grain(const struct sim *m, int64_t at)
{
	return m->grain_us && at != NEVER_US ? (at + m->grain_us - 1) / m->grain_us * m->grain_us
					     : at;
}

/* All pairs do what is due now; returns when the next thing is due. */
static int64_t settle(struct sim *m)
{
	int64_t wake = m->now_us;

	for (int i = 0; i < 3 && wake <= m->now_us; i++) {
		wake = NEVER_US;
		for (struct sim *s = m; s; s = s->next)
			pump(s);
		for (struct sim *s = m; s; s = s->next)
			wake = MIN(wake, MIN(tunnel_wake(s->client), acceptor_wake(s->acceptor)));
	}
	/* What is due now has been done: whoever says otherwise would spin. */
	CHECK(m, wake > m->now_us);
	return wake;
}

static int64_t next_arrival(const struct sim *m)
{
	int64_t at = NEVER_US;

	for (int l = 0; l < LINKS_MAX; l++) {
		at = MIN(at, link_next(&m->link[l]));
		for (int i = 0; i < 2; i++) {
			const struct way *w = &m->link[l].way[i];

			if (w->reliable && w->free_us > m->now_us)
				at = MIN(at, w->free_us);
		}
	}
	for (; m; m = m->next)
		at = MIN(at, m->flow_next_us);
	return at;
}

/* What the world does to a pair at this time. */
static void happen(struct sim *m)
{
	if (tunnel_state(m->client) > TUNNEL_OPEN)
		m->flow_next_us = NEVER_US;
	if (m->flow_next_us <= m->now_us)
		(m->echo_us && !(m->echo_both && m->echo_sent > m->flow_sent) ? echo_send
									      : flow_send)(m);
	if (m->moved_us && m->now_us >= m->moved_us) {
		m->addr[0][0].bytes[0]++;
		m->moved_us = 0;
	}
}

static void set_time(struct sim *m, int64_t now_us)
{
	for (; m; m = m->next)
		m->now_us = MAX(m->now_us, now_us);
}

static void arrive(struct sim *m)
{
	for (int l = 0; l < LINKS_MAX; l++) {
		while (link_next(&m->link[l]) <= m->now_us) {
			struct dgram *d = link_pop(&m->link[l]);

			deliver(m, l, d);
			free(d);
		}
		for (struct sim *s = m; s && m->link[l].way[0].reliable; s = s->next)
			unhold(s, l);
	}
}

/* Goes on, all pairs together, until `enough` of m, or nothing is left to happen before `until`. */
static void run(struct sim *m, int64_t until, bool (*enough)(const struct sim *))
{
	struct sim *all = m->first, *s;

	for (;;) {
		int64_t wake = settle(all), at;

		if (enough && enough(m))
			return;
		at = MIN(grain(all, wake), next_arrival(all));
		set_time(all, MIN(at, until));
		if (at > until || at == NEVER_US)
			return;
		for (s = all; s; s = s->next)
			happen(s);
		arrive(all);
		for (s = all; s; s = s->next)
			watch(s);
	}
}

#endif
