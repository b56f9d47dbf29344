#include "carrier/carrier.h"

#include <errno.h>

#include "carrier/path.h"
#include "loop/uv.h"

#define PATHS_MAX 64
#define RUNS_MAX (2 * UDP_BATCH)
#define OUT_SIZE ((size_t)128 << 10) /* bytes of one turn, before others get theirs */

/* What the core is, without saying which. */
struct core {
	int (*input)(void *core, const void *dgram, size_t n, int path,
		     const struct tunnel_addr *from, int64_t now_us);
	size_t (*output)(void *core, void *buf, size_t cap, int *path, struct tunnel_addr *to,
			 int64_t now_us);
	int64_t (*wake)(const void *core);
	void (*hold)(void *core, int path, const struct tunnel_addr *to, bool hold);
};

struct carrier {
	struct loop *loop;
	void (*events)(void *arg);
	void *arg;
	const struct core *core;
	void *core_arg;
	struct loop_timer timer;
	struct udp_batch *batch;
	struct carrier_path *path[PATHS_MAX];
	int open;	/* handles, own and of paths, that are not closed yet */
	uv_idle_t idle; /* a kick: runs at the end of the loop's turn, and can be closed */
	bool dead;
	/* Runs filled and not yet taken by their path: from run[sent] on. A run never spans paths.
	 */
	struct carrier_run run[RUNS_MAX];
	int run_path[RUNS_MAX];
	unsigned nruns, sent;
	struct carrier_stats stats;
	uint8_t out[OUT_SIZE + TUNNEL_DGRAM_MAX];
};

static void turn(struct carrier *c);

static void on_timer(void *arg)
{
	turn(arg);
}

int carrier_create(struct carrier **out, struct loop *l, void (*events)(void *arg), void *arg)
{
	struct carrier *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->loop = l;
	c->events = events;
	c->arg = arg;
	c->batch = udp_batch_create();
	if (!c->batch) {
		free(c);
		return -ENOMEM;
	}
	loop_timer_init(l, &c->timer, on_timer, c);
	uv_idle_init(loop_uv(l), &c->idle);
	c->open = 1;
	*out = c;
	return 0;
}

static void on_idle_closed(uv_handle_t *h)
{
	carrier_unpin(container_of((uv_idle_t *)h, struct carrier, idle));
}

void carrier_destroy(struct carrier *c)
{
	if (!c || c->dead)
		return;
	c->dead = true;
	c->core = NULL;
	loop_timer_stop(&c->timer);
	for (int i = 0; i < PATHS_MAX; i++)
		carrier_remove(c, i);
	uv_close((uv_handle_t *)&c->idle, on_idle_closed);
}

void carrier_pin(struct carrier *c)
{
	c->open++;
}

void carrier_unpin(struct carrier *c)
{
	if (--c->open || !c->dead)
		return;
	udp_batch_destroy(c->batch);
	free(c);
}

struct loop *carrier_loop(const struct carrier *c)
{
	return c->loop;
}

struct udp_batch *carrier_batch(const struct carrier *c)
{
	return c->batch;
}

struct carrier_stats *carrier_counts(struct carrier *c)
{
	return &c->stats;
}

void carrier_stats(const struct carrier *c, struct carrier_stats *out)
{
	*out = c->stats;
}

/* ---- paths ---- */

/* -ENOSPC: all taken. */
static int free_index(const struct carrier *c)
{
	for (int i = 0; i < PATHS_MAX; i++)
		if (!c->path[i])
			return i;
	return -ENOSPC;
}

const char *carrier_kind_name(enum carrier_kind kind)
{
	static const char *const names[] = {"udp", "tls", "srt"};

	return names[kind];
}

int carrier_connect(struct carrier *c, enum carrier_kind kind, const struct carrier_to *to)
{
	int r, i = free_index(c);

	if (i < 0)
		return i;
	if (kind == CARRIER_TLS)
		r = tls_client_create(c, i, to, &c->path[i]);
	else if (kind == CARRIER_SRT)
		r = srt_path_create(c, i, to, to->ring, &c->path[i]);
	else
		r = udp_path_create(c, i, to, &c->path[i]);
	return r ? r : i;
}

