# shellcheck shell=bash
# The echoes of tcp-echo and udp-echo (450 each) beside a bulk transfer through the same tunnel, from 5 s after its
# start to its end. Peers only beside a download.
#
# On L3 nothing can reach RTT + 25 ms: nothing passes during a burst, 6 of 100 echoes meet one on one of their two ways, and of
# bursts of 20 ms on average one of six has 36 ms or more to go. With copies without end, no queue, and the jitter of 2 x 0-5 ms,
# the 99th percentile is RTT + 41 ms; with the 8 ms of queue that a transfer keeps, and copies every 6 ms, RTT + 56.

row_mixed() {
	local link peer i
	local -A rtt=([L1]=100 [L2]=200 [L3]=150)
	for link in $(chosen L1 L2 L3); do
		need_link "$link"
		for ((i = 0; i < RUNS; i++)); do
			for peer in $(peers_of gex bbr kcptun); do mixed_once_ "$link" "$peer" get; done
			for peer in $(peers_of gex); do mixed_once_ "$link" "$peer" put; done
		done
		mixed_lines_ "$link" get download "${rtt[$link]}"
		mixed_lines_ "$link" put upload "${rtt[$link]}"
	done
}

mixed_once_() {
	local link=$1 peer=$2 way=$3 file=$TMP/mixed pids=()
	peer_up "$peer" "$link"
	run 30 "$file" "$LOAD" "$way" "$HOST" "$PORT" -t 20s -s 5s &
	pids+=($!)
	sleep 5
	run 25 "$file-tcp" "$LOAD" echo "$HOST" "$PORT" -n 440 -i 33333us -b 100 &
	pids+=($!)
	[ "$peer" = kcptun ] || {
		run 25 "$file-udp" "$UDP" send "$HOST" "$UDP_PORT" -n 440 -i 33333us -s 100 &
		pids+=($!)
	}
	wait "${pids[@]}"
	got "mixed-bulk-$way-$link" "$peer" "$(value mbit "$file")"
	got "mixed-tcp-$way-$link" "$peer" "$(value rtt_p99 "$file-tcp")"
	[ "$peer" = kcptun ] || {
		got "mixed-udp-$way-$link" "$peer" "$(value rtt_p99 "$file-udp")"
		got "mixed-lost-$way-$link" "$peer" "$(value loss_percent "$file-udp")"
	}
	peer_down "$peer" "$link"
	quiet "$link"
}

mixed_lines_() {
	local link=$1 way=$2 name=$3 must="<= $(($4 + 25))"
	figure "TCP echo p99 in $name" "$link" "$must" ms "mixed-tcp-$way-$link"
	figure "UDP echo p99 in $name" "$link" "$must" ms "mixed-udp-$way-$link"
	plain "UDP echo lost in $name" "$link" % "mixed-lost-$way-$link"
	figure "the $name meanwhile" "$link" ">= $(product 0.85 "${LIMIT[$link]}")" Mbit/s "mixed-bulk-$way-$link"
}
