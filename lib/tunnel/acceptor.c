/* The acceptor: many tunnels on one carrier. Datagrams find theirs by connection id, handshakes by
 * address. */
#include "tunnel/door.h"
#include "tunnel/internal.h"
#include <errno.h>

#define REPLIES 64
#define REPLY_MAX 128
#define HANDSHAKE_MIN 20 /* record types of DTLS: RFC 7983 */
#define HANDSHAKE_MAX 25
#define HANDSHAKE_RECORD 22
#define HELLO_RANDOM 27 /* in a ClientHello: record and message header, version, then 32 bytes */
#define HELLO_MIN 60
#define PENDING_MAX 256 /* handshakes at a time */
#define FAILURES 16

/* An answer to a peer of whom nothing is kept. */
struct reply {
	int path;
	struct tunnel_addr to;
	uint16_t len;
	uint8_t data[REPLY_MAX];
};

struct acceptor {
	struct tunnel_conf conf;
	struct crypt_gate *gate;
	int64_t now_us;
	struct tn_door door;
	struct tn_idmap by_id, by_addr;
	struct tn_idmap by_place; /* by where they were heard, where that is reliable */
	bool shared;		  /* one such place was that of two tunnels: hold looks at all */
	struct list pending, all, busy, events; /* handshakes, the oldest first; tunnels; ... */
	struct tn_heap timers;
	size_t n; /* in pending and all */
	struct reply reply[REPLIES];
	unsigned reply_head, reply_n;
	struct acceptor_failure failure[FAILURES];
	unsigned failure_head, failure_n;
	struct acceptor_stats stats;
};

int acceptor_create(const struct tunnel_conf *conf, const struct crypt_ring *ring, int64_t now_us,
		    struct acceptor **out)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	if (conf)
		a->conf = *conf;
	else
		tunnel_conf_default(&a->conf);
	a->now_us = now_us;
	tn_door_init(&a->door);
	list_init(&a->pending);
	list_init(&a->all);
	list_init(&a->busy);
	list_init(&a->events);
	r = crypt_gate_create(ring, &a->gate);
	if (r < 0)
		acceptor_destroy(a);
	else
		*out = a;
	return r;
}

void acceptor_destroy(struct acceptor *a)
{
	struct tunnel *t;

	if (!a)
		return;
	while (a->all.next && (t = list_first(&a->all, struct tunnel, a_all)) != NULL)
		tunnel_destroy(t);
	while (a->pending.next && (t = list_first(&a->pending, struct tunnel, a_all)) != NULL)
		tunnel_destroy(t);
	tn_heap_finish(&a->timers);
	tn_idmap_finish(&a->by_id);
	tn_idmap_finish(&a->by_addr);
	tn_idmap_finish(&a->by_place);
	crypt_gate_destroy(a->gate);
	free(a);
}

void acceptor_set_ring(struct acceptor *a, const struct crypt_ring *ring)
{
	crypt_gate_set_ring(a->gate, ring);
}

void acceptor_set_conf(struct acceptor *a, const struct tunnel_conf *conf)
{
	struct tunnel *t;

	a->conf = *conf;
	list_for (t, &a->all, a_all)
		tunnel_set_conf(t, conf);
}

/* ---- what tunnels tell ---- */

void tn_acceptor_touch(struct tunnel *t)
{
	if (list_empty(&t->a_busy))
		list_append(&t->acceptor->busy, &t->a_busy);
	if (t->announced && list_empty(&t->a_events) && (t->ev_bits || !list_empty(&t->events)))
		list_append(&t->acceptor->events, &t->a_events);
}

void tn_acceptor_connected(struct tunnel *t)
{
	struct acceptor *a = t->acceptor;

	if (tn_idmap_get(&a->by_id, t->node.id) || tn_idmap_put(&a->by_id, &t->node) < 0) {
		tn_acceptor_failed(t, -EPROTO);
		return;
	}
	t->announced = true;
	list_remove(&t->a_all);
	list_append(&a->all, &t->a_all);
	a->stats.handshakes_done++;
	a->stats.pending--;
	a->stats.tunnels++;
	tn_acceptor_touch(t);
}

