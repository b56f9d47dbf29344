# shellcheck shell=bash
# A new connection through a tunnel that is up: from before connect() to the last byte, median of 15. L1 only.

row_fetch() {
	local link peer size i file=$TMP/fetch
	local -A must=([1]='<= 104' [100]='<= 116' [1024]='<= 200')
	for link in $(chosen L1); do
		need_link "$link"
		for ((i = 0; i < RUNS; i++)); do
			for peer in $(peers_of gex bbr cubic haproxy kcptun); do
				peer_up "$peer" "$link"
				for size in 1 100 1024; do
					run 60 "$file" "$LOAD" fetch "$HOST" "$PORT" -b "${size}k" -n 15
					got "fetch-$size" "$peer" "$(value ms_p50 "$file")"
				done
				peer_down "$peer" "$link"
			done
		done
		for size in 1 100 1024; do
			figure "new connection, $size KB" "$link" "${must[$size]}" ms "fetch-$size"
		done
	done
}
