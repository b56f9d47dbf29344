# shellcheck shell=bash
# 10,000 TCP connections through one pair, each of which has carried a byte each way: what each costs in resident memory
# of either end, and whether all still answer. HAProxy and kcptun beside it with as many as 4,000.

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

# Resident KB of what was spawned.
rss_() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/${PID[$1]}/status"
}

idle_once_() {
	local peer=$1 count=$2 before_a before_b file=$TMP/idle
	peer_up "$peer" lo
	before_a=$(rss_ "$peer-0-a") before_b=$(rss_ "$peer-0-b")
	rm -f "$file"
	spawn -o "$file" crowd in_a "$CROWD" idle "$HOST" "$PORT" -n "$count"
	retry 70 grep -q ms= "$file" || true
	got idle-ms "$peer" "$(awk -v ms="$(value ms "$file")" 'BEGIN { print ms / 1000 }')"
	got idle-a "$peer" "$(each_ "$before_a" "$(rss_ "$peer-0-a")" "$count")"
	got idle-b "$peer" "$(each_ "$before_b" "$(rss_ "$peer-0-b")" "$count")"
	stop crowd 30 || true
	got idle-alive "$peer" "$(awk -v n="$(value alive "$file")" -v c="$count" 'BEGIN { print 100 * n / c }')"
	peer_down "$peer" lo
}

each_() {
	awk -v before="$1" -v after="$2" -v n="$3" 'BEGIN { print (after - before) / n }'
}
