# shellcheck shell=bash
# One UDP flow, 100 bytes 30 times a second, echoed: 10,000 echoes (333 s), so that 0.02 % is 2 of them, on L1, L2
# and L3 at once. Directly, 500 on the same links before. Bytes are those of IP packets that entered the link, both
# ways, over the 256 that an echo has by itself (128 each way).

UDP_ECHOES=${UDP_ECHOES:-10000}

row_udp_echo() {
	local link peer i
	local -A lost=([L1]='<= 0.02' [L2]='<= 0.02' [L3]='<= 0.2')
	local -A p99=([L1]='<= 105' [L2]='<= 205' [L3]='<= 210')
	for link in $(chosen L1 L2 L3); do need_link "$link"; done
	for ((i = 0; i < RUNS; i++)); do
		for peer in $(peers_of bbr gex); do
			udp_echo_once_ "$peer" "$(udp_count_ "$peer")"
		done
	done
	for link in $(chosen L1 L2 L3); do
		figure "UDP echo, lost of $UDP_ECHOES" "$link" "${lost[$link]}" % "udp-lost-$link"
		figure 'UDP echo, p99' "$link" "${p99[$link]}" ms "udp-p99-$link"
		figure 'UDP echo, bytes sent' "$link" '<= 2.5' x "udp-bytes-$link"
	done
}

udp_count_() {
	case $1 in gex) echo "$UDP_ECHOES" ;; *) echo $((UDP_ECHOES / 20)) ;; esac
}

udp_echo_once_() {
	local peer=$1 count=$2 link pids=() n bytes
	for link in $(chosen L1 L2 L3); do
		peer_up "$peer" "$link"
		# The tunnel learns the line first, as it would in a game's lobby.
		run 20 "$TMP/lobby" "$UDP" send "$HOST" "$UDP_PORT" -n 90 -i 33333us -s 100
		link_reset -n "$(number "$link")"
		run 500 "$TMP/udp-$link" "$UDP" send "$HOST" "$UDP_PORT" -n "$count" -i 33333us -s 100 &
		pids+=($!)
	done
	wait "${pids[@]}"
	for link in $(chosen L1 L2 L3); do
		n=$(number "$link")
		bytes=$(($(link_stat -n "$n" a_in_bytes) + $(link_stat -n "$n" b_in_bytes)))
		got "udp-lost-$link" "$peer" "$(value loss_percent "$TMP/udp-$link")"
		got "udp-p99-$link" "$peer" "$(value rtt_p99 "$TMP/udp-$link")"
		got "udp-bytes-$link" "$peer" "$(awk -v b="$bytes" -v n="$count" 'BEGIN { print b / n / 256 }')"
		peer_down "$peer" "$link"
	done
}
