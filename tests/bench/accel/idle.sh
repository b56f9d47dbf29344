# shellcheck shell=bash
# 10,000 TCP connections through one pair, each of which has carried a byte each way: the resident memory of
# either end, all of it, by the number of connections; and whether all still answer. HAProxy and kcptun beside it with as many as 4,000.

row_idle() {
	local peer i
	need_lo
	for ((i = 0; i < RUNS; i++)); do
		for peer in $(peers_of gex haproxy kcptun); do
			case $peer in gex) idle_once_ gex 10000 ;; *) idle_once_ "$peer" 4000 ;; esac
		done
	done
	figure '10,000 idle, users'"'"' end' lo '<= 12' KB idle-a
	figure '10,000 idle, servers'"'"' end' lo '<= 12' KB idle-b
	figure '10,000 idle, still alive' lo '>= 100' % idle-alive
	plain '10,000 opened in' lo s idle-ms
}

# Resident KB of what was spawned, for each of so many.
rss_each_() {
	awk -v n="$2" '$1 == "VmRSS:" { print $2 / n }' "/proc/${PID[$1]}/status"
}

idle_once_() {
	local peer=$1 count=$2 file=$TMP/idle
	peer_up "$peer" lo
	rm -f "$file"
	spawn -o "$file" crowd in_a "$CROWD" idle "$HOST" "$PORT" -n "$count"
	retry 70 grep -q ms= "$file" || true
	got idle-ms "$peer" "$(awk -v ms="$(value ms "$file")" 'BEGIN { print ms / 1000 }')"
	got idle-a "$peer" "$(rss_each_ "$peer-0-a" "$count")"
	got idle-b "$peer" "$(rss_each_ "$peer-0-b" "$count")"
	stop crowd 30 || true
	got idle-alive "$peer" "$(awk -v n="$(value alive "$file")" -v c="$count" 'BEGIN { print 100 * n / c }')"
	peer_down "$peer" lo
}
