/* A datagram that is being built: what packet.c, fill.c and due.c share. */
#ifndef GEX_TUNNEL_PACKET_H
#define GEX_TUNNEL_PACKET_H

#include "tunnel/internal.h"

#define TN_SMALL_LEN (TN_HEADER_LEN + 64 + CRYPT_TAG_LEN) /* room for an ACK and an answer */

struct tn_build {
	struct tunnel *t;
	struct tn_path *p;
	struct wr w;
	size_t head; /* bytes before the frames */
	struct tn_sent *s;
	bool eliciting, symbols;
	bool game; /* has data of the highest class */
	bool soon; /* the ACK is not to wait */
	enum tn_guard guard;
	int percent;	    /* that may be spent on that, 0: the usual */
	enum tn_guard mark; /* the frames begin with KEEP, for a block of this kind */
	size_t tail, tail_end, tail_bytes; /* the last frame whose length can be left out */
	size_t from, to; /* the frames that can be recovered, between an ACK and symbols */
};

/* due.c */
/* The highest priority that waits for this path; TN_LEVELS: none. */
int tn_due_wanted(const struct tunnel *t, const struct tn_path *p);
/* Is it time for a frame that is not data, for an ACK, for one of another path? */
bool tn_due_control(const struct tunnel *t, const struct tn_path *p);
bool tn_due_ack(const struct tunnel *t, const struct tn_path *p);
bool tn_due_relay(const struct tunnel *t, const struct tn_path *p);
/* For a probe of larger datagrams, for padding that measures the path? */
bool tn_due_mtu(const struct tunnel *t, const struct tn_path *p);
bool tn_due_warm(const struct tunnel *t, const struct tn_path *p);

/* fill.c */
void tn_fill_ack(struct tn_build *b);
void tn_fill_response(struct tn_build *b);
/* Symbols that are due, if any. */
bool tn_fill_symbols(struct tn_build *b);
/* What can be recovered: control, and data of that level and those above it. */
void tn_fill_frames(struct tn_build *b, int level);
/* A PING and zeros, to the end. */
void tn_fill_padding(struct tn_build *b);
/* The last frame needs no length. */
void tn_fill_cut(struct tn_build *b);

#endif
