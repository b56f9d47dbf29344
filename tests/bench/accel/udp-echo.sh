# shellcheck shell=bash
# One UDP flow, 100 bytes 30 times a second, echoed: 10,000 echoes (333 s), so that 0.02 % is 2 of them, on L1, L2
# and L3 at once. The direct peer has 1,000 on the same link before. Bytes are those of IP packets that entered the
# link, both ways, of 256 that an echo has by itself (128 each way).
. "$(dirname "$0")/accel/tcp-echo.sh"

UDP_ECHOES=${UDP_ECHOES:-10000}
declare -A UDP_LOST=([L1]='<= 0.02' [L2]='<= 0.02' [L3]='<= 0.2')
declare -A UDP_P99=([L1]='<= 105' [L2]='<= 205' [L3]='<= 210')

row_udp_echo() {
	local link
	has bbr "${PEERS[@]}" && udp_echo_once_ bbr $((UDP_ECHOES / 10))
	has gex "${PEERS[@]}" && udp_echo_once_ gex "$UDP_ECHOES"
	for link in "${ECHO_LINKS[@]}"; do
		has "$link" "${LINKS[@]}" || continue
		figure "UDP echo, lost of $UDP_ECHOES" "$link" "${UDP_LOST[$link]}" % "udp-lost-$link"
		figure 'UDP echo, p99' "$link" "${UDP_P99[$link]}" ms "udp-p99-$link"
		figure 'UDP echo, bytes sent' "$link" '<= 2.5' x "udp-bytes-$link"
	done
}

udp_echo_once_() {
	local peer=$1 count=$2 link pids=() n bytes
	for link in "${ECHO_LINKS[@]}"; do
		has "$link" "${LINKS[@]}" || continue
		peer_up "$peer" "$link"
		n=$(number "$link")
		# The tunnel learns the line first, as it would have in a game's lobby.
		in_a timeout 20 "$UDP" send "$HOST" "$UDP_PORT" -n 90 -i 33333us -s 100 >/dev/null
		link_reset -n "$n"
		in_a timeout 500 "$UDP" send "$HOST" "$UDP_PORT" -n "$count" -i 33333us -s 100 >"$TMP/udp-$link" &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	for link in "${ECHO_LINKS[@]}"; do
		has "$link" "${LINKS[@]}" || continue
		n=$(number "$link")
		bytes=$(($(link_stat -n "$n" a_in_bytes) + $(link_stat -n "$n" b_in_bytes)))
		got "udp-lost-$link" "$peer" "$(value loss_percent "$TMP/udp-$link")"
		got "udp-p99-$link" "$peer" "$(value rtt_p99 "$TMP/udp-$link")"
		got "udp-bytes-$link" "$peer" "$(awk -v b="$bytes" -v n="$count" 'BEGIN { print b / n / 256 }')"
		peer_down "$peer" "$link"
	done
}
