# shellcheck shell=bash
# A tunnel with two paths, over L1 and over a line like it with 120 ms; one of them dies, in turn, under a download and
# a TCP echo of 30 messages a second. The longest time in which the download got no byte, and the longest round trip of
# the echo less 120 ms. No peer has a second path.

row_failover() {
	local dead i
	has gex "${PEERS[@]}" || return 0
	"$BUILD/gex-listen" --keys | grep -q '^path ' || {
		note 'failover: gex-listen has no second path here'
		return
	}
	need_link L1
	need_link P
	for ((i = 0; i < RUNS; i++)); do
		for dead in L1 P; do failover_once_ "$dead"; done
	done
	for dead in L1 P; do
		figure "path dies: no byte for" $dead '<= 0.5' s failover-bulk-$dead
		figure "path dies: echo held for" $dead '<= 0.5' s failover-echo-$dead
	done
}

two_paths_() {
	local n
	printf '[tunnel]\nendpoint = 10.77.%s.2:7000\nkey_file = %s\n' "$(number L1)" "$TMP/key"
	printf '[listener tcp]\nlisten = tcp:127.0.0.1:%s\n' "$1"
	for n in "$(number L1)" "$(number P)"; do
		printf '[path wan%s]\nlocal = 10.77.%s.1\nendpoint = 10.77.%s.2:7000\ncarrier = udp\n' "$n" "$n" "$n"
	done
}

failover_once_() {
	local file=$TMP/failover pids=() n other=P
	[ "$1" != P ] || other=L1
	two_paths_ 24000 >"$TMP/two.ini"
	spawn -r gex-two-b in_b "$BUILD/gex-endpoint" -l "10.77.$(number L1).2:7000,10.77.$(number P).2:7000" \
		-k "$TMP/key" -b tcp=tcp:127.0.0.1:8001
	wait_ready gex-two-b
	spawn -r gex-two-a in_a "$BUILD/gex-listen" -c "$TMP/two.ini"
	wait_ready gex-two-a
	wait_log gex-two-a "path wan$(number P) is up"
	run 25 "$file" "$LOAD" get 127.0.0.1 24000 -t 14s -s 4s &
	pids+=($!)
	run 25 "$file-echo" "$LOAD" echo 127.0.0.1 24000 -n 390 -i 33333us -b 100 &
	pids+=($!)
	sleep 6
	n=$(number "$1")
	link_outage -n "$n" on
	wait "${pids[@]}"
	link_outage -n "$n" off
	got "failover-bulk-$1" gex "$(awk -v v="$(value gap_ms "$file")" 'BEGIN { print v == "-" ? v : v / 1000 }')"
	got "failover-echo-$1" gex "$(awk -v v="$(value rtt_max "$file-echo")" 'BEGIN { print v == "-" ? v : (v - 120) / 1000 }')"
	stop gex-two-a 5 || true
	stop gex-two-b 5 || true
	quiet "$other"
}
