/* The srt kind of path: each datagram is a message of SRT, delivered as soon as it is there, in any
 * order. Both sides are here: a client keeps one connection up, a server takes several.
 *
 * libsrt 1.5.1 wakes nobody in time for messages without a delivery clock, so its sockets are asked
 * by a timer: each millisecond while anything passes, more seldom when not. Its congestion control
 * is told a ceiling and nothing else; the rate is the tunnel's, and so is finding out that a path is
 * dead, for which SRT needs five seconds. The passphrase (of which there is one for each key, the
 * stream id says which) keeps strangers out; what protects the datagrams is the tunnel's own seal. */
#include "carrier/path.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "srtsock/srtsock.h"

#define CONNS_MAX 64
#define PAYLOAD 1456 /* what a packet of SRT holds in 1500 bytes */
#define BUFFER (12 << 20)
#define WINDOW 32768			/* packets */
#define MAXBW (INT64_C(1000000000) / 8) /* bytes a second: never what limits */
#define TICK_BUSY_US (1 * MS_US)
#define TICK_IDLE_US (10 * MS_US)
#define BUSY_US (300 * MS_US) /* after the last datagram either way */
#define RECV_MAX 256	      /* messages of one connection before others get their turn */
#define CONNECT_MS 3000
#define RETRY_US (500 * MS_US)
#define PASSPHRASE_LABEL "gex key srt"

struct srt_conn {
	SRTSOCKET s;
	struct tunnel_addr addr;
	bool open, held;
};

struct passphrase {
	char name[CRYPT_NAME_MAX + 1];
	char text[2 * CRYPT_SECRET_LEN + 1];
};

struct srt_path {
	struct carrier_path base;
	struct carrier_to to; /* peer.family 0: a server */
	SRTSOCKET listener;
	struct srt_conn conn[CONNS_MAX];
	unsigned n;
	uint32_t serial;
	int status;
	int64_t busy_us, retry_us;
	struct loop_timer timer;
	/* libsrt's thread reads these for callers. */
	pthread_mutex_t lock;
	struct passphrase pass[CRYPT_RING_MAX];
	size_t npass;
	bool full;
};

static struct srt_path *path_of(struct carrier_path *p)
{
	return container_of(p, struct srt_path, base);
}

static int64_t now_us(const struct srt_path *p)
{
	return loop_now_us(carrier_loop(p->base.carrier));
}

/* ---- sockets ---- */

static void set_keys(struct srt_path *p, const struct crypt_ring *ring)
{
	uint8_t secret[CRYPT_SECRET_LEN];

	pthread_mutex_lock(&p->lock);
	p->npass = ring->n;
	for (size_t i = 0; i < ring->n; i++) {
		crypt_key_derive(&ring->key[i], PASSPHRASE_LABEL, secret);
		str_copy(p->pass[i].name, sizeof(p->pass[i].name), ring->key[i].name);
		for (size_t b = 0; b < sizeof(secret); b++)
			snprintf(p->pass[i].text + 2 * b, 3, "%02x", secret[b]);
	}
	pthread_mutex_unlock(&p->lock);
	crypt_wipe(secret, sizeof(secret));
}

/* In libsrt's thread, for every caller. */
static int on_caller(void *arg, SRTSOCKET s, int version, const struct sockaddr *peer,
		     const char *streamid)
{
	struct srt_path *p = arg;
	int r = -1;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->npass && !p->full; i++)
		if (!strcmp(p->pass[i].name, streamid))
			r = srtsock_set_str(s, SRTO_PASSPHRASE, p->pass[i].text) ? 0 : -1;
	pthread_mutex_unlock(&p->lock);
	if (r)
		srt_setrejectreason(s, SRT_REJX_FORBIDDEN);
	return r;
}

/* SRTO_PAYLOADSIZE must be set, or a peer that asks for FEC ends the process. What was sent before a
 * close, a goodbye, still goes; libsrt's own thread waits for it. */
static SRTSOCKET make_socket(const struct srt_path *p)
{
	SRTSOCKET s = srtsock_create(SRTT_FILE);
	const int64_t bw = MAXBW;
	const struct linger linger = {1, 1};
	bool ok = s != SRT_INVALID_SOCK;

	ok = ok && srt_setsockflag(s, SRTO_LINGER, &linger, sizeof(linger)) != SRT_ERROR;
	ok = ok && srtsock_set_str(s, SRTO_CONGESTION, "live");
	ok = ok && srtsock_set_bool(s, SRTO_MESSAGEAPI, true);
	ok = ok && srtsock_set_bool(s, SRTO_NAKREPORT, true);
	ok = ok && srtsock_set_int(s, SRTO_RETRANSMITALGO, 1);
	ok = ok && srtsock_set_int(s, SRTO_PAYLOADSIZE, PAYLOAD);
	ok = ok && srtsock_set_int(s, SRTO_FC, WINDOW);
	ok = ok && srtsock_set_int(s, SRTO_SNDBUF, BUFFER);
	ok = ok && srtsock_set_int(s, SRTO_RCVBUF, BUFFER);
	ok = ok && srt_setsockflag(s, SRTO_MAXBW, &bw, sizeof(bw)) != SRT_ERROR;
	ok = ok && srtsock_set_int(s, SRTO_MINVERSION, 0x010500);
	ok = ok && srtsock_set_int(s, SRTO_CONNTIMEO, CONNECT_MS);
	ok = ok && srtsock_set_bool(s, SRTO_ENFORCEDENCRYPTION, true);
	ok = ok && srtsock_set_str(s, SRTO_PASSPHRASE, p->pass[0].text);
	if (*p->to.device)
		ok = ok && srtsock_set_str(s, SRTO_BINDTODEVICE, p->to.device);
	if (ok || s == SRT_INVALID_SOCK)
		return s;
	srt_close(s);
	return SRT_INVALID_SOCK;
}

