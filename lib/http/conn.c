#include "http/server.h"

#include <errno.h>

#include "crypt/crypt.h"
#include "http/via.h"

#define LINGER_US (2 * SEC_US)
#define PAST_MAX ((size_t)256 << 10)
#define ASKS 16	     /* requests of a connection in a turn */
#define ASKS_ALL 512 /* of all of an address; a proxy's many viewers do not wait long */
#define SHAKE_ASKS 4 /* what the beginning of TLS counts for */
#define PIECES 32
#define QUEUE_LOW ((size_t)64 << 10) /* a protocol is asked for more below this */
#define SCRATCH 944		     /* with its head a size that malloc keeps at hand */

static int64_t now(const struct conn *c)
{
	return loop_now_us(c->server->loop);
}

void conn_phase(struct conn *c, enum conn_phase phase)
{
	c->phase = phase;
	c->phase_us = now(c);
}

int conn_speak(struct conn *c, const struct proto_ops *proto)
{
	if (c->proto)
		c->proto->closed(c);
	c->proto = NULL;
	int rc = proto->open(c);
	if (!rc)
		c->proto = proto;
	return rc;
}

void conn_input(struct conn *c, const char *p, size_t n)
{
	if (c->closing)
		conn_past(c, n);
	if (c->doomed || c->closing)
		return;
	if (c->unnamed && !via_input(c, &p, &n))
		return;
	if (c->tls && !c->proto)
		conn_asks(c, SHAKE_ASKS);
	if (c->tls)
		tls_input(c, p, n);
	else
		c->proto->input(c, p, n);
}

bool conn_may_ask(const struct conn *c)
{
	int64_t turn = c->server->turns;

	return (c->asked_in != turn || c->asked < ASKS) &&
	       (!c->who || c->trusted || c->who->asked_in != turn || c->who->asked < ASKS_ALL);
}

static void count_in(int64_t turn, int64_t *in, int *count, int n)
{
	*count = (*in == turn ? *count : 0) + n;
	*in = turn;
}

void conn_asks(struct conn *c, int n)
{
	count_in(c->server->turns, &c->asked_in, &c->asked, n);
	if (c->who)
		count_in(c->server->turns, &c->who->asked_in, &c->who->asked, n);
}

void conn_past(struct conn *c, size_t n)
{
	c->past += n;
	if (c->past > PAST_MAX)
		conn_doom(c);
}

/* A client that has closed its side is gone for a request that is still kept, but is given what is
 * queued already. */
void conn_eof(struct conn *c)
{
	if (c->phase == CONN_LINGER || (!c->queued && !c->sealed))
		conn_doom(c);
	else
		conn_close_when_sent(c);
}

/* ---- output ---- */

static void drop_scratch(struct conn *c)
{
	buf_unref(c->scratch);
	c->scratch = NULL;
}

static void pop(struct conn *c, size_t n)
{
	c->queued -= n;
	while (n) {
		struct slice *s = &c->out.at[c->out_at];
		size_t k = MIN(n, s->len);

		s->off += k;
		s->len -= k;
		n -= k;
		if (s->len)
			return;
		slice_finish(s);
		c->out_at++;
	}
	if (c->out_at < c->out.len)
		return;
	c->out_at = c->out.len = 0;
	drop_scratch(c);
	if (c->out.cap > PIECES)
		vec_free(&c->out); /* thousands of connections only wait */
}

static int gather(const struct conn *c, struct iovec *v, size_t *total)
{
	int n = 0;

	*total = 0;
	for (size_t i = c->out_at; i < c->out.len && n < PIECES; i++, n++) {
		struct slice *s = &c->out.at[i];

		v[n] = (struct iovec){(void *)(uintptr_t)slice_data(s), s->len};
		*total += s->len;
	}
	return n;
}

static void all_sent(struct conn *c)
{
	if (!c->closing || c->phase == CONN_LINGER)
		return;
	if (c->tls && !c->said_goodbye) {
		c->said_goodbye = true;
		tls_goodbye(c);
		if (c->sealed || c->doomed)
			return;
	}
	conn_phase(c, CONN_LINGER);
	c->t->shutdown(c->transport);
	c->t->read(c->transport, true);
}

static void send_some(struct conn *c)
{
	struct iovec v[PIECES];
	size_t total;
	int n = gather(c, v, &total);
	ssize_t sent = c->tls ? tls_send(c, v, n) : c->t->send(c->transport, v, n);

	if (sent < 0) {
		conn_doom(c);
		return;
	}
	c->blocked = c->tls ? c->sealed != 0 : (size_t)sent < total;
	if (sent) {
		c->moved_us = now(c);
		pop(c, (size_t)sent);
	}
}