/* Kept for acceptor_failure. When nobody asks, the first ones stay. */
static void report(struct acceptor *a, const struct tunnel *t, int why)
{
	struct acceptor_failure *f = &a->failure[(a->failure_head + a->failure_n) % FAILURES];

	if (a->failure_n == FAILURES || why == -ETIMEDOUT)
		return;
	a->failure_n++;
	*f = (struct acceptor_failure){
	    .why = why, .path = t->path[0]->at.id, .from = t->path[0]->at.addr};
	str_copy(f->key_name, sizeof(f->key_name), t->key_name);
}

/* Counts why; the tunnel goes as soon as its last word is said. */
void tn_acceptor_failed(struct tunnel *t, int why)
{
	struct acceptor_stats *s = &t->acceptor->stats;

	report(t->acceptor, t, why);
	t->state = TUNNEL_CLOSED;
	s->pending--;
	if (why == -EACCES)
		s->wrong_key++;
	else if (why == -ETIMEDOUT)
		s->timed_out++;
	else
		s->failed++;
}

/* The client has spoken under its keys: its address is not needed any more to find it. */
void tn_acceptor_settled(struct tunnel *t)
{
	tn_idmap_remove(&t->acceptor->by_addr, &t->addr_node);
}

void tn_acceptor_forget(struct tunnel *t)
{
	struct acceptor *a = t->acceptor;

	tn_idmap_remove(&a->by_addr, &t->addr_node);
	tn_idmap_remove(&a->by_id, &t->node);
	tn_idmap_remove(&a->by_place, &t->place_node);
	list_remove(&t->a_all);
	list_remove(&t->a_busy);
	list_remove(&t->a_events);
	tn_heap_remove(&a->timers, &t->a_timer);
	a->n--;
	if (t->announced)
		a->stats.tunnels--;
	else if (t->state != TUNNEL_CLOSED)
		a->stats.pending--;
}

/* ---- input ---- */

static int drop(struct acceptor *a, enum tunnel_drop why, int r)
{
	a->stats.drops[why]++;
	return r;
}

static void answer(struct acceptor *a, int path, const struct tunnel_addr *to, const void *data,
		   size_t n)
{
	struct reply *r;

	if (a->reply_n == REPLIES || n > REPLY_MAX) {
		a->stats.drops[TUNNEL_DROP_FULL]++;
		return;
	}
	r = &a->reply[(a->reply_head + a->reply_n++) % REPLIES];
	r->path = path;
	r->to = *to;
	r->len = (uint16_t)n;
	memcpy(r->data, data, n);
}

/* One connection carries one tunnel: whose is asked each time that it takes no more, some hundred times
 * a second when it is busy, which is not to cost a look at all tunnels. */
static void note_place(struct acceptor *a, struct tunnel *t, int path,
		       const struct tunnel_addr *from)
{
	uint64_t place = tn_door_hash(&a->door, path, from) | 1;

	if (t->place_node.id == place)
		return;
	tn_idmap_remove(&a->by_place, &t->place_node);
	t->place_node.id = 0;
	if (tn_idmap_get(&a->by_place, place)) {
		a->shared = true;
		return;
	}
	t->place_node.id = place;
	if (tn_idmap_put(&a->by_place, &t->place_node) < 0)
		t->place_node.id = 0;
}

static int input_sealed(struct acceptor *a, const uint8_t *d, size_t n, int path,
			const struct tunnel_addr *from)
{
	struct rd r = rd_of(d, n);
	uint8_t lost[TN_LOST_LEN];
	struct wr w = wr_of(lost, sizeof(lost));
	struct tn_id *e;
	uint64_t id;

	rd_u8(&r);
	id = rd_u32(&r);
	if (r.bad || n < TN_HEADER_MIN + CRYPT_TAG_LEN)
		return drop(a, TUNNEL_DROP_FORGED, -EBADMSG);
	e = tn_idmap_get(&a->by_id, id);
	if (e) {
		struct tunnel *t = container_of(e, struct tunnel, node);
		int rc = tunnel_input(t, d, n, path, from, a->now_us);

		if (rc == 0 && from->len & TUNNEL_ADDR_RELIABLE)
			note_place(a, t, path, from);
		return rc;
	}
	wr_u8(&w, TN_LOST_FLAG);
	wr_u32(&w, (uint32_t)id);
	if (tn_door_lost(&a->door, a->now_us))
		answer(a, path, from, lost, sizeof(lost));
	return drop(a, TUNNEL_DROP_FORGED, -EBADMSG);
}

