/* Which paths are alive. One is up while what goes over it is acknowledged; one that falls silent is
 * left, what it had on its way goes over the others, and it is probed until it answers. When none is
 * up the tunnel is resuming: everything waits for the first that answers. */
#include "tunnel/internal.h"

#define STANDBY_US (15 * SEC_US) /* between signs of life of a connection that stands by */
#define PROBE_US (250 * MS_US)
#define PROBE_HEARD_US (20 * MS_US)  /* at a sign of life, when the last probe is older than that */
#define HEARD_AGAIN_US (500 * MS_US) /* so long nothing came before what ends an outage */
#define HUSH_MIN_US (50 * MS_US)     /* between pictures there is less */
#define HUSH_MAX_US (200 * MS_US)

/* Silence after which a path is left, and within it time for so many questions, each with its answer:
 * when another can take its place at once; when all that there is is a connection that stands by, worse
 * on any line that loses; when there is nothing else to go to. What TCP sends again takes its time. */
#define ASK_MIN_US (10 * MS_US)
#define ASK_ALONE_MIN_US (5 * MS_US)
#define ASKS 3
#define ASKS_ALONE 10
#define SILENCE_MIN_US (120 * MS_US)
#define SILENCE_US (450 * MS_US)
#define SILENCE_STANDBY_US (500 * MS_US)
#define SILENCE_ALONE_US SEC_US
#define SILENCE_RELIABLE_US (2 * SEC_US)

/* ---- up and down ---- */

/* What a connection that stood by still carries goes over p as well: it may be held up there. */
static void relieve(struct tunnel *t, const struct tn_path *p)
{
	if (!tn_reliable(p) && t->best != p && tn_reliable(t->best) && t->best->state == TN_PATH_UP)
		tn_sent_give(t, t->best);
}

void tn_life_up(struct tunnel *t, struct tn_path *p)
{
	if (p->state == TN_PATH_UP)
		return;
	relieve(t, p);
	p->state = TN_PATH_UP;
	p->pto_count = 0;
	p->tokens = MAX(p->tokens, tn_path_burst(p) / 2);
	p->mtu_us = t->now_us;
	t->n_up++;
	if (t->resuming_us != NEVER_US)
		t->stats.resumed++;
	t->resuming_us = NEVER_US;
	tn_event(t, &p->ev, TUNNEL_EV_PATH);
	tn_schedule(t);
}

/* The rate is remembered; the size of its datagrams is not, it may be what was wrong. */
static void down(struct tunnel *t, struct tn_path *p)
{
	p->state = TN_PATH_DOWN;
	p->down_us = p->probe_us = t->now_us;
	p->n.deaths++;
	t->stats.path_deaths++;
	t->n_up--;
	tn_sent_give(t, p);
	p->dgram = TUNNEL_DGRAM_MIN;
	p->mtu_try = t->conf.dgram_max;
	p->mtu_tries = 0;
	if (t->n_up == 0)
		t->resuming_us = t->now_us;
	tn_event(t, &p->ev, TUNNEL_EV_PATH);
	tn_schedule(t);
}

enum others { OTHERS_NONE, OTHERS_STANDBY, OTHERS_LIKE };

/* What there is to go to when p is left. */
static enum others others(const struct tunnel *t, const struct tn_path *p)
{
	const struct tn_path *x;
	enum others best = OTHERS_NONE;

	if (t->n_up <= (p->state == TN_PATH_UP))
		return best; /* nearly always: this is asked at every turn */
	tn_paths_for (x, t) {
		if (x == p || x->state != TN_PATH_UP)
			continue;
		best = MAX(best, tn_reliable(x) ? OTHERS_STANDBY : OTHERS_LIKE);
	}
	return best;
}

static int64_t silence(const struct tn_path *p, enum others instead)
{
	int64_t round = 2 * p->srtt_us;

	if (tn_reliable(p))
		return MAX(SILENCE_RELIABLE_US, 3 * round);
	switch (instead) {
	case OTHERS_NONE:
		return MAX(SILENCE_ALONE_US, 2 * round);
	case OTHERS_STANDBY:
		return MAX(SILENCE_STANDBY_US, 3 * p->srtt_us);
	case OTHERS_LIKE:
		break;
	}
	return CLAMP(round + 2 * p->rttvar_us + 30 * MS_US, SILENCE_MIN_US,
		     MAX(SILENCE_US, round + 10 * MS_US));
}

/* When an unanswered path is asked for a sign of life, beside probe timeouts: soon where another can
 * take its place, otherwise often, until it is too late for an answer; and there not before the next
 * ACK at leisure should have come, too, or each that is lost costs more than it saved. */
static int64_t ask_due(const struct tunnel *t, struct tn_path *p)
{
	int64_t oldest = tn_sent_suspect(p), patience, late, first, step = ASK_MIN_US;
	unsigned asked = oldest == p->asked_us ? p->asks : 0, most = ASKS;
	enum others instead;

	if (oldest == NEVER_US)
		return NEVER_US;
	instead = others(t, p);
	patience = silence(p, instead);
	late = patience - p->srtt_us - ASK_MIN_US;
	first = p->srtt_us + 2 * p->rttvar_us;
	if (instead != OTHERS_LIKE) {
		most = ASKS_ALONE;
		first += p->suspect_lazy ? 2 * tn_ack_leisure(p) : 0;
		first = MAX(first, patience / 3);
		step = MAX((late - MIN(first, late)) / (ASKS_ALONE - 1), ASK_ALONE_MIN_US);
	}
	first = MAX(MIN(late, first), p->srtt_us + ASK_MIN_US);
	return asked < most ? oldest + first + asked * step : NEVER_US;
}

