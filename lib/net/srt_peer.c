#include "net/srt_peer.h"

#define HEADER_LEN 16
#define HANDSHAKE_LEN (HEADER_LEN + 48)
#define CONTROL_HANDSHAKE 0x80000000u
#define CONTROL_ACK 0x80020000u
#define CONTROL_SHUTDOWN 0x80050000u
#define CONTROL_ACKACK 0x80060000u
#define ACKS_AGO 512 /* 5 s of them */

/* The first packet of a caller: a handshake of version 4 (induction) to socket 0. */
static bool is_induction(const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);

	if (n < HANDSHAKE_LEN || rd_u32(&r) != CONTROL_HANDSHAKE)
		return false;
	rd_bytes(&r, 8);
	return rd_u32(&r) == 0 && rd_u32(&r) == 4;
}

/* A relay that was started in the middle of a session saw no handshake. An ACKACK that repeats the number of one of the ACKs
 * before it, which is never 0 for a full ACK, is as good a sign. Which one depends on the distance: there is a full ACK every
 * 10 ms, and the answer comes a round trip later. */
static bool answers_ack(const struct srt_peer *s, const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);

	if (rd_u32(&r) != CONTROL_ACKACK)
		return false;
	uint32_t number = rd_u32(&r);
	return number && number <= s->acked && s->acked - number < ACKS_AGO;
}

static void note_from_backend(struct srt_peer *s, const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);

	if (n < HEADER_LEN)
		return;
	if (rd_u32(&r) == CONTROL_ACK) {
		uint32_t number = rd_u32(&r);
		s->acked = number ? number : s->acked; /* a light one has none */
	}
	r = rd_of(p + 12, 4);
	if (s->is_srt && !s->caller_id)
		s->caller_id = rd_u32(&r);
}

void srt_peer_note(struct srt_peer *s, const void *dgram, size_t n, bool from_backend)
{
	if (from_backend)
		note_from_backend(s, dgram, n);
	else if (is_induction(
		     dgram,
		     n)) /* anew: a caller that reconnects from the same port has another id */
		*s = (struct srt_peer){.is_srt = true};
	else if (!s->is_srt)
		s->is_srt = answers_ack(s, dgram, n);
}

size_t srt_peer_shutdown(const struct srt_peer *s, uint8_t out[SRT_SHUTDOWN_LEN])
{
	struct wr w = wr_of(out, SRT_SHUTDOWN_LEN);

	if (!s->is_srt || !s->caller_id)
		return 0;
	wr_u32(&w, CONTROL_SHUTDOWN);
	wr_u32(&w, 0);
	wr_u32(&w, 0); /* the time since the connection began, which nobody reads in a SHUTDOWN */
	wr_u32(&w, s->caller_id);
	wr_u32(&w, 0); /* libsrt sends four bytes of padding, and so do we */
	return wr_len(&w);
}
