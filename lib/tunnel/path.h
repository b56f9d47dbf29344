/* A path: its numbers and keys, what is in flight on it, its times, losses and rate; and what each file does with it.
 * Data that is to go anywhere is in internal.h. */
#ifndef GEX_TUNNEL_PATH_H
#define GEX_TUNNEL_PATH_H

#include "tunnel/rate.h"
#include "tunnel/repair.h"
#include "tunnel/wire.h"

/* ---- events: an object is in its tunnel's list while it has bits ---- */

enum tn_kind { TN_STREAM, TN_FLOW, TN_PATH };

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
	TN_REF_FLOW,
	TN_REF_FLOW_CLOSE,
	TN_REF_PATH_GONE,
};

/* What a packet carried that is sent again when it is lost. Of a flow's datagram, off is its number
 * and, in the low 16 bits, the offset of the piece. */
struct tn_ref {
	uint64_t id, off;
	uint32_t len;
	uint8_t kind, flags; /* flags: of the stream frame, and ours */
};

/* Its bytes had been sent before; and more than once. */
#define TN_REF_AGAIN 0x40
#define TN_REF_HARD 0x80

#define TN_REFS 8

/* GIVEN: the path fell silent, and what it carried was given to the others. */
enum tn_sent_state { TN_SENT_NONE, TN_SENT_FLIGHT, TN_SENT_ACKED, TN_SENT_LOST, TN_SENT_GIVEN };

struct tn_sent {
	int64_t sent_us, left_us; /* left_us: of any packet */
	uint64_t delivered, lost; /* the path's counts when it was sent */
	int64_t delivered_us, first_us;
	uint64_t acks;	  /* it carried an ACK up to this number - 1; 0 none */
	int64_t guard_us; /* when the last symbol that can recover it goes; 0: none does */
	uint16_t size;	  /* on the wire, with headers */
	uint8_t state, refs, acks_path;
	bool lazy;			      /* its ACK may wait */
	bool app_limited, mtu_probe, crossed; /* crossed: a copy went over another path */
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

/* Where datagrams come from or go to: the carrier's path, and the address on it. */
struct tn_where {
	int id;
	struct tunnel_addr addr;
};

/* An address that a peer has been heard from and has not proven to be its own: trial.c. */
struct tn_trial {
	struct tn_where at;
	uint64_t token;
	uint64_t got, gave; /* bytes from there, and to there */
	int64_t heard_us, ask_us;
	size_t copy_len; /* of the path's newest datagram, which goes there as well */
	uint8_t copy[TUNNEL_DGRAM_MAX];
};

/* GONE keeps its numbers and keys, so that none is used twice when the path comes again. */
enum tn_path_state { TN_PATH_GONE, TN_PATH_NEW, TN_PATH_UP, TN_PATH_DOWN };

struct tn_path {
	unsigned number; /* on the wire, and its place in the tunnel's table */
	enum tn_path_state state;
	struct tn_where at;
	struct tn_where held; /* the carrier takes no more for there; hold.c */
	uint64_t moved_at;    /* the number of the packet that named `at` last, + 1 */
	bool proven;	      /* the peer receives there */
	struct tn_trial *trial;
	bool respond;
	uint64_t response;
	struct tn_ev ev;
	int64_t probe_us, down_us; /* not up: the next probe; since when */
	int64_t asked_us; /* up: when the packet was sent whose silence it was asked about */
	int64_t ask_us;	  /* when it was asked last */
	unsigned asks;
	int64_t plain_us; /* when the last packet was sent whose ACK proves that the path lives */
	uint64_t proof;	  /* the highest of them that was acknowledged, + 1 */
	uint64_t suspect; /* the first after it; suspect_us: when it was sent, NEVER_US: none */
	int64_t suspect_us;
	bool suspect_lazy; /* its ACK may wait */
	bool relay_ack;	   /* what came here is acknowledged on another path as well */
	struct {
		uint64_t packets_sent, bytes_sent, packets_received, bytes_received;
		uint64_t packets_lost, deaths, moved;
	} n;

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
	/* The way there by the peer's clock and ours, which do not agree: the newest; NEVER_US: none;
	 * lowest ones as of min_rtt_us. */
	int64_t there_us, min_there_us, next_there_us;

