#!/bin/bash
# The endpoint is killed and started again; garbage is thrown at every port; the endpoint stops in good order.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

new_key "$TMP/key"
T=$(free_port both)
E=$(free_port udp)
L=$(free_port)
U=$(free_port udp)
B=$(free_port)
M=$(free_port)
ML=$(free_port)
spawn -r back "$PEER" serve echo 127.0.0.1 "$B"
spawn -r uback "$PROBE" echo 127.0.0.1 "$E"
wait_ready back
wait_ready uback
services=(-b "web=tcp:127.0.0.1:$B" -b "game=udp:127.0.0.1:$E")
endpoint endpoint "$T" "${services[@]}" -m "127.0.0.1:$M"
listener listen "$T" -l "tcp:127.0.0.1:$L=web" -l "udp:127.0.0.1:$U=game" -m "127.0.0.1:$ML" \
	-S tunnel.wait=60s
step "it works" works "$L"
step "UDP works" retry 10 udp_works "$U"

# Garbage: random bytes of many sizes to the tunnel's ports, and as payload, which must pass untouched.
garbage() {
	local i
	for i in 1 2 5 13 14 25 26 60 200 1199 1200 1201 1452 1453 9000 60000; do
		head -c "$i" /dev/urandom >"/dev/udp/127.0.0.1/$1" || true
		{ printf '\026\376\375\000\000\000\000\000\000\000\000'; head -c "$i" /dev/urandom; } >"$TMP/g"
		cat "$TMP/g" >"/dev/udp/127.0.0.1/$1" || true
	done
}
garbage "$T"
garbage "$U"
(head -c 100000 /dev/urandom >"/dev/tcp/127.0.0.1/$L") || true
alive endpoint || fail "garbage ended gex-endpoint"
alive listen || fail "garbage ended gex-listen"
step "it works after garbage" works "$L"
step "UDP works after garbage" retry 10 udp_works "$U"
at_least "stray datagrams are counted" "$(metric "$M" gex_endpoint_stray_datagrams_total)" 16

up_again() {
	[ "$(grep -c 'up after' "$TMP/listen.log")" -ge "$1" ]
}
all_over() {
	[ "$(metric "$ML" 'gex_listen_open{listener="web"}')" = 0 ]
}
five() {
	[ "$(metric "$ML" 'gex_listen_open{listener="web"}')" = 5 ]
}
mkfifo "$TMP/hold"
exec {hold}<>"$TMP/hold" # so that what reads it waits for ever
for i in 1 2 3; do
	spawn -i "$TMP/hold" held "$PEER" idle 127.0.0.1 "$L" 5
	wait_log held open
	retry 5 five || fail "five idle connections are not there"
	kill9 endpoint
	mv "$TMP/endpoint.log" "$TMP/endpoint.$i.log"
	start=$(now_ms)
	endpoint endpoint "$T" "${services[@]}" -m "127.0.0.1:$M"
	retry 5 up_again $((i + 1)) || fail "no tunnel after restart $i"
	figure "restart $i: ms until the tunnel is up again" $(($(now_ms) - start)) at_most 1500
	step "restart $i: it works" works "$L"
	retry 5 udp_works "$U" || fail "no UDP after restart $i"
	retry 5 all_over || fail "connections to the killed endpoint are not reset"
	stop held || true
done

# An endpoint that stops says so, and the listener waits for it.
stop endpoint
[ "$STATUS" = 0 ] || fail "gex-endpoint ended with $STATUS"
wait_log listen 'closed by the endpoint: the endpoint stops'
spawn late "$PEER" many 127.0.0.1 "$L" 3 1000
endpoint endpoint2 "$T" "${services[@]}"
wait_exit late 10
[ "$STATUS" = 0 ] || fail "clients that waited for the tunnel failed"
echo "ok - clients that came while there was no tunnel were served"
stop listen
[ "$STATUS" = 0 ] || fail "gex-listen ended with $STATUS"
