#include "net/srt_peer.h"

#define HEADER_LEN 16
#define HANDSHAKE_LEN (HEADER_LEN + 48)
#define CONTROL_HANDSHAKE 0x80000000u
#define CONTROL_SHUTDOWN 0x80050000u

/* The first packet of a caller: a handshake of version 4 (induction) to socket 0. */
static bool is_induction(const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);

	if (n < HANDSHAKE_LEN || rd_u32(&r) != CONTROL_HANDSHAKE)
		return false;
	rd_bytes(&r, 8);
	return rd_u32(&r) == 0 && rd_u32(&r) == 4;
}

void srt_peer_note(struct srt_peer *s, const void *dgram, size_t n, bool from_backend)
{
	struct rd r = rd_of(dgram, n);

	if (!from_backend) {
		if (is_induction(
			dgram,
			n)) /* anew: a caller that reconnects from the same port has another id */
			*s = (struct srt_peer){.is_srt = true};
		return;
	}
	if (!s->is_srt || s->caller_id || n < HEADER_LEN)
		return;
	rd_bytes(&r, 12);
	s->caller_id = rd_u32(&r);
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