static int start_listening(struct srt_path *p)
{
	struct sockaddr_storage ss;
	struct net_addr at = p->to.bind;

	if (!at.family)
		at.family = 4; /* a socket of SRT is of one family */
	p->listener = make_socket(p);
	if (p->listener == SRT_INVALID_SOCK)
		return -EIO;
	socklen_t n = net_addr_to_sockaddr(&at, &ss);

	return srtsock_listen(p->listener, (struct sockaddr *)&ss, n, on_caller, p);
}

/* ---- connections ---- */

static void publish_full(struct srt_path *p)
{
	pthread_mutex_lock(&p->lock);
	p->full = p->n == CONNS_MAX;
	pthread_mutex_unlock(&p->lock);
}

static void drop(struct srt_path *p, struct srt_conn *c)
{
	if (c->held && p->listener != SRT_INVALID_SOCK)
		carrier_hold(&p->base, &c->addr, false);
	srt_close(c->s);
	*c = p->conn[--p->n];
	publish_full(p);
}

/* A server's addresses are never used again: the serial number makes them differ. */
static struct srt_conn *add(struct srt_path *p, SRTSOCKET s, const struct net_addr *peer)
{
	struct srt_conn *c = &p->conn[p->n++];

	*c = (struct srt_conn){.s = s};
	carrier_addr(peer, &c->addr);
	if (p->listener != SRT_INVALID_SOCK) {
		uint32_t serial = ++p->serial;

		memcpy(c->addr.bytes + offsetof(struct net_addr, zone), &serial, sizeof(serial));
		c->addr.len = sizeof(*peer) + 2;
		c->open = true;
		carrier_counts(p->base.carrier)->srt_opened++;
	}
	publish_full(p);
	return c;
}

static void accept_all(struct srt_path *p)
{
	struct sockaddr_storage ss;
	struct net_addr peer;
	int len = sizeof(ss);
	SRTSOCKET s;

	while (p->n < CONNS_MAX &&
	       (s = srt_accept(p->listener, (struct sockaddr *)&ss, &len)) != SRT_INVALID_SOCK) {
		if (net_addr_from_sockaddr((struct sockaddr *)&ss, (socklen_t)len, &peer))
			srt_close(s);
		else
			add(p, s, &peer);
		len = sizeof(ss);
	}
}

static int begin_connect(struct srt_path *p)
{
	struct sockaddr_storage ss;
	SRTSOCKET s = make_socket(p);
	socklen_t n;

	if (s == SRT_INVALID_SOCK)
		return -EIO;
	n = net_addr_to_sockaddr(&p->to.bind, &ss);
	if (!srtsock_set_str(s, SRTO_STREAMID, p->pass[0].name) ||
	    (p->to.bind.family && srt_bind(s, (struct sockaddr *)&ss, (int)n) == SRT_ERROR))
		goto fail;
	n = net_addr_to_sockaddr(&p->to.peer, &ss);
	if (srt_connect(s, (struct sockaddr *)&ss, (int)n) == SRT_ERROR)
		goto fail;
	add(p, s, &p->to.peer);
	return 0;
fail:
	srt_close(s);
	return -EIO;
}

static void failed(struct srt_path *p, int why)
{
	p->status = why;
	p->retry_us = now_us(p) + RETRY_US;
}

/* The client's connection, one step on. */
static void keep_up(struct srt_path *p)
{
	struct srt_conn *c = &p->conn[0];
	int r;

	if (!p->n) {
		r = now_us(p) < p->retry_us ? 0 : begin_connect(p);
		if (r)
			failed(p, r);
		return;
	}
	if (c->open)
		return;
	r = srtsock_connected(c->s);
	if (r == -EINPROGRESS)
		return;
	if (r) {
		drop(p, c);
		failed(p, r);
		return;
	}
	c->open = true;
	p->status = 0;
	carrier_hold(&p->base, &c->addr, false);
}

/* ---- datagrams ---- */

/* Messages that are there; -1 when the connection has ended. */
static int receive(struct srt_path *p, struct srt_conn *c)
{
	char msg[PAYLOAD + 44];
	int n, got = 0;

	while (got < RECV_MAX && (n = srt_recvmsg(c->s, msg, sizeof(msg))) > 0) {
		carrier_receive(&p->base, msg, (size_t)n, &c->addr);
		got++;
	}
	if (got < RECV_MAX && srt_getlasterror(NULL) != SRT_EASYNCRCV)
		return -1;
	return got;
}

