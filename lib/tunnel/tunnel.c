#include "tunnel/internal.h"
#include <errno.h>
#include <stdio.h>

#define LOST_WAIT_US (500 * MS_US)
#define CODE_BROKEN 1		  /* in CLOSE: the peer broke the protocol */
#define CLOSES 3		  /* the word may be lost, and nobody asks for it again; */
#define CLOSE_GAP_US (40 * MS_US) /* a burst of losses is to take one of them, not all */

void tunnel_conf_default(struct tunnel_conf *conf)
{
	*conf = (struct tunnel_conf){
	    .handshake_us = 5 * SEC_US,
	    .idle_us = 5 * SEC_US,
	    .resume_us = 30 * SEC_US,
	    .keepalive_us = SEC_US,
	    .flow_idle_us = 60 * SEC_US,
	    .dgram_max = TUNNEL_DGRAM_MAX,
	    .warm_bytes = 1 << 20,
	    .stream_window = 48 << 20,
	    .tunnel_window = 64 << 20,
	    .stream_buffer = 48 << 20,
	    .tunnel_buffer = 64 << 20,
	    .flow_queue = 256 << 10,
	    .flows_queue = 16 << 20,
	    .streams_max = 20000,
	    .flows_max = 20000,
	    .tunnels_max = 1000,
	};
}

/* ---- events ---- */

void tn_touch(struct tunnel *t)
{
	t->timed = false;
	if (t->acceptor)
		tn_acceptor_touch(t);
}

void tn_event(struct tunnel *t, struct tn_ev *ev, enum tunnel_event_type type)
{
	ev->bits |= 1u << type;
	if (list_empty(&ev->link))
		list_append(&t->events, &ev->link);
	tn_touch(t);
}

static bool take_bit(unsigned *bits, struct tunnel_event *out)
{
	if (!*bits)
		return false;
	out->type = (enum tunnel_event_type)__builtin_ctz(*bits);
	*bits &= *bits - 1;
	return true;
}

bool tunnel_event(struct tunnel *t, struct tunnel_event *out)
{
	unsigned first = t->ev_bits & 1u << TUNNEL_EV_CONNECTED;
	struct tn_ev *ev;

	*out = (struct tunnel_event){.tunnel = t};
	if (take_bit(&first, out)) {
		t->ev_bits &= ~(1u << TUNNEL_EV_CONNECTED);
		return true;
	}
	while ((ev = list_first(&t->events, struct tn_ev, link)) != NULL) {
		bool any = take_bit(&ev->bits, out);

		if (!ev->bits)
			list_remove(&ev->link);
		if (!any)
			continue;
		if (ev->kind == TN_PATH)
			out->path = container_of(ev, struct tn_path, ev)->number;
		else if (ev->kind == TN_STREAM)
			out->stream = container_of(ev, struct tunnel_stream, ev);
		else
			out->flow = container_of(ev, struct tunnel_flow, ev);
		if (out->type == TUNNEL_EV_STREAM_RESET)
			out->code = out->stream->peer_code;
		return true;
	}
	return take_bit(&t->ev_bits, out);
}

/* ---- life ---- */

static void set_conf(struct tunnel *t, const struct tunnel_conf *conf)
{
	if (conf)
		t->conf = *conf;
	else
		tunnel_conf_default(&t->conf);
	t->conf.dgram_max = CLAMP(t->conf.dgram_max, TUNNEL_DGRAM_MIN, TUNNEL_DGRAM_MAX);
	t->conf.stream_window = MAX(t->conf.stream_window, (size_t)TN_STREAM_CREDIT);
	t->conf.tunnel_window = MAX(t->conf.tunnel_window, (size_t)TN_TUNNEL_CREDIT);
}

void tunnel_set_conf(struct tunnel *t, const struct tunnel_conf *conf)
{
	struct tunnel_conf was = t->conf;
	struct tn_path *p;

	set_conf(t, conf);
	t->conf.dgram_max = was.dgram_max;
	if (t->conf.rate_bps != was.rate_bps)
		tn_paths_for (p, t) {
			tn_path_rate(p, t->conf.rate_bps);
		}
	tn_touch(t);
}