/* How many handshakes each host has: a table by hash, twice as large as needed. */
struct crowd {
	struct {
		uint32_t host;
		uint16_t n;
	} of[2 * PENDING_MAX];
};

static uint16_t *crowd_of(struct crowd *c, const struct tunnel *t)
{
	uint32_t host = tn_door_host(&t->path[0]->at.addr), i = host % ARRAY_LEN(c->of);

	while (c->of[i].n && c->of[i].host != host)
		i = (i + 1) % ARRAY_LEN(c->of);
	c->of[i].host = host;
	return &c->of[i].n;
}

/* Too many handshakes: the oldest of the host that has most of them gives way. */
static void make_way(struct acceptor *a)
{
	struct crowd c = {0};
	struct tunnel *t;
	uint16_t most = 0;

	if (a->stats.pending < PENDING_MAX)
		return;
	list_for (t, &a->pending, a_all) {
		if (t->state != TUNNEL_CLOSED) {
			uint16_t n = ++*crowd_of(&c, t);

			most = MAX(most, n);
		}
	}
	list_for (t, &a->pending, a_all) {
		if (t->state == TUNNEL_CLOSED || *crowd_of(&c, t) != most)
			continue;
		a->stats.evicted++;
		tunnel_destroy(t);
		return;
	}
}

/* A peer has shown its cookie. */
static int begin(struct acceptor *a, struct crypt_shake *shake, int path,
		 const struct tunnel_addr *from, const uint8_t *random)
{
	struct tunnel *t = NULL;
	int r = tn_create(&a->conf, true, path, from, a->now_us, &t);

	if (r < 0) {
		crypt_shake_destroy(shake);
		return r;
	}
	tn_shake_begin(t, shake);
	t->acceptor = a;
	memcpy(t->hello, random, sizeof(t->hello));
	t->addr_node.id = tn_door_hash(&a->door, path, from);
	list_append(&a->pending, &t->a_all);
	a->n++;
	a->stats.handshakes++;
	a->stats.pending++;
	r = tn_heap_reserve(&a->timers, a->n);
	if (r == 0)
		r = tn_idmap_put(&a->by_addr, &t->addr_node);
	if (r < 0) {
		tunnel_destroy(t);
		return r;
	}
	tn_shake_step(t, crypt_shake_start(shake));
	tn_touch(t);
	return 0;
}

/* A ClientHello that belongs to no handshake: answered with a cookie, or, with one, the beginning
 * of a handshake, which takes the place of an older one from there. */
static int input_hello(struct acceptor *a, struct tunnel *old, const uint8_t *d, size_t n, int path,
		       const struct tunnel_addr *from)
{
	uint8_t reply[CRYPT_SHAKE_MAX];
	struct crypt_shake *shake = NULL;
	size_t len;
	int r;

	if (a->stats.tunnels >= a->conf.tunnels_max)
		return drop(a, TUNNEL_DROP_FULL, -ENOBUFS);
	r = crypt_gate_input(a->gate, from, sizeof(*from), d, n, reply, &len, &shake, a->now_us);
	if (r < 0)
		return drop(a, TUNNEL_DROP_FORGED, -EBADMSG);
	if (len) {
		a->stats.cookies++;
		answer(a, path, from, reply, len);
	}
	if (r == 0)
		return 0;
	if (!tn_door_handshake(&a->door, from, a->now_us)) {
		crypt_shake_destroy(shake);
		return drop(a, TUNNEL_DROP_FULL, -ENOBUFS);
	}
	if (old && old->announced)
		tn_acceptor_settled(old);
	else
		tunnel_destroy(old);
	make_way(a);
	return begin(a, shake, path, from, d + HELLO_RANDOM);
}

static int input_handshake(struct acceptor *a, const uint8_t *d, size_t n, int path,
			   const struct tunnel_addr *from)
{
	struct tn_id *e = tn_idmap_get(&a->by_addr, tn_door_hash(&a->door, path, from));
	struct tunnel *t = e ? container_of(e, struct tunnel, addr_node) : NULL;
	bool hello = n > HELLO_MIN && d[0] == HANDSHAKE_RECORD && d[13] == 1;

	if (hello && (!t || memcmp(t->hello, d + HELLO_RANDOM, sizeof(t->hello)) != 0))
		return input_hello(a, t, d, n, path, from);
	if (t)
		return tunnel_input(t, d, n, path, from, a->now_us);
	return drop(a, TUNNEL_DROP_FORGED, -EBADMSG);
}

