/* The link's arithmetic against what it promises: rate, queue, loss shares, burst lengths, order,
 * outages. */
#include "../net/wan-model.h"

#include "../net/wan-queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Sends n packets, one each gap_ns, and counts fates. */
struct tally {
	int n[WAN_FATES], copies, reordered, runs;
	int64_t first_due, last_due, min_delay, max_delay, lost_ns;
};

static struct tally send_packets(struct wan_dir *d, int n, size_t len, int64_t gap_ns)
{
	struct tally t = {.min_delay = INT64_MAX};
	struct wan_verdict v;
	bool was_lost = false;
	int64_t now;
	int i;

	for (i = 0; i < n; i++) {
		now = SEC_NS + i * gap_ns;
		v = wan_packet(d, len, now);
		t.n[v.fate]++;
		t.copies += v.copies;
		t.runs += v.fate == WAN_LOSS && !was_lost;
		was_lost = v.fate == WAN_LOSS;
		t.lost_ns += was_lost ? gap_ns : 0;
		if (v.fate != WAN_PASS)
			continue;
		t.first_due = t.first_due ? t.first_due : v.due_ns[0];
		t.reordered += v.due_ns[0] < t.last_due;
		t.last_due = MAX(t.last_due, v.due_ns[0]);
		t.min_delay = MIN(t.min_delay, v.due_ns[0] - now);
		t.max_delay = MAX(t.max_delay, v.due_ns[0] - now);
	}
	return t;
}

static void assert_near(double is, double want, double tolerance)
{
	if (fabs(is - want) > tolerance)
		fail_msg("%g, not within %g of %g", is, tolerance, want);
}

static void test_clean(void **state)
{
	struct wan_conf c = {.delay_ns = 50 * MS_NS};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 1);
	t = send_packets(&d, 1000, 1500, 1000);
	assert_int_equal(t.n[WAN_PASS], 1000);
	assert_int_equal(t.copies, 1000);
	assert_int_equal(t.min_delay, 50 * MS_NS);
	assert_int_equal(t.max_delay, 50 * MS_NS);
}

/* Offered twice the rate, the queue fills to its limit, and exactly the rate comes out. */
static void test_rate(void **state)
{
	struct wan_conf c = {.rate_bps = 12000000, .queue_bytes = 30000};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 1);
	t = send_packets(&d, 20000, 1500, 500000);
	assert_near(t.n[WAN_PASS] * 12000.0 / ((double)(t.last_due - t.first_due) / 1e9), 12e6,
		    12e3);
	assert_near(t.n[WAN_QUEUE], 10000, 30);
	assert_near((double)d.queue_sum_ns / (double)d.queued / 1e6, 19, 1);
	/* 20 packets wait and the last of them is sent, a millisecond each. */
	assert_near((double)t.max_delay / 1e6, 20, 1.01);
	assert_near((double)d.queue_max_ns / 1e6, 19, 1.01);
}

static void test_queue_in_time(void **state)
{
	struct wan_conf c = {.rate_bps = 1000000, .queue_ns = 50 * MS_NS};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 1);
	t = send_packets(&d, 5000, 125, 100000);
	assert_near((double)t.max_delay / 1e6, 50, 1.01);
	/* A queue shorter than a packet still passes what comes slowly. */
	c.queue_ns = 1;
	wan_init(&d, &c, 1);
	t = send_packets(&d, 100, 1250, 20 * MS_NS);
	assert_int_equal(t.n[WAN_PASS], 100);
}

static void test_random_loss(void **state)
{
	struct wan_conf c = {.loss = 0.01};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 7);
	t = send_packets(&d, 200000, 100, 1000);
	assert_near(t.n[WAN_LOSS], 2000, 200); /* 4.5 standard deviations */
	assert_near((double)t.n[WAN_LOSS] / t.runs, 1.01, 0.02);
	c.loss = 1;
	wan_set(&d, &c);
	t = send_packets(&d, 100, 100, 1000);
	assert_int_equal(t.n[WAN_LOSS], 100);
}

/* Mean bad state 20 ms, packets each millisecond: a run of losses is 20 long whatever the packet
 * rate. */
static void test_burst_in_time(void **state)
{
	struct wan_conf c = {.loss = 0.03, .burst_ns = 20 * MS_NS};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 3);
	t = send_packets(&d, 3000000, 100, MS_NS);
	assert_near(t.n[WAN_LOSS] / 3e6, 0.03, 0.003);
	assert_near((double)t.lost_ns / t.runs / 1e6, 20, 2);
	wan_init(&d, &c, 3);
	t = send_packets(&d, 3000000, 100, 4 * MS_NS);
	assert_near(t.n[WAN_LOSS] / 3e6, 0.03, 0.003);
	/* Seen each 4 ms: bursts between two packets are missed, so those seen are longer. */
	assert_near((double)t.lost_ns / t.runs / 1e6, 22, 3);
	/* Packets far apart are independent. */
	wan_init(&d, &c, 3);
	t = send_packets(&d, 100000, 100, 200 * SEC_NS);
	assert_near(t.n[WAN_LOSS], 3000, 300);
	assert_near((double)t.n[WAN_LOSS] / t.runs, 1.03, 0.03);
}

static void test_burst_in_packets(void **state)
{
	struct wan_conf c = {.loss = 0.05, .burst_packets = 8};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 5);
	t = send_packets(&d, 2000000, 100, 1000);
	assert_near(t.n[WAN_LOSS] / 2e6, 0.05, 0.003);
	assert_near((double)t.n[WAN_LOSS] / t.runs, 8, 0.4);
	/* Half of what passes in the bad state is lost: twice the time in it, the same loss over
	 * all. */
	c.bad_loss = 0.5;
	wan_init(&d, &c, 5);
	t = send_packets(&d, 2000000, 100, 1000);
	assert_near(t.n[WAN_LOSS] / 2e6, 0.05, 0.003);
}

