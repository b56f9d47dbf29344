/* What the files of tunnel share. From the outside in: tunnel.c and acceptor.c (life, events), input.c and output.c
 * (datagrams and time), shake.c (the handshake), packet.c, due.c and fill.c (datagrams that go), frames.c (what is in
 * those that come), stream.c and flow.c (what the application sees), paths.c (which paths there are), life.c (which are
 * alive), trial.c (whose address is proven), schedule.c (which one takes what), path.c, recover.c, ack.c (numbers,
 * times, losses of one), rate*.c (speed). path.h and wire.h are below. */
#ifndef GEX_TUNNEL_INTERNAL_H
#define GEX_TUNNEL_INTERNAL_H

#include "tunnel/path.h"

/* ---- streams ---- */

struct tunnel_stream {
	struct tn_id node;
	struct tunnel *t;
	struct tn_sender snd;
	struct tn_ev ev;
	struct list all, update; /* update: has a control frame to send */
	struct tunnel_open open;
	void *user;
	bool local, known /* open is set */, held /* by the application */;

	struct tn_ring out; /* from the first unacknowledged byte */
	uint64_t written, next;
	struct tn_spans acked, lost;
	struct tn_spans hard; /* of those lost, what was lost more than once */
	uint64_t peer_max;
	bool open_wanted, open_acked; /* to be sent, at offset 0 */
	bool fin, fin_sent, fin_acked, fin_lost;
	bool blocked; /* a write did not take all */
	int64_t burst_us;
	uint64_t burst; /* bytes since the last pause, for AUTO */

	struct tn_ring in; /* from the first unread byte */
	struct tn_spans got;
	uint64_t high, final; /* highest offset seen; UINT64_MAX: not known */
	uint64_t window, max;
	int64_t grown_us;
	bool max_wanted;

	bool rst_wanted, rst_sent, rst_acked, rst_got;
	uint32_t code, peer_code;
};

/* ---- flows ---- */

struct tn_dgram {
	struct tn_dgram *next;
	uint32_t len, sent, acked; /* bytes of pieces */
	uint64_t seq;
	int64_t since_us;
	struct tn_spans again; /* lost pieces to be sent again; one of no bytes counts as one */
	uint8_t data[];
};

struct tn_dgrams {
	struct tn_dgram *first, **last;
	size_t bytes, *sum; /* sum: of all flows of the tunnel */
};

/* Which numbers came, of the last `size`. */
struct tn_seen {
	uint64_t next;	/* the highest + 1 */
	uint64_t *bits; /* NULL: `word` alone */
	uint64_t word;
	uint32_t size;
	uint64_t turned; /* next, and the time, when it was last gone round */
	int64_t turned_us;
};

struct tunnel_flow {
	struct tn_id node;
	struct tunnel *t;
	struct tn_sender snd;
	struct tn_ev ev;
	struct list age; /* least lately used first */
	struct tunnel_open open;
	void *user;
	bool local, held, closed, open_acked;
	int64_t used_us;
	struct tn_dgrams out, kept, in; /* kept: sent, not acknowledged */
	unsigned n_again;		/* of those kept, how many have pieces to be sent again */
	uint64_t seq;			/* of the next datagram sent */
	struct tn_seen seen;
};

#define TN_PARTIALS 16

/* A datagram that comes in pieces. */
struct tn_partial {
	uint64_t flow, seq;
	uint8_t *data;
	size_t len;
	struct tn_spans got;
	int64_t since_us;
};

/* A short control frame waiting to go out once, best effort. */
#define TN_NOTES 32
struct tn_note {
	uint8_t type;
	uint64_t id;
};

/* ---- the tunnel ---- */

struct tunnel {
	struct tunnel_conf conf;
	enum tunnel_state state;
	bool server;
	int64_t now_us;
	void *user;
	char key_name[CRYPT_NAME_MAX + 1];

	int reason;
	uint32_t close_code;
	char close_text[TUNNEL_REASON_MAX + 1];

	struct crypt_shake *shake;
	int64_t shake_us, shake_gap_us, shake_end_us, answered_us;
	bool keyed;
	enum crypt_suite suite;
	uint8_t secret_out[TN_PATHS][CRYPT_SECRET_LEN]; /* of each path's first key */
	uint8_t secret_in[TN_PATHS][CRYPT_SECRET_LEN];
	unsigned keyed_paths; /* bits: those that have taken their secrets, once and for all */
	struct tn_key_life key_life;
	uint32_t id_out;
	struct tn_id node; /* the id of datagrams to us, in the acceptor's map */

