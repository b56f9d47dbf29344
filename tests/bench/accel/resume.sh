# shellcheck shell=bash
# All paths gone for 10 s in the middle of a download and of an upload over L1: when, after the line is back, bytes
# come again. Every byte is compared; `none` where no byte came in the 6 s that were left.

row_resume() {
	local link peer way i
	for link in $(chosen L1); do
		need_link "$link"
		for ((i = 0; i < RUNS; i++)); do
			for peer in $(peers_of gex bbr kcptun); do
				for way in get put; do resume_once_ "$link" "$peer" "$way"; done
			done
		done
		figure 'resumed after 10 s, down' "$link" '<= 1' s resume-get
		figure 'resumed after 10 s, up' "$link" '<= 1' s resume-put
	done
}

resume_once_() {
	local link=$1 peer=$2 way=$3 file=$TMP/resume n back pid
	n=$(number "$link")
	peer_up "$peer" "$link"
	run 30 "$file" "$LOAD" "$way" "$HOST" "$PORT" -t 20s -s 1s &
	pid=$!
	sleep 4
	link_outage -n "$n" on
	sleep 10
	back=$("$LOAD" clock)
	link_outage -n "$n" off
	wait $pid
	got "resume-$way" "$peer" "$(awk -v end="$(value gap_end "$file")" -v back="$back" 'BEGIN {
		if (end == "-" || end < back) print "none"; else print end - back }')"
	peer_down "$peer" "$link"
	quiet "$link"
}