static void test_jitter_keeps_order(void **state)
{
	struct wan_conf c = {.delay_ns = 10 * MS_NS, .jitter_ns = 5 * MS_NS};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 9);
	t = send_packets(&d, 100000, 100, 100000);
	assert_int_equal(t.reordered, 0);
	assert_in_range(t.min_delay, 10 * MS_NS, 10 * MS_NS + 200000);
	assert_in_range(t.max_delay, 15 * MS_NS - 200000, 15 * MS_NS);
	/* Far apart each draws its own. */
	wan_init(&d, &c, 9);
	t = send_packets(&d, 10000, 100, 33 * MS_NS);
	assert_in_range(t.min_delay, 10 * MS_NS, 10 * MS_NS + 20000);
	assert_in_range(t.max_delay, 15 * MS_NS - 20000, 15 * MS_NS);
}

static void test_reorder(void **state)
{
	struct wan_conf c = {.delay_ns = 10 * MS_NS, .jitter_ns = 5 * MS_NS, .reorder = true};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 9);
	t = send_packets(&d, 10000, 100, MS_NS);
	assert_in_range(t.reordered, 3000, 8000);
	assert_in_range(t.max_delay, 10 * MS_NS, 15 * MS_NS);
}

static void test_duplicates(void **state)
{
	struct wan_conf c = {.duplicate = 0.1};
	struct wan_dir d;
	struct tally t;

	wan_init(&d, &c, 2);
	t = send_packets(&d, 10000, 100, 1000);
	assert_near(t.copies, 11000, 150);
}

static void test_outage_and_size(void **state)
{
	struct wan_conf c = {.outages = 1, .max_size = 1400};
	struct wan_dir d;
	struct tally t;

	c.outage[0].start_ns = 2 * SEC_NS;
	c.outage[0].end_ns = 5 * SEC_NS;
	wan_init(&d, &c, 2);
	t = send_packets(&d, 1000, 100, 10 * MS_NS); /* 1 s to 11 s */
	assert_int_equal(t.n[WAN_OUTAGE], 300);
	c.cut = true;
	wan_set(&d, &c);
	t = send_packets(&d, 10, 100, 10 * MS_NS);
	assert_int_equal(t.n[WAN_OUTAGE], 10);
	c.cut = false;
	c.outages = 0;
	wan_set(&d, &c);
	assert_int_equal(wan_packet(&d, 1401, 60 * SEC_NS).fate, WAN_SIZE);
	assert_int_equal(wan_packet(&d, 1400, 60 * SEC_NS).fate, WAN_PASS);
}

/* The same seed decides alike, another one differently, and jitter does not disturb loss. */
static void test_seed(void **state)
{
	struct wan_conf c = {.loss = 0.5}, j = {.loss = 0.5, .jitter_ns = MS_NS, .duplicate = 0.5};
	struct wan_dir a, b, other, jittery;
	int i, differs = 0;
	enum wan_fate f;

	wan_init(&a, &c, 11);
	wan_init(&b, &c, 11);
	wan_init(&other, &c, 12);
	wan_init(&jittery, &j, 11);
	for (i = 0; i < 1000; i++) {
		f = wan_packet(&a, 100, i).fate;
		assert_int_equal(f, wan_packet(&b, 100, i).fate);
		assert_int_equal(f, wan_packet(&jittery, 100, i).fate);
		differs += f != wan_packet(&other, 100, i).fate;
	}
	assert_in_range(differs, 400, 600);
}

/* First by time, then by arrival; every slot comes back, and none is given twice. */
static void test_queue_order(void **state)
{
	static const uint8_t due[] = {5, 3, 9, 3, 0, 7, 5, 3, 1, 9, 2, 5};
	struct wan_entry e, last = {0};
	struct wan_queue q;
	uint32_t slot = 0;
	size_t i, round;

	assert_int_equal(wan_queue_init(&q, ARRAY_LEN(due), 1500), 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_LEN(due); i++) {
			assert_true(wan_take(&q, &slot));
			memset(wan_slot(&q, slot), due[i], 1500);
			wan_push(&q, slot, 1500, due[i]);
		}
		assert_false(wan_take(&q, &slot));
		for (i = 0; i < ARRAY_LEN(due); i++) {
			assert_int_equal(wan_next_due(&q), q.heap[0].due_ns);
			e = wan_pop(&q);
			assert_true(!i || wan_before(&last, &e));
			assert_int_equal(wan_slot(&q, e.slot)[0], e.due_ns);
			assert_int_equal(wan_slot(&q, e.slot)[1499], e.due_ns);
			wan_give(&q, e.slot);
			last = e;
		}
		assert_true(wan_next_due(&q) == INT64_MAX);
	}
	wan_queue_finish(&q);
	wan_queue_finish(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_rate),
	    cmocka_unit_test(test_queue_in_time),
	    cmocka_unit_test(test_random_loss),
	    cmocka_unit_test(test_burst_in_time),
	    cmocka_unit_test(test_burst_in_packets),
	    cmocka_unit_test(test_jitter_keeps_order),
	    cmocka_unit_test(test_reorder),
	    cmocka_unit_test(test_duplicates),
	    cmocka_unit_test(test_outage_and_size),
	    cmocka_unit_test(test_seed),
	    cmocka_unit_test(test_queue_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
