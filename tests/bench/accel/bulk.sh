# shellcheck shell=bash
# One TCP transfer of 15 s in each direction: the last 10 s of it, and from a cold start to the end of the first 50 MB.
# Each begins with a new tunnel. Payload of the application counts; the limit is of IP bytes.

row_bulk() {
	local link peer way run file=$TMP/bulk
	for link in "${LINKS[@]}"; do
		for way in get put; do
			for ((run = 0; run < RUNS; run++)); do
				for peer in $(tcp_peers); do
					peer_up "$peer" "$link"
					in_a timeout 25 "$LOAD" "$way" "$HOST" "$PORT" -t 15s -s 5s -c 50000000 \
						>"$file" || : >"$file"
					got "$way-$link" "$peer" "$(value mbit "$file")"
					got "cold-$way-$link" "$peer" "$(value cold_mbit "$file")"
					peer_down "$peer" "$link"
					quiet "$(number "$link")"
				done
			done
			bulk_lines_ "$link" "$way"
		done
	done
}

bulk_lines_() {
	local name='bulk, down' must
	[ "$2" = get ] || name='bulk, up'
	must=">= $(product 0.9 "${LIMIT[$1]}")"
	figure "$name" "$1" "$must" Mbit/s "$2-$1"
	plain "$name, first 50 MB" "$1" Mbit/s "cold-$2-$1"
}
