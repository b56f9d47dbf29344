# shellcheck shell=bash
# A new connection through a tunnel that is up: from before connect() to the last byte, median of 15. L1 only.

row_fetch() {
	local link=L1 peer size run file=$TMP/fetch
	local -A must=([1]='<= 104' [100]='<= 116' [1024]='<= 200')
	has L1 "${LINKS[@]}" || return 0
	for ((run = 0; run < RUNS; run++)); do
		for peer in $(tcp_peers); do
			peer_up "$peer" $link
			for size in 1 100 1024; do
				in_a timeout 40 "$LOAD" fetch "$HOST" "$PORT" -b "${size}k" -n 15 >"$file" || : >"$file"
				got "fetch-$size" "$peer" "$(value ms_p50 "$file")"
			done
			peer_down "$peer" $link
		done
	done
	for size in 1 100 1024; do
		figure "new connection, $size KB" $link "${must[$size]}" ms "fetch-$size"
	done
}
