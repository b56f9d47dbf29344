# shellcheck shell=bash
# 10,000 UDP flows of 100 bytes 20 times a second through one pair on loopback, 8 s: 200,000 datagrams a second, one way
# only and echoed. The probe and the server need more than a core of their own for the echoes.

row_flows() {
	local peer i
	need_lo
	for ((i = 0; i < RUNS; i++)); do
		for peer in $(peers_of gex bbr); do flows_once_ "$peer"; done
	done
	figure '10,000 flows up, lost' lo '<= 0' % flows-up
	figure '10,000 flows echoed, lost' lo '<= 0' % flows-echo
	plain '10,000 flows echoed, p99' lo ms flows-p99
	figure 'threads, users'"'"' end' lo '<= 9' '' flows-threads-a
	figure 'threads, servers'"'"' end' lo '<= 9' '' flows-threads-b
}

threads_() {
	awk '$1 == "Threads:" { print $2 }' "/proc/${PID[$1]}/status"
}

flows_once_() {
	local peer=$1 file=$TMP/flows
	peer_up "$peer" lo
	run 40 "$file" "$FLOWS" send "$HOST" "$CROWD_PORT" -a 8005 -t 8s -1
	got flows-up "$peer" "$(value up_lost "$file")"
	run 40 "$file" "$FLOWS" send "$HOST" "$CROWD_PORT" -a 8005 -t 8s
	got flows-echo "$peer" "$(value lost "$file")"
	got flows-p99 "$peer" "$(value rtt_p99 "$file")"
	[ "$peer" != gex ] || {
		got flows-threads-a gex "$(threads_ gex-0-a)"
		got flows-threads-b gex "$(threads_ gex-0-b)"
	}
	peer_down "$peer" lo
}
