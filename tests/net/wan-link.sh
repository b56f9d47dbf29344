#!/bin/bash
# The test bed tests itself: what the link is asked for is what the two ends see. What it does to a packet is unit/test_wan_model;
# how true it is to time here depends on the cores, so that is figures.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=netlib.sh
. "$(dirname "$0")/netlib.sh"

need iperf3
net_up

p_lost=0 p_received=0 p_runs=0 p_reordered=0 p_duplicated=0 p_rtt_min=0 p_rtt_p50=0 p_rtt_max=0
# probe OPTIONS: sends from a to the echo in b; the result is in variables p_lost, p_rtt_p50 ...
probe() {
	in_a "$BUILD/tests/net/udp-probe" send 10.77.0.2 7 "$@" >"$TMP/probe"
	eval "$(sed 's/^/p_/' "$TMP/probe")"
}

# transfer OPTIONS: iperf3 from a to b for two seconds; the received Mbit/s are in $mbits.
transfer() {
	spawn iperf in_b iperf3 -s -1 -B 10.77.0.2 -p 5201
	wait_bound in_b tcp 5201
	in_a iperf3 -c 10.77.0.2 -p 5201 -t 2 -f m "$@" >"$TMP/iperf.out" || fail "$(cat "$TMP/iperf.out")"
	wait_exit iperf 5
	mbits=$(awk '/receiver/ { for (i = 1; i < NF; i++) if ($(i + 1) == "Mbits/sec") r = $i }
		END { print r }' "$TMP/iperf.out")
}

step "wrong options are refused" refuse "usage" 64 "$BUILD/tests/net/wan-link" \
	--netns-a x --netns-b y --loss 1

link_up --delay 20ms --from-b --delay 30ms
spawn -r echo in_b "$BUILD/tests/net/udp-probe" echo 10.77.0.2 7
wait_ready echo
step "the pid of spawn is the program itself" \
	test "/proc/${PID[echo]}/exe" -ef "$BUILD/tests/net/udp-probe"

# ---- delay: 20 + 30 ms ----
probe -n 200 -i 2ms -w 3s
at_least "of 200 on the clean link have come" "$p_received" 100
figure "lost of 200 on the clean link" "$p_lost" at_most 0
at_least "shortest round trip, ms" "$p_rtt_min" 49.9
figure "median round trip, ms" "$p_rtt_p50" at_most 51

# ---- random loss: 2000 datagrams, 5 % on the way there ----
link_set --delay 5ms --from-a --loss 5%
link_reset
probe -n 2000 -i 500us -w 1s
lost=$(link_stat a_dropped_loss) passed=$(link_stat a_in_packets)
at_least "lost by the link at 5 %, of 1000" $((1000 * lost / passed)) 30
at_most "lost by the link at 5 %, of 1000" $((1000 * lost / passed)) 75
at_most "lost by the link less lost as seen" $((lost - p_lost)) 0
figure "lost on the way otherwise" $((p_lost - lost)) at_most 0

# ---- bursts: 10 %, 10 ms long on average, so 20 datagrams ----
link_set --from-a --loss 10% --burst 10ms
probe -n 4000 -i 500us -w 1s
at_least "lost in bursts" "$p_lost" 1
figure "mean burst, datagrams" $((p_lost / (p_runs ? p_runs : 1))) at_least 8
figure "lost of 4000 at 10 % in bursts" "$p_lost" at_least 50
figure "lost of 4000 at 10 % in bursts" "$p_lost" at_most 1000

# ---- jitter and duplicates ----
link_set --loss 0% --jitter 10ms --duplicate 20%
probe -n 300 -i 2ms -w 3s
at_most "reordered by jitter with order kept" "$p_reordered" 0
at_least "duplicated" "$p_duplicated" 10
figure "duplicated of 300 at 20 % each way" "$p_duplicated" at_least 60
at_least "longest round trip with 0-10 ms jitter each way, ms" "$p_rtt_max" 16
link_set --reorder yes --duplicate 0%
probe -n 300 -i 2ms -w 3s
at_least "reordered" "$p_reordered" 1
figure "reordered of 300" "$p_reordered" at_least 30

# ---- rate and drop-tail queue ----
link_set --jitter 0ms --reorder no --from-a --rate 20M --queue 50ms
link_reset -n 0
transfer -u -b 40M -l 1200
at_most "longest queue, ms" "$(link_stat a_queue_max_ms)" 50
figure "20 Mbit/s, offered 40 by UDP: payload, Mbit/s" "$mbits" at_least 19
figure "20 Mbit/s, offered 40 by UDP: payload, Mbit/s" "$mbits" at_most 20
figure "longest queue, ms" "$(link_stat a_queue_max_ms)" at_least 48
figure "mean queue, ms" "$(link_stat a_queue_mean_ms)" at_least 40
figure "dropped by the queue" "$(link_stat a_dropped_queue)" at_least 2000

transfer -C cubic
figure "20 Mbit/s by TCP, Mbit/s" "$mbits" at_least 17
figure "20 Mbit/s by TCP, Mbit/s" "$mbits" at_most 20

# ---- size limit, outages ----
link_set --rate 1G --max-size 1000
probe -n 10 -i 2ms -s 973 -w 100ms
at_least "lost of 10 that are too long" "$p_lost" 10
# all_pass OPTIONS: of a few, after which the link is idle, none is lost; a core that is busy may want it tried again.
all_pass() {
	probe "$@" && [ "$p_lost" = 0 ]
}
step "none is lost of 10 that just fit" retry 5 all_pass -n 10 -i 2ms -s 972 -w 2s
link_outage on
probe -n 10 -i 2ms -w 100ms
at_least "lost of 10 in an outage" "$p_lost" 10
link_outage off
step "none is lost of 10 after it" retry 5 all_pass -n 10 -i 2ms -w 2s
link_set --outage 100ms+200ms
probe -n 500 -i 1ms -w 1s
at_most "lost of 500, of which an outage of 200 ms takes some" "$p_lost" 499
figure "lost of 500 at 1 kHz in an outage of 200 ms" "$p_lost" at_least 190
figure "lost of 500 at 1 kHz in an outage of 200 ms" "$p_lost" at_most 215

# ---- IPv6 ----
spawn -r echo6 in_b "$BUILD/tests/net/udp-probe" echo fd77::2 7
wait_ready echo6
over_ipv6() {
	in_a "$BUILD/tests/net/udp-probe" send fd77::2 7 -n 10 -w 2s >"$TMP/probe" && grep -qx lost=0 "$TMP/probe"
}
step "nothing lost of 10 over IPv6" retry 5 over_ipv6

# ---- a second link ----
link_up -n 1 --delay 1ms
in_a bash -c 'echo >/dev/udp/10.77.1.2/9'
at_least "packets on the second link" "$(link_stat -n 1 a_in_packets)" 1

step "the link ends when asked" link_down
step "its echo has served to the end" alive echo