	uint64_t delivered, lost_bytes;
	int64_t delivered_us, first_us;
	uint64_t limited_until, round_end;

	struct tn_repair repair;
	struct tn_mend mend;
	struct tn_loss loss; /* of what we send */
	int64_t burst_us;
	struct tn_watch watch; /* over what we receive */

	struct tn_keys out, in;
	struct crypt_replay replay, mended; /* numbers that came; that were recovered */
	uint64_t taking;		    /* the number of the packet that is being read */
	uint64_t recv_next;		    /* highest received + 1 */
	int64_t recv_us;		    /* when that was */
	struct tn_spans recv;
	unsigned ack_pending, acks_alone;
	bool ack_now, ack_soon; /* soon: something that came does not want to wait */
	int64_t ack_us;		/* when an ACK is due */

	struct tn_rate rate;
	int64_t tokens, tokens_us;
	bool ping;	/* something that wants an ACK is to be sent */
	bool asking;	/* it is to ask whether the path lives: no probe timeout waits for it */
	bool sent_lazy; /* the newest in flight wants one only at leisure */

	size_t warm_left; /* bytes of padding that may still be sent to measure it */
	bool heavy;	  /* a large datagram has come: the other side has much to send */
	int64_t heavy_us; /* when the last one came; before one, when the path was made */
	int64_t hush_us;  /* the time of the last datagram before a silence that was asked about */
	size_t dgram, mtu_try;
	unsigned mtu_tries;
	int64_t mtu_us;	     /* next probe */
	unsigned large_lost; /* so many large ones since one was acknowledged */
	int64_t large_us;    /* when the first of them was sent */
};

/* Does a packet want an ACK? LAZY: it may wait for something to ride on. */
enum tn_wants { TN_WANTS_NO_ACK, TN_WANTS_LAZY, TN_WANTS_SOON };

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

/* path.c */
/* Begins anew: nothing is known of it but its numbers, keys and place. */
void tn_path_begin(struct tn_path *p, const struct tunnel_conf *conf, const struct tn_where *at,
		   int64_t now_us);
void tn_path_finish(struct tn_path *p);
/* Sends at that rate from now on; 0: found out anew. */
void tn_path_rate(struct tn_path *p, int64_t rate_bps);
void tn_path_rtt(struct tn_path *p, int64_t rtt_us, int64_t delay_us, int64_t now_us);
/* What was sent at sent_us was there at that time of the peer's clock. Returns what the newest round
 * trip would be without a queue on the way back. */
int64_t tn_path_there(struct tn_path *p, int64_t sent_us, unsigned clock);
void tn_path_fill(struct tn_path *p, int64_t now_us);
int64_t tn_path_burst(const struct tn_path *p);

/* paths.c */
#define tn_paths_for(p, t) \
	for (unsigned i_ = 0; i_ < TN_PATHS; i_++) \
		if ((p = (t)->path[i_]) != NULL && p->state != TN_PATH_GONE)
int tn_paths_add(struct tunnel *t, unsigned number, const struct tn_where *at);
void tn_paths_finish(struct tunnel *t);
/* When the handshake is complete: their keys. */
int tn_paths_key(struct tunnel *t);
/* On a server: makes one that an authentic datagram named first; it is not proven. NULL: no memory. */
struct tn_path *tn_paths_first(struct tunnel *t, unsigned number, const struct tn_where *from);
void tn_path_retire(struct tunnel *t, struct tn_path *p);
void tn_paths_take_gone(struct tunnel *t, uint64_t number);
/* What is lost there is sent again by what carries it, and holds up what follows. */
bool tn_reliable(const struct tn_path *p);
bool tn_where_same(const struct tn_where *a, const struct tn_where *b);

/* hold.c: the carrier takes no more for where the path goes to. */
bool tn_held(const struct tn_path *p);

/* life.c */
void tn_life_up(struct tunnel *t, struct tn_path *p);
/* Something authentic came on it. */
void tn_life_heard(struct tunnel *t, struct tn_path *p);
/* The peer acknowledged something that went over it. */
void tn_life_acked(struct tunnel *t, struct tn_path *p);
void tn_life_timers(struct tunnel *t, struct tn_path *p);
int64_t tn_life_wake(const struct tunnel *t, struct tn_path *p);
/* When the peer's silence ends the tunnel. */
int64_t tn_life_end(const struct tunnel *t);
void tn_life_ping(struct tunnel *t);

/* trial.c: RFC 9000, sections 8 and 9 */
/* An authentic packet of n bytes came on p from there. */
void tn_trial_heard(struct tunnel *t, struct tn_path *p, uint64_t number,
		    const struct tn_where *from, size_t n);
void tn_trial_take_challenge(struct tunnel *t, struct tn_path *p, uint64_t token);
void tn_trial_take_response(struct tunnel *t, struct tn_path *p, uint64_t token,
			    const struct tn_where *from);
/* How many bytes may be sent to the path's address now. */
size_t tn_trial_budget(const struct tn_path *p);
/* A datagram of the path goes out. */
void tn_trial_sent(struct tn_path *p, const uint8_t *dgram, size_t n);
/* What goes to an address on trial only; 0: nothing. */
size_t tn_trial_output(struct tunnel *t, struct tn_path *p, uint8_t *buf, struct tn_where *to);
int64_t tn_trial_wake(const struct tn_path *p);
void tn_trial_end(struct tn_path *p);

/* schedule.c */
/* Chooses the path for what is urgent; after each change of what is up. */
void tn_schedule(struct tunnel *t);
/* May data of that level go over it now? */
bool tn_schedule_takes(const struct tunnel *t, const struct tn_path *p, int level);
/* And frames that belong to no path? */
bool tn_schedule_controls(const struct tunnel *t, const struct tn_path *p);
/* Another path for copies of what goes over p; NULL: none. */
struct tn_path *tn_schedule_spare(const struct tunnel *t, const struct tn_path *p);
/* The longest round trip of a path that is up. */
int64_t tn_schedule_rtt_max(const struct tunnel *t);

/* recover.c */
struct tn_sent *tn_sent_slot(const struct tn_path *p, uint64_t number);
int tn_sent_reserve(struct tunnel *t, struct tn_path *p);
/* Nothing happens here now: gives memory back. */
void tn_sent_trim(struct tn_path *p);
void tn_sent_mark(struct tunnel *t, struct tn_path *p, struct tn_sent *s, size_t size);
/* What the path has in flight goes over the others. */
void tn_sent_give(struct tunnel *t, struct tn_path *p);
/* When the oldest packet was sent that should prove that the path lives and did not yet; NEVER_US:
 * none. */
int64_t tn_sent_suspect(struct tn_path *p);
/* An ACK of packets of p. */
struct tn_ack_time {
	int64_t delay_us;
	bool same_way; /* it came on p, so that its time is p's round trip */
	bool timed;    /* clock: when the highest number came there */
	unsigned clock;
};
int tn_acked(struct tunnel *t, struct tn_path *p, const struct tn_span *range, size_t n,
	     const struct tn_ack_time *time);
int64_t tn_pto(const struct tn_path *p);
int64_t tn_pto_due(const struct tn_path *p);
void tn_recover_timers(struct tunnel *t, struct tn_path *p);

/* ack.c */
void tn_ack_received(struct tn_path *p, uint64_t number, enum tn_wants wants, int64_t now_us);
/* How long an ACK waits for a ride, on either side. */
int64_t tn_ack_leisure(const struct tn_path *p);
void tn_ack_acked(struct tn_path *p, uint64_t acks);
/* Writes an ACK frame of that path, which may be the one that it goes by (here); returns the highest number in it + 1, 0 when there was no room. */
uint64_t tn_ack_put(const struct tn_path *p, struct wr *w, bool here, int64_t now_us);
void tn_ack_sent(struct tn_path *p);

/* loss.c */
void tn_loss_heard(struct tn_path *p, int64_t now_us); /* a packet came */
void tn_loss_sent(struct tn_path *p, int64_t now_us);  /* the packet p->next leaves */
/* Writes a LOSS frame when it is time for one, and there is room. */
void tn_loss_put(struct tn_path *p, struct wr *w, int64_t now_us);
int tn_loss_take(struct tunnel *t, struct rd *r); /* -EPROTO: malformed */

/* repair.c */
void tn_repair_finish(struct tn_repair *r);
struct tn_line tn_repair_line(const struct tn_path *p);
/* Bytes that a symbol may have on that path. */
size_t tn_repair_space(const struct tn_path *p);
/* Packet p->next is about to be sent; its frames, or a part of them, are to be protected. marked: they
 * begin with KEEP. game: they are to go over
 * two paths, if there are. percent: of their bytes that may be spent on it, 0: as is usual. */
void tn_repair_take(struct tunnel *t, struct tn_path *p, struct tn_sent *s, const void *plain,
		    size_t n, enum tn_guard guard, bool marked, bool game, int percent);
/* When the next symbol is to go over that path. Symbols of bursts go when the pace lets them. */
int64_t tn_repair_wake(const struct tn_path *p);
/* So many bytes of bulk passed, either way: a part of that may be spent on copies of what is urgent. */
void tn_repair_beside(struct tn_path *p, size_t n, int64_t now_us);
/* May so many bytes be spent on what is guarded so? They are then. */
bool tn_repair_pay(struct tn_repair *r, enum tn_guard guard, size_t n);
bool tn_repair_bulk(const struct tn_path *p);
/* Is one to be sent now? Closes blocks whose time it is. */
bool tn_repair_ready(const struct tunnel *t, struct tn_path *p);
/* Writes a REPAIR frame; returns the length of its symbol, 0 when there is none, or no room. */
size_t tn_repair_put(struct tunnel *t, struct tn_path *p, struct wr *w);
/* Will the next packet of a flow have a copy? */
bool tn_repair_next(const struct tn_path *p);
/* Symbols that are to wait; a queue takes them. NULL: no memory, or too many wait. */
struct tn_symbol *tn_symbol_make(struct tn_path *p, size_t len);
void tn_symbol_queue(struct tn_path *p, struct tn_symbol *y);
void tn_symbol_queue_bulk(struct tn_path *p, struct tn_symbol *y);

/* block.c */
void tn_block_finish(struct tn_block *b);
/* Adds the frames of packet p->next. */
void tn_block_add(const struct tunnel *t, struct tn_path *p, struct tn_block *b, const void *plain,
		  size_t n, enum tn_guard guard);
/* dry: nothing waits to be sent. */
void tn_block_dry(const struct tunnel *t, struct tn_path *p, bool dry);
int64_t tn_block_due(const struct tn_block *b);
void tn_block_timer(const struct tunnel *t, struct tn_path *p, struct tn_block *b);

/* repair_in.c */
void tn_mend_finish(struct tn_mend *m);
void tn_mend_timer(struct tn_path *p, int64_t now_us);
/* A piece of a block came. As tn_repair_input. */
int tn_mend_keep(struct tunnel *t, struct tn_path *p, uint64_t number, const uint8_t *data,
		 size_t n);
/* A symbol came, of p's packets: head tells all but its data. 0, or -EPROTO (the tunnel is then
 * closing). */
int tn_repair_input(struct tunnel *t, struct tn_path *p, const struct tn_symbol *head,
		    const uint8_t *data);

#endif