int carrier_listen(struct carrier *c, enum carrier_kind kind, const struct net_addr *bind,
		   const struct crypt_ring *ring, unsigned max)
{
	const struct carrier_to nobody = {.bind = *bind};
	int r, i = free_index(c);

	if (i < 0)
		return i;
	if (kind == CARRIER_TLS)
		r = tls_server_create(c, i, bind, ring, max, &c->path[i]);
	else if (kind == CARRIER_SRT)
		r = srt_path_create(c, i, &nobody, ring, &c->path[i]);
	else
		r = udp_path_create(c, i, &nobody, &c->path[i]);
	return r ? r : i;
}

static struct carrier_path *path_of(const struct carrier *c, int path)
{
	return path >= 0 && path < PATHS_MAX ? c->path[path] : NULL;
}

void carrier_remove(struct carrier *c, int path)
{
	struct carrier_path *p = path_of(c, path);

	if (!p)
		return;
	c->path[path] = NULL;
	p->ops->close(p);
}

void carrier_set_ring(struct carrier *c, const struct crypt_ring *ring)
{
	for (int i = 0; i < PATHS_MAX; i++)
		if (c->path[i] && c->path[i]->ops->set_ring)
			c->path[i]->ops->set_ring(c->path[i], ring);
}

enum carrier_kind carrier_path_kind(const struct carrier *c, int path)
{
	const struct carrier_path *p = path_of(c, path);

	return p ? p->ops->kind : CARRIER_UDP;
}

int carrier_path_status(const struct carrier *c, int path)
{
	const struct carrier_path *p = path_of(c, path);

	if (!p)
		return -EINVAL;
	return p->ops->status ? p->ops->status(p) : 0;
}

void carrier_path_addr(const struct carrier *c, int path, const struct net_addr *peer,
		       struct tunnel_addr *out)
{
	const struct carrier_path *p = path_of(c, path);

	if (p && p->ops->addr)
		p->ops->addr(p, out);
	else
		carrier_addr(peer, out);
}

int carrier_local(const struct carrier *c, int path, struct net_addr *out)
{
	const struct carrier_path *p = path_of(c, path);

	return p ? p->ops->local(p, out) : -EINVAL;
}

/* ---- the core ---- */

static int input_tunnel(void *t, const void *dgram, size_t n, int path,
			const struct tunnel_addr *from, int64_t now_us)
{
	return tunnel_input(t, dgram, n, path, from, now_us);
}

static size_t output_tunnel(void *t, void *buf, size_t cap, int *path, struct tunnel_addr *to,
			    int64_t now_us)
{
	return tunnel_output(t, buf, cap, path, to, now_us);
}

static int64_t wake_tunnel(const void *t)
{
	return tunnel_wake(t);
}

static void hold_tunnel(void *t, int path, const struct tunnel_addr *to, bool hold)
{
	tunnel_hold(t, path, to, hold);
}

static int input_acceptor(void *a, const void *dgram, size_t n, int path,
			  const struct tunnel_addr *from, int64_t now_us)
{
	return acceptor_input(a, dgram, n, path, from, now_us);
}

static size_t output_acceptor(void *a, void *buf, size_t cap, int *path, struct tunnel_addr *to,
			      int64_t now_us)
{
	return acceptor_output(a, buf, cap, path, to, now_us);
}

static int64_t wake_acceptor(const void *a)
{
	return acceptor_wake(a);
}

static void hold_acceptor(void *a, int path, const struct tunnel_addr *to, bool hold)
{
	acceptor_hold(a, path, to, hold);
}

static const struct core core_tunnel = {input_tunnel, output_tunnel, wake_tunnel, hold_tunnel};
static const struct core core_acceptor = {input_acceptor, output_acceptor, wake_acceptor,
					  hold_acceptor};

void carrier_drive_tunnel(struct carrier *c, struct tunnel *t)
{
	c->core = &core_tunnel;
	c->core_arg = t;
	carrier_kick(c);
}

void carrier_drive_acceptor(struct carrier *c, struct acceptor *a)
{
	c->core = &core_acceptor;
	c->core_arg = a;
	carrier_kick(c);
}

