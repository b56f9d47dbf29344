# shellcheck shell=bash
# A download over a clean line of 100 Mbit/s and 50 ms with a buffer of 200 ms: how long packets stand in it, on
# average over the last 10 of 15 s, and at most.

row_queue() {
	local peer i file=$TMP/queue pid
	need_link Q
	for ((i = 0; i < RUNS; i++)); do
		for peer in $(peers_of gex bbr cubic kcptun); do
			peer_up "$peer" Q
			run 25 "$file" "$LOAD" get "$HOST" "$PORT" -t 15s -s 5s &
			pid=$!
			sleep 5
			link_reset -n "$(number Q)"
			sleep 9.5
			got queue "$peer" "$(link_stat -n "$(number Q)" b_queue_mean_ms)"
			got queue-max "$peer" "$(link_stat -n "$(number Q)" b_queue_max_ms)"
			wait $pid
			got queue-bulk "$peer" "$(value mbit "$file")"
			peer_down "$peer" Q
			quiet Q
		done
	done
	figure 'standing queue' Q '<= 25' ms queue
	plain 'the longest wait' Q ms queue-max
	plain 'the download meanwhile' Q Mbit/s queue-bulk
}
