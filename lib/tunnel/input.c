/* Datagrams that come: which path they are of, whether they are authentic and new. */
#include "tunnel/internal.h"
#include <errno.h>

#define LOST_WAIT_US (500 * MS_US)

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