	struct tn_path *path[TN_PATHS]; /* by number; NULL: none. 0 is always there */
	struct tn_path *best, *spare;	/* spare: the second best, may be NULL */
	unsigned n_up;
	uint8_t gone_wanted; /* a bit for each path that the peer is to forget */
	int64_t schedule_us; /* when `best` is looked at again */
	int64_t heard_us,
	    lost_end_us;     /* lost_end_us: patience with a peer that seems to be another */
	int64_t resuming_us; /* since when no path is up; NEVER_US: one is */
	unsigned closes;     /* CLOSE datagrams still to be sent */
	int64_t close_us;    /* and when the next one goes */
	bool timed;	     /* what is due at now_us has been done */

	struct tn_idmap streams, flows;
	struct list all_streams, flow_age, closed_flows, updates;
	struct list ready[TN_LEVELS];
	uint64_t next_stream, next_flow;	  /* ids of ours */
	struct tn_spans peer_streams, peer_flows; /* ids of the peer's seen, by count */
	unsigned n_local, n_peer, n_flows_local, n_flows_peer;

	uint64_t data_sent, data_peer_max; /* credit: used, given by the peer */
	uint64_t data_high, data_read, data_max;
	bool max_data_wanted, starved; /* starved: a write met tunnel_buffer */
	size_t buffered_out;
	struct tn_pool pool; /* of the streams' rings */

	struct tn_note note[TN_NOTES];
	unsigned note_n;
	struct tn_partial partial[TN_PARTIALS];
	size_t flows_out, flows_kept, flows_in; /* bytes queued by all flows */
	bool mending;				/* what is being read was recovered */

	struct list events; /* tn_ev */
	unsigned ev_bits;   /* CONNECTED, CLOSED */

	struct acceptor *acceptor;
	struct list a_all, a_busy, a_events;
	struct tn_id addr_node;	 /* while in handshake: its address, in the acceptor's map */
	struct tn_id place_node; /* the reliable address that it was heard from last; id 0: none */
	uint8_t hello[32];	 /* the random bytes of its ClientHello */
	bool announced;
	struct tn_timer a_timer;

	struct tunnel_stats stats;
};

/* tunnel.c */
int tn_create(const struct tunnel_conf *conf, bool server, int path, const struct tunnel_addr *to,
	      int64_t now_us, struct tunnel **out);
int tn_key(struct tunnel *t, const struct crypt_secrets *s);
void tn_now(struct tunnel *t, int64_t now_us);
void tn_touch(struct tunnel *t); /* it may have something to send, or an event */
void tn_event(struct tunnel *t, struct tn_ev *ev, enum tunnel_event_type type);
void tn_closed(struct tunnel *t, int reason);
/* Says so to the peer first, if there is one. */
void tn_close(struct tunnel *t, int reason, uint32_t code, const char *text);
/* The peer broke the protocol: closes, saying how. Returns -EPROTO. */
int tn_broken(struct tunnel *t, const char *how);
/* acceptor.c: its handshake is over, one way or the other. */
void tn_acceptor_connected(struct tunnel *t);
void tn_acceptor_failed(struct tunnel *t, int why);
void tn_acceptor_settled(struct tunnel *t);
void tn_acceptor_forget(struct tunnel *t);
void tn_acceptor_touch(struct tunnel *t);
void tn_note_add(struct tunnel *t, uint8_t type, uint64_t id);

/* shake.c: the handshake, which the tunnel owns from here on */
void tn_shake_begin(struct tunnel *t, struct crypt_shake *shake);
void tn_shake_end(struct tunnel *t);
/* What a step of it came to: crypt_shake_input's answer. */
void tn_shake_step(struct tunnel *t, int status);
int tn_shake_input(struct tunnel *t, const void *dgram, size_t n);
void tn_shake_timers(struct tunnel *t);
int64_t tn_shake_wake(const struct tunnel *t);

/* frames.c: the inner layer. Takes the frames of an authentic packet. 0 or -EPROTO (the tunnel is
 * then closing). */