int tn_create(const struct tunnel_conf *conf, bool server, int path, const struct tunnel_addr *to,
	      int64_t now_us, struct tunnel **out)
{
	struct tunnel *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	set_conf(t, conf);
	t->server = server;
	t->now_us = t->heard_us = now_us;
	t->lost_end_us = t->resuming_us = NEVER_US;
	t->next_stream = t->next_flow = server;
	t->key_life = (struct tn_key_life){TN_KEY_PACKETS, TN_KEY_TIME_US};
	t->data_peer_max = t->data_max = TN_TUNNEL_CREDIT;
	tn_pool_init(&t->pool);
	list_init(&t->all_streams);
	list_init(&t->flow_age);
	list_init(&t->closed_flows);
	list_init(&t->updates);
	list_init(&t->events);
	for (size_t i = 0; i < TN_LEVELS; i++)
		list_init(&t->ready[i]);
	list_init(&t->a_all);
	list_init(&t->a_busy);
	list_init(&t->a_events);
	r = tn_paths_add(t, 0, &(struct tn_where){path, *to});
	if (r < 0) {
		tunnel_destroy(t);
		return r;
	}
	t->best = t->path[0];
	t->best->proven = true; /* by the handshake */
	*out = t;
	return 0;
}

int tunnel_create(const struct tunnel_conf *conf, const struct crypt_key *key, int path,
		  const struct tunnel_addr *to, int64_t now_us, struct tunnel **out)
{
	struct crypt_shake *shake = NULL;
	struct tunnel *t = NULL;
	int r = tn_create(conf, false, path, to, now_us, &t);

	if (r == 0)
		r = crypt_shake_create(key, &shake);
	if (r < 0) {
		tunnel_destroy(t);
		return r;
	}
	str_copy(t->key_name, sizeof(t->key_name), key->name);
	tn_shake_begin(t, shake);
	*out = t;
	return 0;
}

/* From here on datagrams are sealed. */
int tn_key(struct tunnel *t, const struct crypt_secrets *s)
{
	const uint8_t *out = t->server ? s->to_client : s->to_server;
	const uint8_t *in = t->server ? s->to_server : s->to_client;
	int r;

	t->suite = s->suite;
	for (unsigned i = 0; i < TN_PATHS; i++) {
		crypt_secret_path(out, i, t->secret_out[i]);
		crypt_secret_path(in, i, t->secret_in[i]);
	}
	r = tn_paths_key(t);
	if (r < 0)
		return r;
	t->keyed = true;
	t->id_out = (uint32_t)(t->server ? s->client_id : s->server_id);
	t->node.id = (uint32_t)(t->server ? s->server_id : s->client_id);
	t->state = TUNNEL_OPEN;
	t->heard_us = t->now_us;
	t->path[0]->state = TN_PATH_UP;
	t->n_up = 1;
	t->max_data_wanted = t->conf.tunnel_window > TN_TUNNEL_CREDIT;
	t->path[0]->ping = true; /* the peer's handshake ends with our first datagram */
	t->ev_bits |= 1u << TUNNEL_EV_CONNECTED;
	return 0;
}

int tunnel_create_keyed(const struct tunnel_conf *conf, const struct crypt_secrets *secrets,
			bool server, int path, const struct tunnel_addr *to, int64_t now_us,
			struct tunnel **out)
{
	struct tunnel *t = NULL;
	int r = tn_create(conf, server, path, to, now_us, &t);

	if (r == 0)
		r = tn_key(t, secrets);
	if (r < 0)
		tunnel_destroy(t);
	else
		*out = t;
	return r;
}

static void free_all(struct tunnel *t)
{
	struct tunnel_stream *s, *snext;
	struct tunnel_flow *f, *fnext;

	list_for_safe (s, snext, &t->all_streams, all) {
		tn_stream_free(s);
	}
	list_for_safe (f, fnext, &t->flow_age, age) {
		tn_flow_free(f);
	}
	list_for_safe (f, fnext, &t->closed_flows, age) {
		tn_flow_free(f);
	}
	for (size_t i = 0; i < TN_PARTIALS; i++) {
		free(t->partial[i].data);
		tn_spans_finish(&t->partial[i].got);
	}
}