/* One question for all that have become due: the round trip may have turned out shorter, or this
 * process was not there. */
static void ask(const struct tunnel *t, struct tn_path *p)
{
	while (ask_due(t, p) <= t->now_us) {
		int64_t oldest = tn_sent_suspect(p);

		p->asks = oldest == p->asked_us ? p->asks + 1 : 1;
		p->asked_us = oldest;
		p->ask_us = t->now_us;
		p->ping = p->asking = true;
	}
}

/* When an unanswered path is left: not before it was asked, and could answer. */
static int64_t down_due(const struct tunnel *t, struct tn_path *p)
{
	int64_t oldest = tn_sent_suspect(p);

	if (oldest == NEVER_US || oldest != p->asked_us)
		return NEVER_US;
	return MAX(oldest + silence(p, others(t, p)), p->ask_us + p->srtt_us + ASK_MIN_US);
}

/* ---- signs of life ---- */

void tn_life_acked(struct tunnel *t, struct tn_path *p)
{
	if (p->state != TN_PATH_GONE && p->proven)
		tn_life_up(t, p);
}

/* What comes in tells nothing of the way out, but it is time to ask. When nothing came for a time and
 * there is no other, the line is back: what waits goes at once. */
void tn_life_heard(struct tunnel *t, struct tn_path *p)
{
	if (p->state == TN_PATH_DOWN && p->proven && t->n_up == 0 &&
	    t->now_us - p->recv_us >= HEARD_AGAIN_US)
		tn_life_up(t, p);
	if (p->state != TN_PATH_UP)
		p->probe_us = MIN(p->probe_us, MAX(t->now_us, p->last_sent_us + PROBE_HEARD_US));
}

void tn_life_ping(struct tunnel *t)
{
	struct tn_path *p;

	tn_paths_for (p, t) {
		p->ping = true;
	}
}

/* ---- time ---- */

/* A server leaves it to the client to find out whether a path that is dead for long has come back. */
static void probe(struct tunnel *t, struct tn_path *p)
{
	bool long_dead = t->server && t->n_up && t->now_us > p->down_us + t->conf.resume_us;

	tn_sent_give(t, p);
	p->ping = true;
	p->probe_us = long_dead ? NEVER_US : t->now_us + PROBE_US;
}

/* When a path that is up is asked because nothing was. One that stands by is asked seldom: nothing
 * that came in the meantime waits for its answer. */
static int64_t keepalive_due(const struct tunnel *t, const struct tn_path *p)
{
	bool stands_by = tn_reliable(p) && others(t, p) == OTHERS_LIKE;

	return p->plain_us +
	       (stands_by ? MAX(t->conf.keepalive_us, STANDBY_US) : t->conf.keepalive_us);
}

/* Who was sent much, and then nothing at all, says something, once: it may have another address now,
 * without knowing, and the server learns that from nobody else. */
static int64_t hush_due(const struct tunnel *t, const struct tn_path *p)
{
	int64_t hush = CLAMP(p->srtt_us / 2, HUSH_MIN_US, HUSH_MAX_US);

	if (t->server || !p->heavy || p->hush_us == p->recv_us || p->recv_us - p->heavy_us >= hush)
		return NEVER_US;
	return p->recv_us + hush;
}

static void hush(const struct tunnel *t, struct tn_path *p)
{
	if (hush_due(t, p) > t->now_us)
		return;
	p->hush_us = p->recv_us;
	p->ping = p->asking = true;
}

void tn_life_timers(struct tunnel *t, struct tn_path *p)
{
	if (p->state == TN_PATH_UP && down_due(t, p) <= t->now_us)
		down(t, p);
	if (p->state == TN_PATH_UP) {
		ask(t, p);
		hush(t, p);
		if (t->now_us >= keepalive_due(t, p)) {
			p->ping = true;
			tn_sent_trim(p);
		}
	}
	if (p->state != TN_PATH_UP && p->proven && p->probe_us <= t->now_us)
		probe(t, p);
}

int64_t tn_life_wake(const struct tunnel *t, struct tn_path *p)
{
	if (p->state == TN_PATH_UP)
		return MIN(MIN(MIN(down_due(t, p), ask_due(t, p)), hush_due(t, p)),
			   tn_held(p) ? NEVER_US : keepalive_due(t, p));
	return p->proven ? p->probe_us : NEVER_US;
}

int64_t tn_life_end(const struct tunnel *t)
{
	bool open = t->n_local + t->n_peer + t->n_flows_local + t->n_flows_peer > 0;
	int64_t patience = open ? MAX(t->conf.resume_us, t->conf.idle_us) : t->conf.idle_us;

	return MIN(t->lost_end_us, MIN(t->heard_us, t->resuming_us) + patience);
}
