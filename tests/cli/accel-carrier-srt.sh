#!/bin/bash
# The srt carrier: bytes both ways and datagrams, several keys, and whoever has none.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

new_key "$TMP/first"
new_key "$TMP/second"
new_key "$TMP/other"
(umask 077 && { sed 's/^/old /' "$TMP/first" && sed 's/^/new /' "$TMP/second"; } >"$TMP/key")
(umask 077 && sed 's/^/new /' "$TMP/second" >"$TMP/new")
(umask 077 && sed 's/^/new /' "$TMP/other" >"$TMP/forged")
T=$(free_port udp)
read -r ECHO COUNT SOURCE <<<"$("$BUILD/tests/net/free-port" -n 3 | tr '\n' ' ')"
read -r L1 L2 L3 <<<"$("$BUILD/tests/net/free-port" -n 3 | tr '\n' ' ')"
U=$(free_port udp)
E=$(free_port udp)
serves echo "$ECHO" count "$COUNT" source "$SOURCE"
spawn -r uback "$PROBE" echo 127.0.0.1 "$E"
wait_ready uback
srt_endpoint() {
	spawn -r endpoint "$BUILD/gex-endpoint" -S "tunnel.listen_srt=127.0.0.1:$T" -k "$TMP/key" \
		-b "echo=tcp:127.0.0.1:$ECHO" -b "count=tcp:127.0.0.1:$COUNT" -b "source=tcp:127.0.0.1:$SOURCE" \
		-b "game=udp:127.0.0.1:$E"
	wait_ready endpoint
	wait_log endpoint "listening on srt:127.0.0.1:$T"
}
srt_listener() {
	spawn -r "$1" "$BUILD/gex-listen" -e "127.0.0.1:$T" -S tunnel.carrier=srt -k "$2" -l "tcp:127.0.0.1:$L1=echo" \
		-l "tcp:127.0.0.1:$L2=count" -l "tcp:127.0.0.1:$L3=source" -l "udp:127.0.0.1:$U=game"
	wait_ready "$1"
}
srt_endpoint
srt_listener forged "$TMP/forged"
wait_log forged "error: .*key refused by 127.0.0.1:$T"
stop forged
srt_listener listen "$TMP/new"
wait_log listen 'up after .* ms over srt'
wait_log endpoint '127.0.0.1:[0-9]+, key new: up'

step "20 MB up, half-close, an answer after it" patiently 60 "$PEER" push 127.0.0.1 "$L2" 20000000
step "20 MB down" patiently 60 "$PEER" pull 127.0.0.1 "$L3" 20000000
step "100 connections at once" patiently 60 "$PEER" many 127.0.0.1 "$L1" 100 20000
step "UDP through SRT" retry 10 udp_works "$U"
for i in 1 14 60 1452; do
	head -c "$i" /dev/urandom >"/dev/udp/127.0.0.1/$T" || true
done
step "it works after garbage" works "$L1"
kill9 endpoint
srt_endpoint
retry 20 works "$L1" || fail "no tunnel after a restart"
echo "ok - it works after a restart"
stop listen
[ "$STATUS" = 0 ] || fail "gex-listen ended with $STATUS"
stop endpoint
[ "$STATUS" = 0 ] || fail "gex-endpoint ended with $STATUS"