void tunnel_destroy(struct tunnel *t)
{
	if (!t)
		return;
	if (t->acceptor)
		tn_acceptor_forget(t);
	free_all(t);
	tn_pool_finish(&t->pool);
	tn_idmap_finish(&t->streams);
	tn_idmap_finish(&t->flows);
	tn_spans_finish(&t->peer_streams);
	tn_spans_finish(&t->peer_flows);
	tn_paths_finish(t);
	crypt_shake_destroy(t->shake);
	free(t);
}

void tn_closed(struct tunnel *t, int reason)
{
	if (t->state == TUNNEL_CLOSED)
		return;
	if (t->state != TUNNEL_CLOSING)
		t->reason = reason;
	t->state = TUNNEL_CLOSED;
	t->ev_bits |= 1u << TUNNEL_EV_CLOSED;
	tn_touch(t);
}

static void begin_close(struct tunnel *t, int reason, uint32_t code, const char *text)
{
	if (t->state > TUNNEL_OPEN)
		return;
	t->reason = reason;
	t->close_code = code;
	str_copy(t->close_text, sizeof(t->close_text), text ? text : "");
	if (t->state == TUNNEL_HANDSHAKE) {
		tn_closed(t, reason);
		return;
	}
	t->state = TUNNEL_CLOSING;
	t->closes = CLOSES;
	t->close_us = t->now_us;
	tn_touch(t);
}

void tunnel_close(struct tunnel *t, uint32_t code, const char *reason)
{
	begin_close(t, 0, code, reason);
}

int tn_broken(struct tunnel *t, const char *how)
{
	t->stats.drops[TUNNEL_DROP_PROTOCOL]++;
	begin_close(t, -EPROTO, CODE_BROKEN, how);
	return -EPROTO;
}

void tn_now(struct tunnel *t, int64_t now_us)
{
	if (now_us <= t->now_us)
		return;
	t->now_us = now_us;
	t->timed = false;
}

void tn_note_add(struct tunnel *t, uint8_t type, uint64_t id)
{
	for (unsigned i = 0; i < t->note_n; i++)
		if (t->note[i].type == type && t->note[i].id == id)
			return;
	if (t->note_n == TN_NOTES || t->state > TUNNEL_OPEN)
		return; /* the other side's idle timer does it as well */
	t->note[t->note_n++] = (struct tn_note){type, id};
	tn_touch(t);
}

/* ---- input ---- */

/* RFC 9000, A.3. */
static uint64_t expand_number(uint64_t next, uint64_t low, unsigned bits)
{
	uint64_t half = UINT64_C(1) << (bits - 1), n = (next & ~(2 * half - 1)) | low;

	if (n + half <= next)
		return n + 2 * half;
	if (n > next + half && n >= 2 * half)
		return n - 2 * half;
	return n;
}

static void heard(struct tunnel *t)
{
	t->heard_us = t->now_us;
	t->lost_end_us = NEVER_US;
	if (!t->shake)
		return;
	tn_shake_end(t);
	if (t->acceptor)
		tn_acceptor_settled(t);
}

static int drop(struct tunnel *t, enum tunnel_drop why, int r)
{
	t->stats.drops[why]++;
	return r;
}

static size_t header_len(const uint8_t *d)
{
	return d[0] & TN_FLAG_LONG ? TN_HEADER_LEN : TN_HEADER_MIN;
}

/* Its packet number, when `next` is the highest + 1 of those that came. */
static uint64_t number_of(const uint8_t *d, uint64_t next)
{
	struct rd r = rd_of(d + 1 + sizeof(uint32_t), sizeof(uint32_t));

	return d[0] & TN_FLAG_LONG ? expand_number(next, rd_u32(&r), 32)
				   : expand_number(next, rd_u16(&r), 16);
}

