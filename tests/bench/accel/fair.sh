# shellcheck shell=bash
# Two downloads over L4 at once for 25 s, each side's share of the last 20 s: beside one flow of the kernel's BBR, which
# begins after the other or 3 s before, and beside a second gex tunnel. The peers' columns are their share beside BBR.

row_fair() {
	local link peer i
	for link in $(chosen L4); do
		need_link "$link"
		for ((i = 0; i < RUNS; i++)); do
			for peer in $(peers_of gex bbr cubic kcptun); do fair_once_ "$link" "$peer" bbr; done
			for peer in $(peers_of gex); do fair_once_ "$link" bbr "$peer"; done
			for peer in $(peers_of gex); do fair_once_ "$link" "$peer" gex2; done
		done
		figure 'share beside kernel BBR' "$link" '30..70' % fair-bbr
		plain 'both together' "$link" Mbit/s fair-sum-bbr
		figure 'share beside BBR, second' "$link" '30..70' % fair-second
		figure 'share beside another gex' "$link" '30..70' % fair-gex2
		plain 'both together' "$link" Mbit/s fair-sum-gex2
	done
}

fair_once_() {
	local link=$1 peer=$2 other=$3 file=$TMP/fair one two of all pids=()
	peer_up "$peer" "$link"
	run 35 "$file" "$LOAD" get "$HOST" "$PORT" -t 25s -s 5s &
	pids+=($!)
	[ "$other" != gex ] || sleep 3
	peer_up "$other" "$link"
	run 35 "$file-other" "$LOAD" get "$HOST" "$PORT" -t 25s -s 5s &
	pids+=($!)
	wait "${pids[@]}"
	one=$(value mbit "$file") two=$(value mbit "$file-other")
	all=$(awk -v a="$one" -v b="$two" 'BEGIN { print a + b }')
	of=$(awk -v a="$one" -v all="$all" 'BEGIN { print all ? 100 * a / all : "-" }')
	if [ "$other" = gex ]; then
		got fair-second gex "$(awk -v of="$of" 'BEGIN { print 100 - of }')"
	else
		got "fair-$other" "$peer" "$of"
		got "fair-sum-$other" "$peer" "$all"
	fi
	[ "$peer" = "$other" ] || peer_down "$other" "$link"
	peer_down "$peer" "$link"
	quiet "$link"
}
