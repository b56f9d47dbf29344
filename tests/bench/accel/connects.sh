# shellcheck shell=bash
# New TCP connections a second through one pair on loopback, 64 at a time for 8 s; each carries a byte each way.

row_connects() {
	local peer i file=$TMP/connects
	need_lo
	for ((i = 0; i < RUNS; i++)); do
		for peer in $(peers_of gex bbr haproxy kcptun); do
			peer_up "$peer" lo
			run 20 "$file" "$CROWD" rate "$HOST" "$PORT" -t 8s
			got connects "$peer" "$(value rate "$file")"
			got connects-failed "$peer" "$(value failed "$file")"
			peer_down "$peer" lo
		done
	done
	figure 'new connections a second' lo '>= 4000' 1/s connects
	figure 'of them failed' lo '<= 0' '' connects-failed
}