static bool has_room(const struct srt_conn *c)
{
	size_t blocks, bytes;

	return srt_getsndbuffer(c->s, &blocks, &bytes) != SRT_ERROR && bytes < BUFFER / 2;
}

static void on_tick(void *arg)
{
	struct srt_path *p = arg;
	int64_t now = now_us(p);
	int got = 0, r;

	if (p->listener != SRT_INVALID_SOCK)
		accept_all(p);
	else
		keep_up(p);
	for (unsigned i = 0; i < p->n; i++) {
		struct srt_conn *c = &p->conn[i];

		if (!c->open)
			continue;
		r = receive(p, c);
		got += MAX(r, 0);
		if (r < 0) {
			drop(p, c);
			failed(p, -ECONNRESET);
			i--;
		} else if (c->held && has_room(c)) {
			c->held = false;
			carrier_hold(&p->base, &c->addr, false);
		}
	}
	if (got)
		p->busy_us = now + BUSY_US;
	loop_timer_in(&p->timer, now < p->busy_us ? TICK_BUSY_US : TICK_IDLE_US);
	if (got)
		carrier_received(&p->base); /* may end this path */
}

static struct srt_conn *find(struct srt_path *p, const struct tunnel_addr *to)
{
	if (p->listener == SRT_INVALID_SOCK)
		return p->n ? &p->conn[0] : NULL;
	for (unsigned i = 0; i < p->n; i++)
		if (!memcmp(&p->conn[i].addr, to, sizeof(*to)))
			return &p->conn[i];
	return NULL;
}

static bool path_put(struct carrier_path *base, const struct tunnel_addr *to, const void *dgram,
		     size_t n)
{
	struct srt_path *p = path_of(base);
	struct srt_conn *c = find(p, to);

	if (now_us(p) >= p->busy_us) {
		p->busy_us = now_us(p) + BUSY_US;
		loop_timer_in(&p->timer, TICK_BUSY_US);
	}
	if (!c || !c->open) {
		carrier_counts(base->carrier)->send_errors++;
		return c || p->listener != SRT_INVALID_SOCK;
	}
	if (srt_sendmsg(c->s, dgram, (int)n, -1, false) != SRT_ERROR)
		return true;
	carrier_counts(base->carrier)->send_errors++;
	if (srt_getlasterror(NULL) != SRT_EASYNCSND)
		return true; /* it has ended: the next tick sees to that */
	carrier_counts(base->carrier)->blocked++;
	c->held = true;
	return false;
}

static void path_flush(struct carrier_path *base)
{
}

static int path_local(const struct carrier_path *base, struct net_addr *out)
{
	const struct srt_path *p = container_of(base, struct srt_path, base);
	SRTSOCKET s = p->listener != SRT_INVALID_SOCK ? p->listener : p->n ? p->conn[0].s : -1;
	struct sockaddr_storage ss;
	int n = sizeof(ss);

	if (srt_getsockname(s, (struct sockaddr *)&ss, &n) == SRT_ERROR)
		return -ENOTCONN;
	return net_addr_from_sockaddr((struct sockaddr *)&ss, (socklen_t)n, out);
}

static int path_status(const struct carrier_path *base)
{
	return container_of(base, struct srt_path, base)->status;
}

static void path_set_ring(struct carrier_path *base, const struct crypt_ring *ring)
{
	if (path_of(base)->listener != SRT_INVALID_SOCK)
		set_keys(path_of(base), ring);
}

/* The listener first: its thread may be in on_caller, and srt_close waits for that. */
static void path_close(struct carrier_path *base)
{
	struct srt_path *p = path_of(base);

	loop_timer_stop(&p->timer);
	if (p->listener != SRT_INVALID_SOCK)
		srt_close(p->listener);
	for (unsigned i = 0; i < p->n; i++)
		srt_close(p->conn[i].s);
	pthread_mutex_destroy(&p->lock);
	crypt_wipe(p->pass, sizeof(p->pass));
	free(p);
}

static const struct carrier_path_ops ops = {
    .kind = CARRIER_SRT,
    .put = path_put,
    .flush = path_flush,
    .local = path_local,
    .status = path_status,
    .set_ring = path_set_ring,
    .close = path_close,
};

int srt_path_create(struct carrier *c, int index, const struct carrier_to *to,
		    const struct crypt_ring *ring, struct carrier_path **out)
{
	struct srt_path *p = NULL;
	int r = srtsock_start();

	if (r)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->base = (struct carrier_path){&ops, c, index};
	p->to = *to;
	p->to.ring = NULL;
	p->listener = SRT_INVALID_SOCK;
	p->status = to->peer.family ? -EINPROGRESS : 0;
	pthread_mutex_init(&p->lock, NULL);
	loop_timer_init(carrier_loop(c), &p->timer, on_tick, p);
	set_keys(p, ring);
	if (!to->peer.family)
		r = start_listening(p);
	if (r) {
		path_close(&p->base);
		return r;
	}
	loop_timer_in(&p->timer, 0);
	*out = &p->base;
	return 0;
}
