#!/bin/bash
# TCP through gex-listen and gex-endpoint: bytes both ways, many at once, and every way a connection can end.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

new_key "$TMP/key"
T=$(free_port both)
read -r ECHO COUNT SOURCE GREET RESET HOLD NONE <<<"$("$BUILD/tests/net/free-port" -n 7 | tr '\n' ' ')"
read -r L1 L2 L3 L4 L5 L6 L7 L8 <<<"$("$BUILD/tests/net/free-port" -n 8 | tr '\n' ' ')"
serves echo "$ECHO" count "$COUNT" source "$SOURCE" greet "$GREET" reset "$RESET" hold "$HOLD"
endpoint endpoint "$T" -b "echo=tcp:127.0.0.1:$ECHO" -b "count=tcp:127.0.0.1:$COUNT" \
	-b "source=tcp:localhost:$SOURCE" -b "greet=tcp:127.0.0.1:$GREET" -b "reset=tcp:127.0.0.1:$RESET" \
	-b "hold=tcp:127.0.0.1:$HOLD" -b "none=tcp:127.0.0.1:$NONE"
listener listen "$T" -l "tcp:127.0.0.1:$L1=echo" -l "tcp::$L2=count" -l "tcp:127.0.0.1:$L3=source" \
	-l "tcp:127.0.0.1:$L4=greet" -l "tcp:127.0.0.1:$L5=reset" -l "tcp:127.0.0.1:$L6=none" -l "tcp:127.0.0.1:$L7=unknown" \
	-l "tcp:127.0.0.1:$L8=hold"

ends() { # ends TEXT PORT WANT
	local got
	got=$(patiently 20 "$PEER" ending 127.0.0.1 "$2") || fail "$1: no end"
	[ "$got" = "$3" ] || fail "$1: ended by $got, not $3"
	echo "ok - $1: $got"
}

step "50 MB up, half-close, an answer after it" patiently 60 "$PEER" push 127.0.0.1 "$L2" 50000000
step "50 MB down" patiently 60 "$PEER" pull 127.0.0.1 "$L3" 50000000
step "nothing up, half-close at once" patiently 20 "$PEER" push 127.0.0.1 "$L2" 0
step "a server that speaks first" patiently 20 "$PEER" greet 127.0.0.1 "$L4"
step "200 connections at once" patiently 60 "$PEER" many 127.0.0.1 "$L1" 200 20000
ends "a backend that resets" "$L5" reset
ends "a backend that refuses" "$L6" reset
ends "a service that is not there" "$L7" reset
wait_log endpoint 'none\] backend tcp:127.0.0.1:[0-9]+: Connection refused'
wait_log endpoint 'asks for tcp service "unknown", which is not here'
step "a client that resets" patiently 20 "$PEER" abort 127.0.0.1 "$L1"
wait_log echo 'connection ended: Connection reset by peer'
step "a client that half-closes, then resets" patiently 20 "$PEER" half 127.0.0.1 "$L8"
wait_log hold 'connection held: (Broken pipe|Connection reset by peer)'
# Everything has ended, on both sides of the tunnel.
stop listen 8
[ "$STATUS" = 0 ] || fail "gex-listen ended with $STATUS"
wait_log endpoint 'down after [0-9]+ s: the listener stops'
stop endpoint
[ "$STATUS" = 0 ] || fail "gex-endpoint ended with $STATUS"
