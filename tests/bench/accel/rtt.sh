# shellcheck shell=bash
# What the way adds to a TCP echo of 100 bytes on loopback, 500 a second for 10 s: its p50 and p99 less those of the
# direct connection in the same run.

row_rtt() {
	local peer i file=$TMP/rtt direct50 direct99
	need_lo
	for ((i = 0; i < RUNS; i++)); do
		peer_up bbr lo
		run 20 "$file" "$LOAD" echo "$HOST" "$PORT" -n 5000 -i 2ms -b 100
		direct50=$(value rtt_p50 "$file") direct99=$(value rtt_p99 "$file")
		for peer in $(peers_of gex haproxy kcptun); do
			peer_up "$peer" lo
			run 20 "$file" "$LOAD" echo "$HOST" "$PORT" -n 5000 -i 2ms -b 100
			got rtt50 "$peer" "$(more_ "$(value rtt_p50 "$file")" "$direct50")"
			got rtt99 "$peer" "$(more_ "$(value rtt_p99 "$file")" "$direct99")"
			peer_down "$peer" lo
		done
	done
	figure 'added round trip, p50' lo '<= 150' us rtt50
	figure 'added round trip, p99' lo '<= 500' us rtt99
}

# The difference in us of two times in ms.
more_() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (a == "-" || b == "-") print "-"; else print 1000 * (a - b) }'
}
