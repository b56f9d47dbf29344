# shellcheck shell=bash
# One TCP stream on loopback, both ends of the tunnel and of the transfer on this machine's cores: 8 s, without the first 2.

row_loopback() {
	local peer i way file=$TMP/loopback
	need_lo
	for ((i = 0; i < RUNS; i++)); do
		for peer in $(peers_of gex bbr haproxy kcptun); do
			for way in get put; do
				peer_up "$peer" lo
				run 20 "$file" "$LOAD" "$way" "$HOST" "$PORT" -t 8s -s 2s
				got "loopback-$way" "$peer" "$(value mbit "$file")"
				peer_down "$peer" lo
			done
		done
	done
	figure 'loopback, down' lo '>= 2500' Mbit/s loopback-get
	figure 'loopback, up' lo '>= 2500' Mbit/s loopback-put
}
