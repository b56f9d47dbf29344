#include "http/server.h"

#include <errno.h>

#include "crypt/crypt.h"

/* One record of TLS holds that much. Small pieces are gathered into one, so that the frames of
 * HTTP/2 and the chunks of HTTP/1.1 do not each become a record of their own. */
#define RECORD 16384
/* Sealed at a time: what a slow reader leaves of it is kept, so it is not much more than the socket
 * takes at once. */
#define BURST (4 * RECORD)

/* Only the loop's thread is here. */
static uint8_t plain[RECORD], stage[RECORD];

/* Hands records to the transport. 0, or a negative errno; c->sealed is what it left. */
static int drain(struct conn *c)
{
	const void *p;
	size_t n;

	while ((n = crypt_tls_output(c->tls, &p))) {
		struct iovec v = {(void *)(uintptr_t)p, n};
		ssize_t sent = c->t->send(c->transport, &v, 1);

		if (sent < 0)
			return (int)sent;
		crypt_tls_sent(c->tls, (size_t)sent);
		if (sent)
			c->moved_us = loop_now_us(c->server->loop);
		if ((size_t)sent < n)
			break;
	}
	c->sealed = n ? crypt_tls_output(c->tls, &p) : 0;
	c->blocked = c->sealed != 0;
	return 0;
}

/* The next record's bytes, at most RECORD, from v[*i] on, *at bytes of which are taken. */
static const uint8_t *next_record(const struct iovec *v, int n, int *i, size_t *at, size_t *len)
{
	if (v[*i].iov_len - *at >= RECORD) {
		const uint8_t *p = (const uint8_t *)v[*i].iov_base + *at;

		*at += RECORD;
		*len = RECORD;
		return p;
	}
	*len = 0;
	while (*i < n && *len < RECORD) {
		size_t k = MIN(v[*i].iov_len - *at, RECORD - *len);

		memcpy(stage + *len, (const uint8_t *)v[*i].iov_base + *at, k);
		*len += k;
		*at += k;
		if (*at == v[*i].iov_len) {
			(*i)++;
			*at = 0;
		}
	}
	return stage;
}

ssize_t tls_send(struct conn *c, const struct iovec *v, int n)
{
	size_t taken = 0, at = 0, len;
	int i = 0, rc = drain(c);

	while (!rc && !c->sealed && taken < BURST && i < n) {
		if (at == v[i].iov_len) {
			i++;
			at = 0;
			continue;
		}
		const uint8_t *p = next_record(v, n, &i, &at, &len);

		rc = crypt_tls_write(c->tls, p, len);
		taken += len;
	}
	if (!rc && taken)
		rc = drain(c);
	return rc ? rc : (ssize_t)taken;
}

/* The handshake is over: the client has said what it speaks. */
static int begin(struct conn *c)
{
	c->server->shaken++;
	return conn_speak(c, crypt_tls_is_h2(c->tls) ? &h2_ops : &h1_ops);
}

void tls_input(struct conn *c, const char *p, size_t n)
{
	ssize_t got = crypt_tls_input(c->tls, p, n);

	if (got == 1 && !c->proto)
		got = begin(c) ? -ENOMEM : 1;
	while (got > 0 && !c->doomed && !c->closing) {
		got = crypt_tls_read(c->tls, plain, sizeof(plain));
		if (got > 0)
			c->proto->input(c, (const char *)plain, (size_t)got);
	}
	if (got < 0 && !c->proto)
		c->server->refused[REFUSED_TLS]++;
	if (!c->doomed && drain(c)) /* the handshake's answers, tickets, alerts */
		conn_doom(c);
	if (got == -ECONNRESET && !c->doomed)
		conn_eof(c);
	else if (got < 0)
		conn_doom(c);
}

void tls_goodbye(struct conn *c)
{
	crypt_tls_close(c->tls);
	if (drain(c))
		conn_doom(c);
}