/* Opens a datagram of that path into `plain`; *number is then its packet number. */
static int open_sealed(struct tunnel *t, struct tn_path *p, const uint8_t *d, size_t n,
		       uint8_t *plain, uint64_t *number)
{
	struct rd r = rd_of(d + 1, sizeof(uint32_t));
	size_t head = header_len(d);
	struct crypt_seal *seal;
	uint64_t epoch;

	if (rd_u32(&r) != t->node.id)
		return drop(t, TUNNEL_DROP_FORGED, -EBADMSG);
	*number = number_of(d, p->recv_next);
	if (crypt_replay_seen(&p->replay, *number))
		return drop(t, TUNNEL_DROP_REPLAYED, -EALREADY);
	seal = tn_keys_of(&p->in, d[0] & TN_FLAG_PHASE, &epoch);
	if (!seal || crypt_open(seal, p->number, *number, d, head, d + head, n - head, plain) < 0)
		return drop(t, TUNNEL_DROP_FORGED, -EBADMSG);
	crypt_replay_mark(&p->replay, *number);
	return tn_keys_reach(&p->in, epoch);
}

/* Is it authentic, and of a path that there is nothing of yet? Nobody without the key makes us keep
 * one. */
static bool begins_path(const struct tunnel *t, const uint8_t *d, size_t n, uint8_t *plain)
{
	unsigned path = TN_FLAG_PATH(d[0]);
	size_t head = header_len(d);
	struct crypt_seal *seal = NULL;
	bool ok;

	if (!t->server || t->keyed_paths & 1u << path || d[0] & TN_FLAG_PHASE)
		return false;
	ok = crypt_seal_create(t->suite, t->secret_in[path], &seal) == 0 &&
	     crypt_open(seal, path, number_of(d, 0), d, head, d + head, n - head, plain) == 0;
	crypt_seal_destroy(seal);
	return ok;
}

static int input_sealed(struct tunnel *t, const uint8_t *d, size_t n, const struct tn_where *from)
{
	uint8_t plain[2048];
	struct tn_path *p;
	uint64_t number, high = t->data_high;
	enum tn_wants wants;
	int e;

	if (!t->keyed || n < header_len(d) + 1 + CRYPT_TAG_LEN || n > sizeof(plain))
		return drop(t, TUNNEL_DROP_FORGED, -EBADMSG);
	p = t->path[TN_FLAG_PATH(d[0])];
	if (!p && begins_path(t, d, n, plain))
		p = tn_paths_first(t, TN_FLAG_PATH(d[0]), from);
	if (!p || (p->state == TN_PATH_GONE && !t->server))
		return drop(t, TUNNEL_DROP_FORGED, -EBADMSG);
	e = open_sealed(t, p, d, n, plain, &number);
	if (e < 0)
		return e;
	heard(t);
	p->n.packets_received++;
	p->n.bytes_received += n;
	tn_trial_heard(t, p, number, from, n);
	tn_life_heard(t, p);
	p->taking = number;
	tn_loss_heard(p, t->now_us);
	e = tn_frames_take(t, p, from, plain, n - header_len(d) - CRYPT_TAG_LEN, &wants);
	if (e < 0)
		return e;
	if (n >= TUNNEL_DGRAM_MIN) {
		p->heavy = true;
		p->heavy_us = t->now_us;
		tn_repair_beside(p, t->data_high - high, t->now_us);
	}
	tn_ack_received(p, number, wants, t->now_us);
	p->relay_ack = p->relay_ack || (wants && p->state != TN_PATH_UP);
	return 0;
}

/* The peer says that it has no such connection. Anyone on the way could say so: it is only asked
 * again, and less patience is had with its silence. */
static int input_lost(struct tunnel *t, const uint8_t *d, size_t n)
{
	struct rd r = rd_of(d + 1, n - 1);
	int64_t end = t->now_us + MAX(LOST_WAIT_US, 3 * t->best->srtt_us);

	if (n != TN_LOST_LEN || !t->keyed || rd_u32(&r) != t->id_out)
		return drop(t, TUNNEL_DROP_FORGED, -EBADMSG);
	if (end < tn_life_end(t)) {
		t->lost_end_us = end;
		tn_life_ping(t);
	}
	return 0;
}

