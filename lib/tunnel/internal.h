/* What the files of tunnel share. From the outside in: tunnel.c and acceptor.c (life, events),
 * packet.c (datagrams), frames.c (what is in them), stream.c and flow.c (what the application
 * sees), paths.c (which paths there are, and which one takes what), path.c, recover.c, ack.c
 * (numbers, times, losses of one), rate*.c (speed). */
#ifndef GEX_TUNNEL_INTERNAL_H
#define GEX_TUNNEL_INTERNAL_H

#include "tunnel/bytes.h"
#include "tunnel/rate.h"
#include "tunnel/tunnel.h"

/* ---- the wire: gex-tunnel(7) ---- */

#define TN_HEADER_LEN 13 /* flags, connection id, packet number */
#define TN_FLAG_FIXED 0x40
#define TN_FLAG_MASK 0xc0
#define TN_FLAG_PATH(f) ((f) >> 3 & 7)
#define TN_PATHS 8
#define TN_FLAG_PHASE 0x07 /* the lowest bits of the epoch */
#define TN_LOST_FLAG 0x80  /* "no such connection": this byte and the id */
#define TN_LOST_LEN 9
#define TN_UDP_IP 28 /* counted with each datagram when it comes to rates */

enum {
	TN_F_PADDING = 0x00,
	TN_F_PING = 0x01,
	TN_F_ACK = 0x02,
	TN_F_MAX_DATA = 0x03,
	TN_F_MAX_STREAM = 0x04,
	TN_F_RESET = 0x05,
	TN_F_CLOSE = 0x06,
	TN_F_STREAM = 0x10, /* to 0x13 */
	TN_F_STREAM_FIN = 0x01,
	TN_F_STREAM_OPEN = 0x02,
	TN_F_FLOW = 0x20, /* to 0x23 */
	TN_F_FLOW_OPEN = 0x01,
	TN_F_FLOW_PIECE = 0x02,
	TN_F_FLOW_CLOSE = 0x24,
	TN_F_FLOW_GONE = 0x25,
};

/* Credit that both sides have from the start. */
#define TN_STREAM_CREDIT (1024 * 1024)
#define TN_TUNNEL_CREDIT (8 * 1024 * 1024)
#define TN_ACK_RANGES 32
#define TN_ID_GAPS 4096	     /* stream ids skipped by the peer */
#define TN_STREAM_GAPS 16384 /* holes in one stream */
#define TN_PACKETS_MAX 65536 /* numbers remembered of packets sent */
#define TN_LEVELS 4

/* ---- events: an object is in its tunnel's list while it has bits ---- */

enum tn_kind { TN_STREAM, TN_FLOW };

struct tn_ev {
	struct list link;
	enum tn_kind kind;
	unsigned bits; /* 1 << tunnel_event_type */
};

/* An object that has something to send, in the list of its level. */
struct tn_sender {
	struct list link;
	enum tn_kind kind;
};

/* ---- packets sent ---- */

enum tn_ref_kind {
	TN_REF_STREAM,
	TN_REF_RESET,
	TN_REF_MAX_DATA,
	TN_REF_MAX_STREAM,
	TN_REF_FLOW_OPEN,
	TN_REF_FLOW_CLOSE,
};

/* What a packet carried that is sent again when it is lost. */
struct tn_ref {
	uint64_t id, off;
	uint32_t len;
	uint8_t kind, flags; /* flags: of the stream frame */
};

#define TN_REFS 6

enum tn_sent_state { TN_SENT_NONE, TN_SENT_FLIGHT, TN_SENT_ACKED, TN_SENT_LOST };

struct tn_sent {
	int64_t sent_us;
	uint64_t delivered, lost; /* the path's counts when it was sent */
	int64_t delivered_us, first_us;
	uint64_t acks; /* it carried an ACK up to this number - 1; 0 none */
	uint16_t size; /* on the wire, with headers */
	uint8_t state, refs, acks_path;
	bool app_limited, mtu_probe;
	struct tn_ref ref[TN_REFS];
};

/* ---- keys ---- */

/* How long a key serves. */
#define TN_KEY_PACKETS (1 << 24)
#define TN_KEY_TIME_US (600 * SEC_US)
struct tn_key_life {
	uint64_t packets;
	int64_t time_us;
};

struct tn_keys {
	enum crypt_suite suite;
	uint8_t secret[CRYPT_SECRET_LEN]; /* of `next` */
	uint64_t epoch;			  /* of `now` */
	uint64_t first;			  /* sender: number of the first packet under `now` */
	int64_t since_us;
	struct crypt_seal *before, *now, *next;
};

/* ---- a path ---- */

struct tn_path {
	int id;		 /* the carrier's */
	unsigned number; /* on the wire, and its place in the tunnel's table */
	struct tunnel_addr addr;
	uint64_t moved_at; /* the number of the packet that named addr last, + 1 */

