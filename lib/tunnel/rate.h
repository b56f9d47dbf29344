/* rate: how fast to send. A controller is told what was acknowledged and lost and answers with a
 * pacing rate and a bound on bytes in flight. Pure arithmetic, one for each path. All bytes are
 * bytes on the wire, with UDP and IP headers. */
#ifndef GEX_TUNNEL_RATE_H
#define GEX_TUNNEL_RATE_H

#include "base/base.h"

#define TN_RATE_ROUNDS 10

/* One ACK's worth of news; delivery rates as in draft-cheng-iccrg-delivery-rate-estimation. */
struct tn_rate_sample {
	int64_t now_us;
	int64_t rtt_us;	    /* of the newest packet acknowledged, 0: none usable */
	int64_t min_rtt_us; /* of the path, windowed */
	uint64_t acked, lost;
	uint64_t in_flight;   /* after */
	uint64_t delivered;   /* in total, after */
	uint64_t bytes_per_s; /* delivery rate, 0: none usable */
	bool app_limited;     /* the sender had nothing to send: the rate is a lower bound */
	bool round; /* a packet was acknowledged that was sent after the last round's end */
};

enum tn_rate_mode { TN_RATE_STARTUP, TN_RATE_DRAIN, TN_RATE_CRUISE, TN_RATE_PROBE_RTT };

#define TN_RATE_BIN 8

/* The model of `auto`. */
struct tn_rate_model {
	enum tn_rate_mode mode;
	uint64_t bw;		       /* the highest of the last rounds, bytes a second */
	uint64_t best[TN_RATE_ROUNDS]; /* each round's highest */
	unsigned best_at;
	uint64_t full_bw;     /* startup: the last bw that was a real growth */
	unsigned full_rounds; /* rounds without one */
	uint64_t round_acked, round_lost;
	int64_t bin_us[2]; /* lowest round trip of the bin of samples before, and of this one */
	unsigned bin_n;
	int64_t queue_us;  /* the lowest of both, over the path's lowest */
	bool round_queued; /* it was a queue at some time in this round, or the one before */
	bool before_queued;
	int64_t loss_ppm;   /* random losses, smoothed */
	bool round_limited; /* by the application, all of it */
	unsigned phase;
	uint64_t phase_bw; /* bw when it began */
	int64_t phase_us, probe_rtt_us;
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
	int64_t min_rtt_us;
	uint64_t fixed; /* bytes a second */
	struct tn_rate_model m;
};

/* bps 0: auto. rtt_us: a first guess. */
void tn_rate_init(struct tn_rate *r, int64_t bps, int64_t rtt_us);
extern const struct tn_rate_ops tn_rate_fixed, tn_rate_auto;
/* For a carrier with a congestion control of its own: whatever it takes. */
extern const struct tn_rate_ops tn_rate_carried;

#endif