int tunnel_input(struct tunnel *t, const void *dgram, size_t n, int path,
		 const struct tunnel_addr *from, int64_t now_us)
{
	const uint8_t *d = dgram;
	int r;

	tn_now(t, now_us);
	t->stats.packets_received++;
	t->stats.bytes_received += n;
	if (t->state > TUNNEL_OPEN)
		return drop(t, TUNNEL_DROP_CLOSED, -ESHUTDOWN);
	if (n == 0)
		return drop(t, TUNNEL_DROP_FORGED, -EBADMSG);
	if ((d[0] & TN_FLAG_MASK) == TN_FLAG_FIXED)
		r = input_sealed(t, d, n, &(struct tn_where){path, *from});
	else if (d[0] == TN_LOST_FLAG)
		r = input_lost(t, d, n);
	else
		r = tn_shake_input(t, dgram, n);
	tn_touch(t);
	return r;
}

/* ---- output ---- */

static void timers(struct tunnel *t)
{
	struct tn_path *p;

	if (t->shake)
		tn_shake_timers(t);
	if (t->state != TUNNEL_OPEN || t->timed)
		return;
	t->timed = true;
	if (t->now_us >= tn_life_end(t)) {
		begin_close(t, -ETIMEDOUT, 0, "silence");
		return;
	}
	tn_paths_for (p, t) {
		tn_life_timers(t, p);
		tn_recover_timers(t, p);
	}
	if (t->n_up > 1 && t->now_us >= t->schedule_us)
		tn_schedule(t);
	tn_flow_sweep(t);
	tn_pool_age(&t->pool, t->now_us);
}

static size_t output_path(struct tunnel *t, struct tn_path *p, void *buf, size_t cap,
			  struct tn_where *to)
{
	size_t n = tn_trial_output(t, p, buf, to);

	if (n)
		return n;
	*to = p->at;
	return p->state == TN_PATH_GONE ? 0 : tn_packet_build(t, p, buf, cap);
}

/* The best path first: the others get what it leaves. */
static size_t output_open(struct tunnel *t, void *buf, size_t cap, struct tn_where *to)
{
	struct tn_path *p, *best = t->best;
	size_t n = output_path(t, best, buf, cap, to);

	if (n)
		return n;
	tn_paths_for (p, t) {
		if (p != best)
			n = output_path(t, p, buf, cap, to);
		if (n)
			break;
	}
	return n;
}

/* Not all on one path: it may have died without our knowing. */
static size_t output_close(struct tunnel *t, void *buf, size_t cap, struct tn_where *to)
{
	struct tn_path *p = t->closes % 2 || !t->spare ? t->best : t->spare;
	size_t n = tn_packet_build(t, p, buf, cap);

	t->close_us = t->now_us + CLOSE_GAP_US;
	if (n == 0 || --t->closes == 0)
		tn_closed(t, t->reason);
	*to = p->at;
	return n;
}

size_t tunnel_output(struct tunnel *t, void *buf, size_t cap, int *path, struct tunnel_addr *to,
		     int64_t now_us)
{
	struct tn_where at = t->best->at;
	size_t n = 0;

	tn_now(t, now_us);
	timers(t);
	if (t->shake && !tn_held(t->best))
		n = crypt_shake_output(t->shake, buf, cap);
	if (n == 0 && t->state == TUNNEL_OPEN)
		n = output_open(t, buf, cap, &at);
	if (n == 0 && t->state == TUNNEL_CLOSING && !tn_held(t->best) && t->now_us >= t->close_us)
		n = output_close(t, buf, cap, &at);
	*path = at.id;
	*to = at.addr;
	return n;
}

int64_t tunnel_wake(const struct tunnel *t)
{
	struct tn_path *p;
	int64_t at = tn_shake_wake(t);

	if (t->ev_bits || !list_empty(&t->events))
		return t->now_us;
	if (t->state == TUNNEL_CLOSING)
		return tn_held(t->best) ? NEVER_US : t->close_us;
	if (t->state != TUNNEL_OPEN)
		return at;
	at = MIN(at, tn_life_end(t));
	tn_paths_for (p, t) {
		at = MIN(at, tn_due_wake(t, p));
	}
	return MIN(at, tn_flow_due(t));
}
