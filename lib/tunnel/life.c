/* Which paths are alive. One is up while what goes over it is acknowledged; one that falls silent is
 * left, what it had on its way goes over the others, and it is probed until it answers. When none is
 * up the tunnel is resuming: everything waits for the first that answers. */
#include "tunnel/internal.h"

#define PROBE_US (250 * MS_US)
#define PROBE_HEARD_US (20 * MS_US) /* at a sign of life, when the last probe is older than that */
/* Silence after which a path is asked, and after which it is left, when there is another: time for a
 * question and its answer. */
#define ASK_MIN_US (10 * MS_US)
#define ASKS 3 /* the question may be lost, too */
#define SILENCE_MIN_US (120 * MS_US)
#define SILENCE_US (450 * MS_US)
#define SILENCE_ALONE_US SEC_US

/* ---- up and down ---- */

void tn_life_up(struct tunnel *t, struct tn_path *p)
{
	if (p->state == TN_PATH_UP)
		return;
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

static int64_t silence(const struct tunnel *t, const struct tn_path *p)
{
	int64_t round = 2 * p->srtt_us;

	if (t->n_up < 2)
		return MAX(SILENCE_ALONE_US, 2 * round);
	return CLAMP(round + 2 * p->rttvar_us + 30 * MS_US, SILENCE_MIN_US,
		     MAX(SILENCE_US, round + 10 * MS_US));
}

/* When an unanswered path is asked for a sign of life, sooner than by a probe timeout. */
static int64_t ask_due(const struct tunnel *t, struct tn_path *p)
{
	int64_t oldest = t->n_up < 2 ? NEVER_US : tn_sent_suspect(p);
	int64_t late = silence(t, p) - p->srtt_us - ASK_MIN_US; /* no time for an answer then */
	unsigned asked = oldest == p->asked_us ? p->asks : 0;

	if (oldest == NEVER_US || asked == ASKS)
		return NEVER_US;
	late = MIN(late, p->srtt_us + 2 * p->rttvar_us);
	return oldest + MAX(late, p->srtt_us + ASK_MIN_US) + asked * ASK_MIN_US;
}

/* One question for all that have become due: the round trip may have turned out shorter. */
static void ask(const struct tunnel *t, struct tn_path *p)
{
	while (ask_due(t, p) <= t->now_us) {
		int64_t oldest = tn_sent_suspect(p);

		p->asks = oldest == p->asked_us ? p->asks + 1 : 1;
		p->asked_us = oldest;
		p->ping = true;
	}
}

/* When an unanswered path is left. */
static int64_t down_due(const struct tunnel *t, struct tn_path *p)
{
	int64_t oldest = tn_sent_suspect(p);

	return oldest == NEVER_US ? NEVER_US : oldest + silence(t, p);
}

/* ---- signs of life ---- */

void tn_life_acked(struct tunnel *t, struct tn_path *p)
{
	if (p->state != TN_PATH_GONE && p->proven)
		tn_life_up(t, p);
}

/* What comes in tells nothing of the way out, but it is time to ask. */
void tn_life_heard(struct tunnel *t, struct tn_path *p)
{
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

void tn_life_timers(struct tunnel *t, struct tn_path *p)
{
	if (p->state == TN_PATH_UP && down_due(t, p) <= t->now_us)
		down(t, p);
	if (p->state == TN_PATH_UP) {
		ask(t, p);
		if (t->now_us >= p->plain_us + t->conf.keepalive_us) {
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
		return MIN(MIN(down_due(t, p), ask_due(t, p)),
			   tn_held(p) ? NEVER_US : p->plain_us + t->conf.keepalive_us);
	return p->proven ? p->probe_us : NEVER_US;
}

int64_t tn_life_end(const struct tunnel *t)
{
	bool open = t->n_local + t->n_peer + t->n_flows_local + t->n_flows_peer > 0;
	int64_t patience = open ? MAX(t->conf.resume_us, t->conf.idle_us) : t->conf.idle_us;

	return MIN(t->lost_end_us, MIN(t->heard_us, t->resuming_us) + patience);
}
