/* rate: how fast to send. A controller is told what was acknowledged and lost and answers with a
 * pacing rate and a bound on bytes in flight. Pure arithmetic, one for each path. All bytes are
 * bytes on the wire, with UDP and IP headers. rate.c measures, rate_auto.c and rate_fixed.c decide.
 */
#ifndef GEX_TUNNEL_RATE_H
#define GEX_TUNNEL_RATE_H

#include "base/base.h"

#define TN_RATE_ROUNDS 10
#define TN_RATE_MSS 1500

/* One ACK's worth of news; rates as in draft-cheng-iccrg-delivery-rate-estimation. */
struct tn_rate_sample {
	int64_t now_us;
	int64_t rtt_us;	    /* of the newest packet acknowledged, 0: none usable; and so much */
	int64_t back_us;    /* more, by a queue on the way back */
	int64_t min_rtt_us; /* of the path, windowed; 0: none yet */
	uint64_t acked, lost;
	uint64_t in_flight; /* after */
	uint64_t goodput;   /* bytes a second that arrived, 0: none usable */
	uint64_t passed;    /* and that arrived or were lost; losses over 20 % do not count */
	/* What the line gave, over the time of the acknowledgements alone: arrived; and lost.
	 * 0: there was a pause. */
	uint64_t out_arrived, out_lost;
	bool app_limited; /* the sender had nothing to send: the rates are lower bounds */
	bool round;	  /* a packet was acknowledged that was sent after the last round's end */
};

/* What both controllers look at. A round is about a round trip. */
struct tn_rate_meter {
	int64_t min_rtt_us;
	int64_t bin_us[2],
	    bin_since_us; /* lowest round trip of the last bin of samples, this one */
	unsigned bin_n;
	int64_t queue_us; /* the lowest of both over min_rtt_us: jitter passes, a queue stays */
	int64_t back_us;  /* acknowledgements wait so long */

	uint64_t goodput;	       /* the highest of the last rounds, bytes a second */
	uint64_t best[TN_RATE_ROUNDS]; /* each round's highest */
	unsigned best_at;

	uint64_t round_acked, round_lost;
	int64_t round_queue_us; /* the lowest queue of this round */
	bool round_limited;	/* by the application, all of it */
	int64_t loss_ppm;	/* random losses, smoothed */
};

enum tn_rate_mode { TN_RATE_STARTUP, TN_RATE_DRAIN, TN_RATE_ALONE, TN_RATE_SHARED };

/* The state of `auto`: see rate_auto.c. */
struct tn_rate_auto {
	enum tn_rate_mode mode;
	uint64_t bw; /* what passes the line, bytes a second: the base of the pace */
	int64_t up_ppm;
	uint64_t full_bw;     /* startup: the last bw that was a real growth */
	unsigned full_rounds; /* rounds without one */
	uint64_t line;	      /* what it was when we were alone */
	int64_t known_us;     /* when the sender last had enough to send to know */
	unsigned old;	      /* minutes since then, as far as they were counted */
	/* alone */
	int64_t empty_us;	  /* when the path was seen empty last, or was made so */
	int64_t drain_end_us;	  /* of a short drain that is under way; 0: none */
	int64_t standing_us;	  /* the queue that does not go away; 0: none */
	unsigned standing_rounds; /* so long */
	/* shared */
	unsigned phase, cycles;
	int64_t phase_us, phase_queue_us, usual_queue_us;
	bool emptying; /* lets its part of the queue drain, to see what stays */
	uint64_t kept; /* goodput before that */
};

struct tn_rate;
struct tn_rate_ops {
	const char *name;
	void (*on_ack)(struct tn_rate *r, const struct tn_rate_sample *s);
	/* Bytes a second, never 0; bytes in flight. */
	uint64_t (*pacing)(const struct tn_rate *r);
	uint64_t (*cwnd)(const struct tn_rate *r);
};

struct tn_rate {
	const struct tn_rate_ops *ops;
	struct tn_rate_meter m;
	struct tn_rate_auto a;
	uint64_t fixed; /* bytes a second */
};

/* bps 0: auto. rtt_us: a first guess. */
void tn_rate_init(struct tn_rate *r, int64_t bps, int64_t rtt_us);
/* Takes a sample into the meter; after it, when s->round, tn_rate_meter_round. */
void tn_rate_meter_take(struct tn_rate_meter *m, const struct tn_rate_sample *s);
/* The next round begins. random: the losses of the one before were not a queue's. */
void tn_rate_meter_round(struct tn_rate_meter *m, bool random);
/* x with losses made up for, up to 20 %. */
uint64_t tn_rate_made_up(const struct tn_rate_meter *m, uint64_t x);
/* The line's rate is not known yet, and only sending more would tell. */
bool tn_rate_searching(const struct tn_rate *r);
extern const struct tn_rate_ops tn_rate_fixed, tn_rate_auto;
/* For a carrier with a congestion control of its own: whatever it takes. */
extern const struct tn_rate_ops tn_rate_carried;

#endif
