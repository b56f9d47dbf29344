# shellcheck shell=bash
# One TCP transfer of 12 s in each direction: the last 8 s of it, and from the cold start to the end of the first
# 50 MB. Each begins with a new tunnel. The payload counts; the limit is of IP bytes. CUBIC and HAProxy only down.

row_bulk() {
	local link peer way i
	for link in $(chosen L1 L2 L3 L4 L5); do
		need_link "$link"
		for ((i = 0; i < RUNS; i++)); do
			for peer in $(peers_of gex bbr cubic haproxy kcptun); do bulk_once_ "$link" "$peer" get; done
			for peer in $(peers_of gex bbr kcptun); do bulk_once_ "$link" "$peer" put; done
		done
		bulk_lines_ "$link" get 'bulk, down'
		bulk_lines_ "$link" put 'bulk, up'
	done
}

bulk_once_() {
	local file=$TMP/bulk
	peer_up "$2" "$1"
	run 22 "$file" "$LOAD" "$3" "$HOST" "$PORT" -t 12s -s 4s -c 50000000
	got "$3-$1" "$2" "$(value mbit "$file")"
	got "cold-$3-$1" "$2" "$(value cold_mbit "$file")"
	peer_down "$2" "$1"
	quiet "$1"
}

bulk_lines_() {
	figure "$3" "$1" ">= $(product 0.9 "${LIMIT[$1]}")" Mbit/s "$2-$1"
	plain "$3, first 50 MB" "$1" Mbit/s "cold-$2-$1"
}