	uint64_t next; /* number of the next packet */
	struct tn_sent *sent;
	size_t sent_cap;
	uint64_t low, low_flight;   /* oldest remembered; no older one is in flight */
	struct tn_spans acked;	    /* numbers from low on that are acknowledged */
	uint64_t largest_acked;	    /* + 1 */
	uint64_t in_flight, flight; /* bytes, packets */
	int64_t last_sent_us;	    /* that wants an ACK */
	int64_t loss_us;	    /* when time tells the next loss */
	unsigned pto_count, probes;
	uint64_t reorder; /* packets behind the largest that may still come */
	int64_t reorder_eighths;
	unsigned calm_rounds; /* since a loss was spurious */

	int64_t srtt_us, rttvar_us, latest_us;
	int64_t min_rtt_us, min_next_us, min_since_us; /* window; the next window's; since */

	uint64_t delivered, lost_bytes;
	int64_t delivered_us, first_us;
	uint64_t limited_until, round_end;

	struct tn_keys out, in;
	struct crypt_replay replay;
	uint64_t recv_next; /* highest received + 1 */
	int64_t recv_us;    /* when that was */
	struct tn_spans recv;
	unsigned ack_pending, acks_alone;
	bool ack_now;
	int64_t ack_us; /* when an ACK is due */

	struct tn_rate rate;
	int64_t tokens, tokens_us;
	bool ping; /* something that wants an ACK is to be sent */
	int64_t spoke_us;

	size_t warm_left; /* bytes of padding that may still be sent to measure it */
	size_t dgram, mtu_try;
	unsigned mtu_tries;
	int64_t mtu_us; /* next probe */
};

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
	uint32_t len, sent; /* sent: bytes of pieces sent */
	uint64_t seq;
	uint8_t data[];
};

struct tn_dgrams {
	struct tn_dgram *first, **last;
	size_t bytes;
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
	struct tn_dgrams out, in;
	uint64_t seq;	    /* of the next datagram sent */
	uint64_t seen_next; /* highest seq received + 1 */
	uint64_t seen;	    /* bit n: seen_next - 1 - n */
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

/* A small write that is sent twice when it is not acknowledged soon. */
#define TN_ECHOES 64
struct tn_echo {
	int64_t due_us;
	uint64_t id, off;
	uint32_t len;
};

/* keys.c */
int tn_keys_init(struct tn_keys *k, enum crypt_suite suite, const uint8_t *secret, int64_t now_us);
void tn_keys_finish(struct tn_keys *k);
/* The receiver's, by the phase bits of a datagram. NULL: neither of the present epoch nor of one beside
 * it. */
struct crypt_seal *tn_keys_of(const struct tn_keys *k, unsigned phase, uint64_t *epoch);
/* An authentic packet of that epoch was opened. */
int tn_keys_reach(struct tn_keys *k, uint64_t epoch);
/* Before a packet of that number is sealed: changes the keys when they have served their time. acked:
 * the highest number that the peer acknowledged + 1. */
int tn_keys_turn(struct tn_keys *k, const struct tn_key_life *life, uint64_t number, uint64_t acked,
		 int64_t now_us);

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
	uint64_t id_out;
	struct tn_id node; /* the id of datagrams to us, in the acceptor's map */

	struct tn_path *path[TN_PATHS]; /* by number; NULL: none. 0 is always there */
	int64_t heard_us, idle_end_us;

	struct tn_idmap streams, flows;
	struct list all_streams, flow_age, closed_flows, updates;
	struct list ready[TN_LEVELS];
	uint64_t next_stream, next_flow; /* ids of ours */
	struct tn_spans peer_streams;	 /* ids of the peer's seen, by count */
	unsigned n_local, n_peer, n_flows_local, n_flows_peer;

	uint64_t data_sent, data_peer_max; /* credit: used, given by the peer */
	uint64_t data_high, data_read, data_max;
	bool max_data_wanted, starved; /* starved: a write met tunnel_buffer */
	size_t buffered_out;

	struct tn_echo echo[TN_ECHOES];
	unsigned echo_head, echo_n;
	struct tn_note note[TN_NOTES];
	unsigned note_n;
	struct tn_partial partial[TN_PARTIALS];

	struct list events; /* tn_ev */
	unsigned ev_bits;   /* CONNECTED, CLOSED */

