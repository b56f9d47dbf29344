#include "unit.h"

#include "net/srt_peer.h"

static size_t packet(uint8_t out[64], uint32_t first, uint32_t dest, uint32_t version)
{
	struct wr w = wr_of(out, 64);

	memset(out, 0, 64);
	wr_u32(&w, first);
	wr_u64(&w, 0);
	wr_u32(&w, dest);
	wr_u32(&w, version);
	return 64;
}

static void caller_of_a_dead_listener_is_told(void **state)
{
	uint8_t p[64], out[SRT_SHUTDOWN_LEN];
	struct srt_peer s = {0};

	assert_int_equal(srt_peer_shutdown(&s, out), 0);
	srt_peer_note(&s, p, packet(p, 0x80000000u, 0, 4), false);
	assert_int_equal(srt_peer_shutdown(&s, out), 0); /* it is no connection yet */
	srt_peer_note(&s, p, packet(p, 0x80000000u, 0x1234567, 5), true);
	srt_peer_note(&s, p, packet(p, 0x80020000u, 0x1234567, 0), true);
	assert_int_equal(srt_peer_shutdown(&s, out), SRT_SHUTDOWN_LEN);
	static const uint8_t want[SRT_SHUTDOWN_LEN] = {
	    0x80, 5, 0, 0, [12] = 0x01, 0x23, 0x45, 0x67};
	assert_memory_equal(out, want, sizeof(want));
	/* A new connection from the same port. */
	srt_peer_note(&s, p, packet(p, 0x80000000u, 0, 4), false);
	assert_int_equal(srt_peer_shutdown(&s, out), 0);
}

/* ACKs 5 to 15 to socket 0xabc, then a light one; number 5 is answered when the rest are on their way. */
static void a_session_that_goes_on_is_recognised(void **state)
{
	uint8_t p[64], out[SRT_SHUTDOWN_LEN];
	struct srt_peer s = {0};

	packet(p, 0x80020000u, 0xabc, 0);
	for (p[7] = 5; p[7] <= 15; p[7]++)
		srt_peer_note(&s, p, 44, true);
	p[7] = 0;
	srt_peer_note(&s, p, 20, true);
	packet(p, 0x80060000u, 0xdef, 0);
	srt_peer_note(&s, p, 20, false); /* of no number */
	assert_false(s.is_srt);
	p[7] = 16; /* of one that was not sent */
	srt_peer_note(&s, p, 20, false);
	assert_false(s.is_srt);
	p[6] = 0xf0;
	srt_peer_note(&s, p, 20, false);
	assert_false(s.is_srt);
	p[6] = 0;
	p[7] = 5;
	srt_peer_note(&s, p, 20, false);
	packet(p, 0x80020000u, 0xabc, 0);
	srt_peer_note(&s, p, 44, true);
	assert_int_equal(srt_peer_shutdown(&s, out), SRT_SHUTDOWN_LEN);
	assert_int_equal(out[14] << 8 | out[15], 0xabc);
}

static void what_is_not_srt_is_left_alone(void **state)
{
	uint8_t p[64], out[SRT_SHUTDOWN_LEN];
	struct srt_peer s = {0};

	memset(p, 0, sizeof(p));
	srt_peer_note(&s, p, sizeof(p), false);
	srt_peer_note(&s, p, packet(p, 0x80000000u, 0, 4) - 1, false); /* too short */
	srt_peer_note(&s, p, packet(p, 0x80000000u, 7, 4), false);     /* not to socket 0 */
	srt_peer_note(&s, p, packet(p, 0x00000000u, 0, 4), false);     /* data */
	srt_peer_note(&s, p, 3, false);
	srt_peer_note(&s, p, packet(p, 0x80000000u, 9, 5), true);
	assert_int_equal(srt_peer_shutdown(&s, out), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(caller_of_a_dead_listener_is_told),
    cmocka_unit_test(a_session_that_goes_on_is_recognised),
    cmocka_unit_test(what_is_not_srt_is_left_alone),
};
RUN_TESTS(tests)
