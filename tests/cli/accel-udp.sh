#!/bin/bash
# UDP through gex-listen and gex-endpoint: echoes, large datagrams, a range of ports, idle flows.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

new_key "$TMP/key"
T=$(free_port both)
M=$(free_port)
BACK=$(free_port udp)
IN=$(free_port udp)
# Two ports in a row on both sides, for the range: the probe ends at once when its port is taken.
FIRST=$((20000 + $$ % 20000))
spawn -r echo "$PROBE" echo 127.0.0.1 "$BACK"
spawn -r echo2 "$PROBE" echo 127.0.0.1 $((FIRST + 1))
wait_ready echo
wait_ready echo2
endpoint endpoint "$T" -b "game=udp:127.0.0.1:$BACK" -b "range=udp:127.0.0.1:$FIRST-$((FIRST + 1))" -S tunnel.flow_idle=1s
listener listen "$T" -l "udp::$IN=game" -l "udp:127.0.0.1:$((FIRST + 2))-$((FIRST + 3))=range" \
	-S listener.game.class=game -S tunnel.flow_idle=1s -m "127.0.0.1:$M"

# On loopback nothing is lost, save where a process waits so long for a core that its socket's buffer is full.
all_come() { # all_come PORT ARGS...
	local port=$1
	shift
	patiently 30 "$PROBE" send 127.0.0.1 "$port" "$@" >"$TMP/probe" || fail "the probe gave $?"
	[ "$(value duplicated "$TMP/probe")" = 0 ] || fail "some came twice: $(cat "$TMP/probe")"
	[ "$(value lost "$TMP/probe")" = 0 ]
}
probe() { # probe TEXT PORT ARGS...
	local text=$1
	shift
	step "$text: all come back, none of them twice" retry 10 all_come "$@"
	echo "     rtt p50 $(value rtt_p50 "$TMP/probe") p99 $(value rtt_p99 "$TMP/probe") ms"
}
probe "200 datagrams of 100 bytes" "$IN" -n 200 -i 5ms -s 100 -w 2s
probe "larger than a packet" "$IN" -n 20 -i 20ms -s 9000 -w 2s
probe "second port of a range" $((FIRST + 3)) -n 20 -i 5ms -s 200 -w 2s
at_least "flows were opened" "$(metric "$M" 'gex_listen_opened_total{listener="game"}')" 2
idle() {
	[ "$(metric "$M" 'gex_listen_open{listener="game"}')" = 0 ]
}
retry 5 idle || fail "flows do not end when idle"
echo "ok - idle flows have ended"