void conn_flush(struct conn *c)
{
	while (!c->doomed && !c->blocked) {
		if (c->queued < QUEUE_LOW && c->proto && c->proto->pull && !c->closing)
			c->proto->pull(c);
		if (!c->queued && !c->sealed)
			break;
		send_some(c);
	}
	if (!c->doomed && !c->queued && !c->sealed)
		all_sent(c);
}

void conn_writable(struct conn *c)
{
	c->blocked = false;
	conn_flush(c);
	if (c->queued < HTTP_ROOM)
		conn_resume_later(c);
}

static int append(struct conn *c, struct buf *b, size_t off, size_t len)
{
	if (c->out_at > 64) {
		memmove(c->out.at, c->out.at + c->out_at,
			(c->out.len - c->out_at) * sizeof(*c->out.at));
		c->out.len -= c->out_at;
		c->out_at = 0;
	}
	struct slice own = slice_of(b, off, len);
	if (vec_push(&c->out, own)) {
		slice_finish(&own);
		return -ENOMEM;
	}
	return 0;
}

static void queued_more(struct conn *c, size_t n)
{
	if (!c->queued && !c->sealed)
		c->moved_us = now(c);
	c->queued += n;
}

void conn_write(struct conn *c, const struct slice *s)
{
	if (c->doomed || !s->len)
		return;
	if (append(c, s->buf, s->off, s->len))
		conn_doom(c);
	else
		queued_more(c, s->len);
}

/* Copies of what is small lie side by side, so that a head costs no allocation of its own and the
 * heads of many frames few. */
void conn_write_copy(struct conn *c, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n && !c->doomed) {
		if (!c->scratch || c->scratch_at == c->scratch->len) {
			drop_scratch(c);
			c->scratch = buf_create(MAX(n, SCRATCH));
			c->scratch_at = 0;
			if (!c->scratch) {
				conn_doom(c);
				return;
			}
		}
		size_t k = MIN(n, c->scratch->len - c->scratch_at);
		struct slice *last = c->out.len > c->out_at ? &c->out.at[c->out.len - 1] : NULL;

		memcpy(c->scratch->data + c->scratch_at, from, k);
		if (last && last->buf == c->scratch && last->off + last->len == c->scratch_at) {
			last->len += k;
		} else if (append(c, c->scratch, c->scratch_at, k)) {
			conn_doom(c);
			return;
		}
		queued_more(c, k);
		c->scratch_at += k;
		from += k;
		n -= k;
	}
}

/* ---- the end ---- */

void conn_close_when_sent(struct conn *c)
{
	c->closing = true;
	conn_flush(c);
}

static void ask(struct conn *c)
{
	if (list_empty(&c->todo))
		list_append(&c->server->todo, &c->todo);
	server_ask_turn(c->server);
}

void conn_doom(struct conn *c)
{
	if (c->doomed)
		return;
	c->doomed = true;
	ask(c);
}

void conn_resume_later(struct conn *c)
{
	if (c->resuming || c->doomed)
		return;
	c->resuming = true;
	ask(c);
}

static void head_too_late(struct conn *c)
{
	c->server->refused[REFUSED_TIMEOUT]++;
	if (c->proto)
		c->proto->timeout(c);
	else
		conn_doom(c);
}

void conn_check(struct conn *c, int64_t now_us)
{
	int64_t in_phase = now_us - c->phase_us;

	if (c->queued || c->sealed) {
		if (now_us - c->moved_us > c->server->lim.stall_us) {
			c->server->refused[REFUSED_SLOW]++;
			conn_doom(c);
		}
	} else if (c->phase == CONN_LINGER) {
		if (in_phase > LINGER_US)
			conn_doom(c);
	} else if (c->phase == CONN_HEAD && in_phase > c->server->lim.head_us) {
		head_too_late(c);
	} else if (c->phase == CONN_IDLE && in_phase > c->server->lim.idle_us) {
		conn_doom(c);
	}
	if (!c->doomed && c->proto && c->proto->check)
		c->proto->check(c, now_us);
}

void conn_end(struct conn *c)
{
	list_remove(&c->link);
	list_remove(&c->todo);
	c->doomed = true;
	if (c->proto)
		c->proto->closed(c);
	c->t->close(c->transport);
}

void conn_free(struct conn *c)
{
	for (size_t i = c->out_at; i < c->out.len; i++)
		slice_finish(&c->out.at[i]);
	vec_free(&c->out);
	drop_scratch(c);
	buf_unref(c->opening);
	peers_leave(c->who);
	crypt_tls_destroy(c->tls);
	free(c);
}
