/* A tunnel's life: made, keyed, closed; what it tells. */
#include "tunnel/internal.h"
#include <errno.h>

#define CODE_BROKEN 1 /* in CLOSE: the peer broke the protocol */
#define CLOSES 3      /* the word may be lost, and nobody asks for it again */

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

void tn_close(struct tunnel *t, int reason, uint32_t code, const char *text)
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
	tn_close(t, 0, code, reason);
}

int tn_broken(struct tunnel *t, const char *how)
{
	t->stats.drops[TUNNEL_DROP_PROTOCOL]++;
	tn_close(t, -EPROTO, CODE_BROKEN, how);
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