int tn_frames_take(struct tunnel *t, struct tn_path *p, const struct tn_where *from,
		   const void *data, size_t n, enum tn_wants *wants);
void tn_put_open(struct wr *w, const struct tunnel_open *o);
size_t tn_open_len(const struct tunnel_open *o);
bool tn_get_open(struct rd *r, struct tunnel_open *o);

/* packet.c */
size_t tn_packet_build(struct tunnel *t, struct tn_path *p, uint8_t *buf, size_t cap);
/* A packet with a challenge alone. */
size_t tn_packet_challenge(struct tunnel *t, struct tn_path *p, uint8_t *buf, uint64_t token);

/* due.c */
/* The lowest priority that may send now; -1: none. */
int tn_due_allowed(const struct tn_path *p);
/* When that path must be looked at again. */
int64_t tn_due_wake(const struct tunnel *t, struct tn_path *p);

/* stream.c: the application's side and the sender; stream_in.c: the receiver */
struct tunnel_stream *tn_stream_make(struct tunnel *t, uint64_t id);
void tn_stream_free(struct tunnel_stream *s);
/* Puts it in the list of its level, or takes it out. */
void tn_stream_check(struct tunnel_stream *s);
/* As check; frees it when it is over: the caller must not use it any more. */
void tn_stream_settle(struct tunnel_stream *s);
bool tn_stream_sendable(const struct tunnel_stream *s);
unsigned tn_stream_level(const struct tunnel_stream *s);
/* Writes one frame, filling r; false when there is nothing to send, or no room for it. */
bool tn_stream_put(struct tunnel_stream *s, struct wr *w, struct tn_ref *r, bool bursts);
/* A short write with nothing behind it: what is lost of it would be missed late. */
bool tn_stream_short(const struct tunnel_stream *s, const struct tn_ref *r);
/* The beginning of a transfer, with more than a short write to be sent, or something lost. */
bool tn_stream_burst(const struct tunnel_stream *s);
void tn_stream_acked(struct tunnel *t, const struct tn_ref *r);
void tn_stream_lost(struct tunnel *t, const struct tn_ref *r);
void tn_stream_reset(struct tunnel_stream *s, uint32_t code);
void tn_stream_update(struct tunnel_stream *s);
void tn_streams_check(struct tunnel *t); /* all: credit came */
struct tunnel_stream *tn_stream_find(struct tunnel *t, uint64_t id);

struct tn_stream_frame {
	uint64_t id, off;
	const uint8_t *data;
	size_t len;
	bool fin, has_open;
	struct tunnel_open open;
};
int tn_stream_take(struct tunnel *t, const struct tn_stream_frame *f);
int tn_stream_take_reset(struct tunnel *t, uint64_t id, uint64_t code, uint64_t final);
int tn_stream_take_max(struct tunnel *t, uint64_t id, uint64_t max);
void tn_stream_abandon(struct tunnel_stream *s); /* nobody will read: gives the credit back */
void tn_data_read(struct tunnel *t, uint64_t n);

/* flow.c, flow_in.c */
struct tn_flow_frame {
	uint64_t id, seq, off, total;
	const uint8_t *data;
	size_t len;
	bool has_open, piece;
	struct tunnel_open open;
};
unsigned tn_flow_level(const struct tunnel_flow *f);
bool tn_flow_put(struct tunnel_flow *f, struct wr *w, struct tn_ref *r);
bool tn_flow_sendable(const struct tunnel_flow *f);
void tn_flow_acked(struct tunnel *t, const struct tn_ref *r);
void tn_flow_lost(struct tunnel *t, const struct tn_ref *r);
void tn_flow_take(struct tunnel *t, const struct tn_flow_frame *f);
void tn_flow_take_note(struct tunnel *t, uint8_t type, uint64_t id);
struct tunnel_flow *tn_flow_make(struct tunnel *t, uint64_t id, const struct tunnel_open *open);
void tn_flow_free(struct tunnel_flow *f);
void tn_flow_used(struct tunnel_flow *f);
void tn_flow_sweep(struct tunnel *t);
int64_t tn_flow_due(const struct tunnel *t);
int tn_dgrams_add(struct tn_dgrams *q, const void *data, size_t n, uint64_t seq, int64_t now_us);
void tn_dgrams_drop(struct tn_dgrams *q);
void tn_dgrams_finish(struct tn_dgrams *q);

#endif