	struct acceptor *acceptor;
	struct list a_all, a_busy, a_events;
	struct tn_id addr_node; /* while in handshake: its address, in the acceptor's map */
	uint8_t hello[32];	/* the random bytes of its ClientHello */
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
/* The peer broke the protocol: closes, saying how. Returns -EPROTO. */
int tn_broken(struct tunnel *t, const char *how);
/* What a step of the handshake came to: crypt_shake_input's answer. */
void tn_shake_step(struct tunnel *t, int status);
/* acceptor.c: its handshake is over, one way or the other. */
void tn_acceptor_connected(struct tunnel *t);
void tn_acceptor_failed(struct tunnel *t, int why);
void tn_acceptor_settled(struct tunnel *t);
void tn_acceptor_forget(struct tunnel *t);
void tn_acceptor_touch(struct tunnel *t);
void tn_note_add(struct tunnel *t, uint8_t type, uint64_t id);

/* frames.c: the inner layer. Takes the frames of an authentic packet; *eliciting: it wants an ACK.
 * 0 or -EPROTO (the tunnel is then closing). */
int tn_frames_take(struct tunnel *t, struct tn_path *p, const void *data, size_t n,
		   bool *eliciting);
void tn_put_open(struct wr *w, const struct tunnel_open *o);
size_t tn_open_len(const struct tunnel_open *o);
bool tn_get_open(struct rd *r, struct tunnel_open *o);

/* packet.c */
size_t tn_packet_build(struct tunnel *t, struct tn_path *p, uint8_t *buf, size_t cap);
/* When that path must be looked at again. */
int64_t tn_packet_wake(const struct tunnel *t, const struct tn_path *p);

/* path.c */
void tn_path_init(struct tn_path *p, const struct tunnel_conf *conf, int id,
		  const struct tunnel_addr *addr, int64_t now_us);
void tn_path_finish(struct tn_path *p);
void tn_path_rtt(struct tn_path *p, int64_t rtt_us, int64_t delay_us, int64_t now_us);
void tn_path_fill(struct tn_path *p, int64_t now_us);
int64_t tn_path_burst(const struct tn_path *p);

/* paths.c */
#define tn_paths_for(p, t) \
	for (unsigned i_ = 0; i_ < TN_PATHS; i_++) \
		if ((p = (t)->path[i_]) != NULL)
int tn_paths_add(struct tunnel *t, unsigned number, int id, const struct tunnel_addr *addr);
void tn_paths_finish(struct tunnel *t);
/* Derives the keys of a path; those of 0 when the handshake is complete. */
int tn_paths_key(struct tunnel *t, struct tn_path *p);
/* The path for what is urgent. */
struct tn_path *tn_paths_best(const struct tunnel *t);
/* May data of that level go over it? */
bool tn_paths_takes(const struct tunnel *t, const struct tn_path *p, int level);
/* Control frames that belong to no path? */
bool tn_paths_controls(const struct tunnel *t, const struct tn_path *p);
void tn_paths_ping(struct tunnel *t);

/* recover.c */
struct tn_sent *tn_sent_slot(struct tn_path *p, uint64_t number);
int tn_sent_reserve(struct tunnel *t, struct tn_path *p);
void tn_sent_mark(struct tunnel *t, struct tn_path *p, struct tn_sent *s, size_t size);
int tn_acked(struct tunnel *t, struct tn_path *p, const struct tn_span *range, size_t n,
	     int64_t delay_us);
int64_t tn_pto(const struct tn_path *p);
int64_t tn_pto_due(const struct tn_path *p);
void tn_recover_timers(struct tunnel *t, struct tn_path *p);

/* ack.c */
void tn_ack_received(struct tn_path *p, uint64_t number, bool eliciting, int64_t now_us);
void tn_ack_acked(struct tn_path *p, uint64_t acks);
/* Writes an ACK frame of that path; returns the highest number in it + 1, 0 when there was no room. */
uint64_t tn_ack_put(struct tn_path *p, struct wr *w, int64_t now_us);

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
bool tn_stream_put(struct tunnel_stream *s, struct wr *w, struct tn_ref *r);
bool tn_stream_put_echo(struct tunnel_stream *s, struct wr *w, const struct tn_echo *e,
			struct tn_ref *r);
bool tn_stream_unacked(const struct tunnel_stream *s, uint64_t off, uint64_t len);
void tn_stream_acked(struct tunnel *t, const struct tn_ref *r);
void tn_stream_lost(struct tunnel *t, const struct tn_ref *r);
void tn_stream_reset(struct tunnel_stream *s, uint32_t code);
void tn_stream_update(struct tunnel_stream *s);
void tn_streams_check(struct tunnel *t); /* all: credit came */
struct tunnel_stream *tn_stream_find(struct tunnel *t, uint64_t id);
void tn_echo_add(struct tunnel *t, uint64_t id, uint64_t off, size_t len);

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
bool tn_flow_put(struct tunnel_flow *f, struct wr *w, struct tn_ref *r, bool *has_ref);
void tn_flow_acked(struct tunnel *t, const struct tn_ref *r);
void tn_flow_take(struct tunnel *t, const struct tn_flow_frame *f);
void tn_flow_take_note(struct tunnel *t, uint8_t type, uint64_t id);
struct tunnel_flow *tn_flow_make(struct tunnel *t, uint64_t id, const struct tunnel_open *open);
void tn_flow_free(struct tunnel_flow *f);
void tn_flow_used(struct tunnel_flow *f);
void tn_flow_sweep(struct tunnel *t);
int64_t tn_flow_due(const struct tunnel *t);
int tn_dgrams_add(struct tn_dgrams *q, const void *data, size_t n, uint64_t seq);
void tn_dgrams_drop(struct tn_dgrams *q);
void tn_dgrams_finish(struct tn_dgrams *q);

#endif
