#include "http/server.h"

#include <errno.h>

#define LINGER_US (2 * SEC_US)
#define PIECES 32

static int64_t now(const struct conn *c)
{
	return loop_now_us(c->server->loop);
}

void conn_phase(struct conn *c, enum conn_phase phase)
{
	c->phase = phase;
	c->phase_us = now(c);
}

void conn_input(struct conn *c, const char *p, size_t n)
{
	if (!c->doomed && !c->closing)
		c->proto->input(c, p, n);
}

/* A client that has closed its side is gone for a request that is still kept, but is given what is
 * queued already. */
void conn_eof(struct conn *c)
{
	if (c->phase == CONN_LINGER || !c->queued)
		conn_doom(c);
	else
		conn_close_when_sent(c);
}

/* ---- output ---- */

static void pop(struct conn *c, size_t n)
{
	c->queued -= n;
	c->server->sent += (int64_t)n;
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
	if (c->out_at == c->out.len)
		c->out_at = c->out.len = 0;
}

static int gather(struct conn *c, struct iovec *v, size_t *total)
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
	if (c->closing && c->phase != CONN_LINGER) {
		conn_phase(c, CONN_LINGER);
		c->t->shutdown(c->transport);
		c->t->read(c->transport, true);
	}
}

void conn_flush(struct conn *c)
{
	while (!c->doomed && !c->writing && c->queued) {
		struct iovec v[PIECES];
		size_t total;
		int n = gather(c, v, &total);
		ssize_t sent = c->t->send(c->transport, v, n);

		if (sent < 0) {
			conn_doom(c);
			return;
		}
		c->writing = (size_t)sent < total;
		c->flying = total - (size_t)sent;
		pop(c, (size_t)sent);
	}
	if (!c->doomed && !c->queued)
		all_sent(c);
}

void conn_sent(struct conn *c, int err)
{
	c->writing = false;
	if (err) {
		conn_doom(c);
		return;
	}
	pop(c, c->flying);
	c->flying = 0;
	conn_flush(c);
	if (!c->queued)
		conn_resume_later(c);
}

void conn_write(struct conn *c, const struct slice *s)
{
	struct slice own;

	if (c->doomed || !s->len)
		return;
	if (c->out_at > 64) {
		memmove(c->out.at, c->out.at + c->out_at,
			(c->out.len - c->out_at) * sizeof(*c->out.at));
		c->out.len -= c->out_at;
		c->out_at = 0;
	}
	own = slice_of(s->buf, s->off, s->len);
	if (vec_push(&c->out, own)) {
		slice_finish(&own);
		conn_doom(c);
		return;
	}
	if (!c->queued)
		c->moved_us = now(c);
	c->queued += own.len;
}

void conn_write_copy(struct conn *c, const void *p, size_t n)
{
	struct buf *b = buf_copy(p, n);

	if (!b) {
		conn_doom(c);
		return;
	}
	conn_write(c, &(struct slice){b, 0, n});
	buf_unref(b);
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

static void slow(struct conn *c, int64_t now_us)
{
	size_t left = c->queued - c->flying + c->t->flying(c->transport);

	if (left != c->last_left) {
		c->last_left = left;
		c->moved_us = now_us;
	} else if (now_us - c->moved_us > c->server->lim.stall_us) {
		c->server->refused[REFUSED_SLOW]++;
		conn_doom(c);
	}
}

void conn_check(struct conn *c, int64_t now_us)
{
	int64_t in_phase = now_us - c->phase_us;

	if (c->queued) {
		slow(c, now_us);
	} else if (c->phase == CONN_LINGER) {
		if (in_phase > LINGER_US)
			conn_doom(c);
	} else if (c->phase == CONN_HEAD && in_phase > c->server->lim.head_us) {
		c->server->refused[REFUSED_TIMEOUT]++;
		c->proto->timeout(c);
	} else if (c->phase == CONN_IDLE && in_phase > c->server->lim.idle_us) {
		conn_doom(c);
	}
}

void conn_end(struct conn *c)
{
	list_remove(&c->link);
	list_remove(&c->todo);
	c->proto->closed(c);
	c->t->close(c->transport);
}

void conn_free(struct conn *c)
{
	for (size_t i = c->out_at; i < c->out.len; i++)
		slice_finish(&c->out.at[i]);
	vec_free(&c->out);
	free(c);
}
