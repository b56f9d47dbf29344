# shellcheck shell=bash
# The line itself, before anything is judged on it: 200 Mbit/s, 60 ms, no loss. What it adds to 60 ms for 1,000 datagrams
# a second, 8 s; what it loses of 190 Mbit/s of full UDP packets, 8 s; and of half of that when told to lose 10 %.

row_line() {
	local n clean ten file=$TMP/line
	need_link B
	n=$(number B)
	run 20 "$file" "$UDP" send "10.77.$n.2" 8004 -n 8000 -i 1ms -s 100
	line_flood_ clean 190M
	link_set -n "$n" --loss 10%
	line_flood_ ten 100M
	link_set -n "$n" --loss 0%
	note "the line adds to 60 ms: p50 $(more_ms_ rtt_p50 "$file"), p99 $(more_ms_ rtt_p99 "$file") ms;" \
		"of 190 Mbit/s it loses $clean %; told to lose 10 % it loses $ten %"
}

more_ms_() {
	awk -v a="$(value "$1" "$2")" 'BEGIN { printf "%.2f", a - 60 }'
}

# line_flood_ VARIABLE RATE: percent lost on the way, of what the queue took.
line_flood_() {
	local n in
	n=$(number B)
	spawn flood-server in_b iperf3 -s -1 -B "10.77.$n.2" -p 8090
	wait_bound in_b tcp 8090
	link_reset -n "$n"
	run 20 "$TMP/flood" iperf3 -c "10.77.$n.2" -p 8090 -u -b "$2" -l 1400 -t 8
	wait_exit flood-server 10
	in=$(($(link_stat -n "$n" a_in_packets) - $(link_stat -n "$n" a_dropped_queue)))
	printf -v "$1" '%s' "$(awk -v i="$in" -v o="$(link_stat -n "$n" a_out_packets)" 'BEGIN { printf "%.2f", 100 * (i - o) / i }')"
}