int acceptor_input(struct acceptor *a, const void *dgram, size_t n, int path,
		   const struct tunnel_addr *from, int64_t now_us)
{
	const uint8_t *d = dgram;

	a->now_us = MAX(a->now_us, now_us);
	if (n == 0)
		return drop(a, TUNNEL_DROP_FORGED, -EBADMSG);
	if ((d[0] & TN_FLAG_MASK) == TN_FLAG_FIXED)
		return input_sealed(a, d, n, path, from);
	if (d[0] >= HANDSHAKE_MIN && d[0] <= HANDSHAKE_MAX)
		return input_handshake(a, d, n, path, from);
	return drop(a, TUNNEL_DROP_FORGED, -EBADMSG);
}

/* ---- output ---- */

static size_t output_reply(struct acceptor *a, uint8_t *buf, int *path, struct tunnel_addr *to)
{
	struct reply *r = &a->reply[a->reply_head];

	a->reply_head = (a->reply_head + 1) % REPLIES;
	a->reply_n--;
	*path = r->path;
	*to = r->to;
	memcpy(buf, r->data, r->len);
	return r->len;
}

static void wake_due(struct acceptor *a)
{
	struct tn_timer *x;

	while ((x = tn_heap_first(&a->timers)) != NULL && x->at_us <= a->now_us) {
		tn_heap_remove(&a->timers, x);
		tn_acceptor_touch(container_of(x, struct tunnel, a_timer));
	}
}

size_t acceptor_output(struct acceptor *a, void *buf, size_t cap, int *path, struct tunnel_addr *to,
		       int64_t now_us)
{
	struct tunnel *t;

	if (now_us > a->now_us || list_empty(&a->busy)) {
		a->now_us = MAX(a->now_us, now_us);
		wake_due(a);
	}
	if (a->reply_n && cap >= REPLY_MAX)
		return output_reply(a, buf, path, to);
	while ((t = list_first(&a->busy, struct tunnel, a_busy)) != NULL) {
		size_t n = tunnel_output(t, buf, cap, path, to, a->now_us);

		if (n > 0)
			return n;
		list_remove(&t->a_busy);
		if (t->state == TUNNEL_CLOSED && !t->announced)
			tunnel_destroy(t);
		else
			tn_heap_set(&a->timers, &t->a_timer, tunnel_wake(t));
	}
	return 0;
}

int64_t acceptor_wake(const struct acceptor *a)
{
	const struct tn_timer *first = tn_heap_first(&a->timers);

	if (a->reply_n || !list_empty(&a->busy) || !list_empty(&a->events))
		return a->now_us;
	return first ? first->at_us : NEVER_US;
}

void acceptor_hold(struct acceptor *a, int path, const struct tunnel_addr *to, bool hold)
{
	struct tn_id *e = NULL;
	struct tunnel *t;

	if (to->len & TUNNEL_ADDR_RELIABLE && !a->shared)
		e = tn_idmap_get(&a->by_place, tn_door_hash(&a->door, path, to) | 1);
	if (e) {
		tunnel_hold(container_of(e, struct tunnel, place_node), path, to, hold);
		return;
	}
	list_for (t, &a->all, a_all)
		tunnel_hold(t, path, to, hold);
}

bool acceptor_event(struct acceptor *a, struct tunnel_event *ev)
{
	struct tunnel *t;

	while ((t = list_first(&a->events, struct tunnel, a_events)) != NULL) {
		if (tunnel_event(t, ev))
			return true;
		list_remove(&t->a_events);
	}
	return false;
}

bool acceptor_failure(struct acceptor *a, struct acceptor_failure *out)
{
	if (!a->failure_n)
		return false;
	*out = a->failure[a->failure_head];
	a->failure_head = (a->failure_head + 1) % FAILURES;
	a->failure_n--;
	return true;
}

struct tunnel *acceptor_next(const struct acceptor *a, const struct tunnel *t)
{
	const struct list *l = t ? t->a_all.next : a->all.next;

	return l != &a->all ? container_of(l, struct tunnel, a_all) : NULL;
}

void acceptor_stats(const struct acceptor *a, struct acceptor_stats *out)
{
	*out = a->stats;
}