void carrier_detach(struct carrier *c)
{
	c->core = NULL;
	loop_timer_stop(&c->timer);
}

/* ---- a turn ---- */

static bool same_peer(const struct tunnel_addr *a, const struct tunnel_addr *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Whether n more bytes at the end of the last run keep it one: equal sizes but for a shorter last
 * one. */
static bool joins(const struct carrier *c, size_t n, int path, const struct tunnel_addr *to)
{
	if (!c->nruns)
		return false;
	const struct carrier_run *r = &c->run[c->nruns - 1];

	return c->run_path[c->nruns - 1] == path && n <= r->segment && r->len % r->segment == 0 &&
	       r->len + n <= UDP_RUN_MAX && r->len / r->segment < UDP_RUN_SEGS &&
	       same_peer(&r->to, to);
}

/* Takes datagrams from the core until there are none or the buffer is full. False: there are none left. */
static bool fill(struct carrier *c)
{
	int64_t now = loop_now_us(c->loop);
	struct tunnel_addr to;
	size_t used = 0, put = 0, n = 1;
	int path;

	c->nruns = c->sent = 0;
	while (c->nruns < RUNS_MAX && used + put < OUT_SIZE) {
		memset(&to, 0, sizeof(to));
		n = c->core->output(c->core_arg, c->out + used, TUNNEL_DGRAM_MAX, &path, &to, now);
		if (!n)
			break;
		struct carrier_path *p = path_of(c, path);

		if (!p)
			continue;
		if (p->ops->put) {
			if (!p->ops->put(p, &to, c->out + used, n))
				c->core->hold(c->core_arg, path, &to, true);
			put += n;
			continue;
		}
		if (joins(c, n, path, &to)) {
			c->run[c->nruns - 1].len += n;
		} else {
			c->run[c->nruns] = (struct carrier_run){to, c->out + used, n, n};
			c->run_path[c->nruns++] = path;
		}
		used += n;
	}
	for (int i = 0; put && i < PATHS_MAX; i++)
		if (c->path[i] && c->path[i]->ops->flush)
			c->path[i]->ops->flush(c->path[i]);
	return n > 0;
}

/* Hands filled runs to their paths. False: a path is blocked and calls again. */
static bool flush(struct carrier *c)
{
	while (c->sent < c->nruns) {
		struct carrier_path *p = c->path[c->run_path[c->sent]];
		unsigned n = 1;

		if (!p) { /* removed meanwhile */
			c->sent++;
			continue;
		}
		while (c->sent + n < c->nruns && c->run_path[c->sent + n] == p->index)
			n++;
		int r = p->ops->send(p, &c->run[c->sent], n);

		if (r == -EAGAIN)
			return false;
		c->sent += (unsigned)MAX(r, 1);
	}
	return true;
}

static void turn(struct carrier *c)
{
	if (c->dead || !c->core)
		return;
	c->events(c->arg);
	if (c->dead || !c->core || !flush(c))
		return;
	bool more = fill(c);

	if (!flush(c))
		return;
	if (more)
		carrier_kick(c);
	else
		loop_timer_at(&c->timer, c->core->wake(c->core_arg));
}

static void on_kick(uv_idle_t *idle)
{
	struct carrier *c = container_of(idle, struct carrier, idle);

	uv_idle_stop(idle);
	turn(c);
}

void carrier_kick(struct carrier *c)
{
	if (c && !c->dead)
		uv_idle_start(&c->idle, on_kick);
}

void carrier_receive(struct carrier_path *p, const void *dgram, size_t n,
		     const struct tunnel_addr *from)
{
	struct carrier *c = p->carrier;

	if (c->core)
		c->core->input(c->core_arg, dgram, n, p->index, from, loop_now_us(c->loop));
}

void carrier_hold(struct carrier_path *p, const struct tunnel_addr *to, bool hold)
{
	struct carrier *c = p->carrier;

	if (c->core)
		c->core->hold(c->core_arg, p->index, to, hold);
	if (c->core && !hold)
		carrier_kick(c);
}

void carrier_received(struct carrier_path *p)
{
	turn(p->carrier);
}

void carrier_unblocked(struct carrier_path *p)
{
	turn(p->carrier);
}
