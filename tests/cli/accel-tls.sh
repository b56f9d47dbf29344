#!/bin/bash
# The tls carrier alone: bytes both ways through an endpoint that takes nothing else, and those who have no key
# are refused before anything is theirs.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"
need openssl curl

new_key "$TMP/key"
new_key "$TMP/other"
T=$(free_port both)
read -r ECHO COUNT SOURCE M <<<"$("$BUILD/tests/net/free-port" -n 4 | tr '\n' ' ')"
read -r L1 L2 L3 <<<"$("$BUILD/tests/net/free-port" -n 3 | tr '\n' ' ')"
U=$(free_port udp)
E=$(free_port udp)
serves echo "$ECHO" count "$COUNT" source "$SOURCE"
spawn -r uback "$PROBE" echo 127.0.0.1 "$E"
wait_ready uback
services=(-b "echo=tcp:127.0.0.1:$ECHO" -b "count=tcp:127.0.0.1:$COUNT" -b "source=tcp:127.0.0.1:$SOURCE"
	-b "game=udp:127.0.0.1:$E" -m "127.0.0.1:$M")
endpoint endpoint "$T" "${services[@]}" -S tunnel.carriers=tls
wait_log endpoint "listening on tls:127.0.0.1:$T"
listener listen "$T" -S tunnel.carrier=tls -l "tcp:127.0.0.1:$L1=echo" -l "tcp:127.0.0.1:$L2=count" \
	-l "tcp:127.0.0.1:$L3=source" -l "udp:127.0.0.1:$U=game"
wait_log listen 'up after .* ms over tls'

step "50 MB up, half-close, an answer after it" patiently 60 "$PEER" push 127.0.0.1 "$L2" 50000000
step "50 MB down" patiently 60 "$PEER" pull 127.0.0.1 "$L3" 50000000
step "200 connections at once" patiently 60 "$PEER" many 127.0.0.1 "$L1" 200 20000
step "UDP through TCP" retry 10 udp_works "$U"

# A listener that stops reading, in the middle of a download: nobody else notices, and it goes on later.
L4=$(free_port)
patiently 60 "$PEER" pull 127.0.0.1 "$L3" 300000000 >"$TMP/pull" &
pull=$!
sleep 0.2
kill -STOP "${PID[listen]}"
listener beside "$T" -S tunnel.carrier=tls -l "tcp:127.0.0.1:$L4=source"
patiently 60 "$PEER" pull 127.0.0.1 "$L4" 10000000 >"$TMP/beside" || fail "10 MB beside it"
figure "beside a listener that does not read: longest pause, ms" "$(value gap_ms "$TMP/beside")" at_most 500
at_most "KB that the endpoint holds" "$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/${PID[endpoint]}/status")" 400000
kill -CONT "${PID[listen]}"
wait "$pull" || fail "the download of the one that had stopped"
echo "ok - and it reads on"
stop beside

# Without a key: refused, in the log, counted, and nobody else notices.
refused() {
	metric "$M" gex_endpoint_tls_refused_total
}
(head -c 100000 /dev/urandom >"/dev/tcp/127.0.0.1/$T") 2>/dev/null || true
{ printf '\026\003\001\002\000\001\000\001\374\003\003'; head -c 600 /dev/urandom; } >"$TMP/hello"
(cat "$TMP/hello" >"/dev/tcp/127.0.0.1/$T") 2>/dev/null || true
for args in "-tls1_3" "-tls1_2" "-tls1_3 -psk_identity nobody -psk $(openssl rand -hex 32)"; do
	# shellcheck disable=SC2086
	refuse "openssl s_client $args" 1 patiently 10 openssl s_client -connect "127.0.0.1:$T" $args
	grep -qE "alert (handshake failure|protocol version)" "$TMP/refused" || fail "no alert: $(head -c 300 "$TMP/refused")"
done
wait_log endpoint 'tls\] 127.0.0.1:[0-9]+: no tunnel: (it has no key|not TLS 1.3)'
at_least "counted" "$(refused)" 5
spawn -r wrong "$BUILD/gex-listen" -l "tcp:127.0.0.1:0=echo" -e "127.0.0.1:$T" -k "$TMP/other" -S tunnel.carrier=tls
wait_ready wrong
wait_log wrong "error: .*key refused by 127.0.0.1:$T"
stop wrong

# Those who say nothing, or little, are closed in time; a flood of them keeps nobody out.
start=$(now_ms)
exec {slow}<>"/dev/tcp/127.0.0.1/$T"
printf '\026\003\001\002' >&"$slow"
patiently 20 cat <&"$slow" >/dev/null || fail "a silent connection stays open"
exec {slow}>&-
figure "ms until a silent connection is closed" $(($(now_ms) - start)) at_most 10000
at_least "and not before" $(($(now_ms) - start)) 3000
before=$(refused)
quiet=()
for _ in $(seq 300); do
	exec {fd}<>"/dev/tcp/127.0.0.1/$T" || fail "no connection"
	quiet+=("$fd")
done
step "it works beside 300 that are silent" works "$L1"
stop listen
listener listen2 "$T" -S tunnel.carrier=tls -l "tcp:127.0.0.1:$L1=echo"
step "and takes a new tunnel" works "$L1"
enough() {
	[ "$(refused)" -ge $((before + 300)) ]
}
retry 10 enough || fail "only $(($(refused) - before)) of 300 silent ones closed"
for fd in "${quiet[@]}"; do
	exec {fd}>&-
done

# Killed and started again.
kill9 endpoint
endpoint endpoint "$T" "${services[@]}" -S tunnel.carriers=tls
retry 10 works "$L1" || fail "no tunnel after a restart"
stop listen2
[ "$STATUS" = 0 ] || fail "gex-listen ended with $STATUS"
wait_log endpoint 'down after [0-9]+ s: the listener stops'
stop endpoint
[ "$STATUS" = 0 ] || fail "gex-endpoint ended with $STATUS"
