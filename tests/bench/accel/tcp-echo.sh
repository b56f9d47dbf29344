# shellcheck shell=bash
# 100 bytes 30 times a second over one TCP connection, echoed: 60 s. All peers and the links L1, L2 and L3 at once:
# together they are a thousandth of what a link carries.

row_tcp_echo() {
	local link peer i
	local -A must=([L1]='<= 110' [L2]='<= 210' [L3]='<= 210')
	for link in $(chosen L1 L2 L3); do need_link "$link"; done
	for ((i = 0; i < RUNS; i++)); do tcp_echo_once_; done
	for link in $(chosen L1 L2 L3); do
		figure 'TCP echo, p99' "$link" "${must[$link]}" ms "echo99-$link"
		plain 'TCP echo, p50' "$link" ms "echo50-$link"
	done
}

tcp_echo_once_() {
	local peer link pids=() file
	for link in $(chosen L1 L2 L3); do
		for peer in $(peers_of gex bbr cubic haproxy kcptun); do
			peer_up "$peer" "$link"
			run 80 "$TMP/echo-$peer-$link" "$LOAD" echo "$HOST" "$PORT" -n 1800 -i 33333us -b 100 &
			pids+=($!)
		done
	done
	wait "${pids[@]}"
	for link in $(chosen L1 L2 L3); do
		for peer in $(peers_of gex bbr cubic haproxy kcptun); do
			file=$TMP/echo-$peer-$link
			got "echo99-$link" "$peer" "$(value rtt_p99 "$file")"
			got "echo50-$link" "$peer" "$(value rtt_p50 "$file")"
			peer_down "$peer" "$link"
		done
	done
}
