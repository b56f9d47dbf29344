/* Addresses on trial: where a peer has been heard from, and not proven to receive. A challenge goes
 * there, and its answer from there proves it; until then at most three times the bytes that came from
 * there go there (RFC 9000, section 8). A new path has nothing else. A peer that moved goes on getting
 * everything at its old address, and a copy at the new one as far as that bound allows: whichever is
 * the right one, no time is lost. */
#include "tunnel/internal.h"

#define AMPLIFY 3
#define ASK_AGAIN_MIN_US (50 * MS_US)
#define SILENT_US (3 * SEC_US) /* nothing more from there: the trial is over */
#define CHALLENGE_LEN (TN_HEADER_LEN + 1 + 8 + CRYPT_TAG_LEN)

void tn_trial_end(struct tn_path *p)
{
	free(p->trial);
	p->trial = NULL;
}

static void begin(struct tunnel *t, struct tn_path *p, const struct tn_where *at)
{
	struct tn_trial *x = p->trial ? p->trial : malloc(sizeof(*x));

	if (!x)
		return; /* the next datagram tries again */
	memset(x, 0, offsetof(struct tn_trial, copy));
	x->at = *at;
	x->ask_us = t->now_us;
	crypt_random(&x->token, sizeof(x->token));
	p->trial = x;
}

/* A path that came back, or was never there. */
static void begin_path(struct tunnel *t, struct tn_path *p, const struct tn_where *from)
{
	tn_path_begin(p, &t->conf, from, t->now_us);
	begin(t, p, from);
	tn_event(t, &p->ev, TUNNEL_EV_PATH);
}

void tn_trial_heard(struct tunnel *t, struct tn_path *p, uint64_t number,
		    const struct tn_where *from, size_t n)
{
	bool newest = number >= p->moved_at;

	if (newest)
		p->moved_at = number + 1;
	if (p->state == TN_PATH_GONE)
		begin_path(t, p, from);
	else if (newest && !(p->proven && tn_where_same(&p->at, from)) &&
		 !(p->trial && tn_where_same(&p->trial->at, from)))
		begin(t, p, from);
	if (!p->trial || !tn_where_same(&p->trial->at, from))
		return;
	p->trial->got += n;
	p->trial->heard_us = t->now_us;
	if (!p->proven)
		p->at = *from;
}

void tn_trial_take_challenge(struct tunnel *t, struct tn_path *p, uint64_t token)
{
	p->response = token;
	p->respond = true;
}

/* The size of datagrams and the shortest round trip are those of another way now. The peer has said from
 * there what it has; what else is on its way goes to where it was. */
static void move(struct tunnel *t, struct tn_path *p)
{
	tn_sent_give(t, p);
	p->dgram = TUNNEL_DGRAM_MIN;
	p->mtu_try = t->conf.dgram_max;
	p->mtu_tries = 0;
	p->mtu_us = t->now_us;
	p->min_rtt_us = p->min_next_us;
	p->min_next_us = NEVER_US;
	p->min_since_us = t->now_us;
	p->there_us = p->min_there_us = p->next_there_us = NEVER_US;
	p->n.moved++;
	t->stats.moved++;
	tn_event(t, &p->ev, TUNNEL_EV_PATH);
}

void tn_trial_take_response(struct tunnel *t, struct tn_path *p, uint64_t token,
			    const struct tn_where *from)
{
	struct tn_trial *x = p->trial;

	if (!x || x->token != token || !tn_where_same(&x->at, from))
		return;
	p->at = x->at;
	tn_trial_end(p);
	if (p->proven)
		move(t, p);
	p->proven = true;
	tn_life_up(t, p);
}

/* ---- sending ---- */

static size_t left(const struct tn_trial *x)
{
	return x->got * AMPLIFY - x->gave;
}

size_t tn_trial_budget(const struct tn_path *p)
{
	if (p->proven)
		return SIZE_MAX;
	return p->trial ? left(p->trial) : 0;
}

void tn_trial_sent(struct tn_path *p, const uint8_t *dgram, size_t n)
{
	struct tn_trial *x = p->trial;

	if (!x)
		return;
	if (!p->proven) {
		x->gave += n;
	} else if (n <= left(x)) {
		memcpy(x->copy, dgram, n);
		x->copy_len = n;
	}
}

static size_t put_copy(struct tn_path *p, uint8_t *buf, struct tn_where *to)
{
	struct tn_trial *x = p->trial;
	size_t n = x->copy_len;

	memcpy(buf, x->copy, n);
	x->gave += n;
	x->copy_len = 0;
	*to = x->at;
	return n;
}

static bool over(const struct tunnel *t, const struct tn_trial *x)
{
	return t->now_us >= x->heard_us + SILENT_US;
}

size_t tn_trial_output(struct tunnel *t, struct tn_path *p, uint8_t *buf, struct tn_where *to)
{
	struct tn_trial *x = p->trial;
	size_t n;

	if (!x)
		return 0;
	if (x->copy_len)
		return put_copy(p, buf, to);
	if (over(t, x)) {
		if (p->proven)
			tn_trial_end(p);
		else
			tn_path_retire(t, p);
		return 0;
	}
	if (x->ask_us > t->now_us || left(x) < CHALLENGE_LEN)
		return 0;
	n = tn_packet_challenge(t, p, buf, x->token);
	x->gave += n;
	x->ask_us = t->now_us + MAX(p->srtt_us, ASK_AGAIN_MIN_US);
	*to = x->at;
	return n;
}

int64_t tn_trial_wake(const struct tn_path *p)
{
	const struct tn_trial *x = p->trial;

	if (!x)
		return NEVER_US;
	return MIN(x->heard_us + SILENT_US, left(x) < CHALLENGE_LEN ? NEVER_US : x->ask_us);
}
