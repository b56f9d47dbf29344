# shellcheck shell=bash
# 100 bytes 30 times a second over one TCP connection, echoed: 60 s, on L1, L2 and L3 at once (they share nothing but
# the machine).

ECHO_LINKS=(L1 L2 L3)
declare -A ECHO_P99=([L1]='<= 110' [L2]='<= 210' [L3]='<= 210')

row_tcp_echo() {
	local link peer run
	for ((run = 0; run < RUNS; run++)); do
		for peer in $(tcp_peers); do
			tcp_echo_once_ "$peer"
		done
	done
	for link in "${ECHO_LINKS[@]}"; do
		has "$link" "${LINKS[@]}" || continue
		figure 'TCP echo, p99' "$link" "${ECHO_P99[$link]}" ms "echo99-$link"
		plain 'TCP echo, p50' "$link" ms "echo50-$link"
	done
}

tcp_echo_once_() {
	local peer=$1 link pids=()
	for link in "${ECHO_LINKS[@]}"; do
		has "$link" "${LINKS[@]}" || continue
		peer_up "$peer" "$link"
		in_a timeout 90 "$LOAD" echo "$HOST" "$PORT" -n 1800 -i 33333us -b 100 >"$TMP/echo-$link" &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	for link in "${ECHO_LINKS[@]}"; do
		has "$link" "${LINKS[@]}" || continue
		got "echo99-$link" "$peer" "$(value rtt_p99 "$TMP/echo-$link")"
		got "echo50-$link" "$peer" "$(value rtt_p50 "$TMP/echo-$link")"
		peer_down "$peer" "$link"
	done
}
