#!/bin/bash
# Running it as a service: several endpoints, names, keys rolled over, drain.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

new_key "$TMP/key"
read -r T1 T2 DEAD <<<"$(free_port both) $(free_port both) $(free_port both)"
L=$(free_port)
B=$(free_port)
spawn -r back "$PEER" serve echo 127.0.0.1 "$B"
wait_ready back
services=(-b "web=tcp:localhost:$B")

# The first endpoint of the list is dead, the second is a name.
endpoint one "$T1" "${services[@]}"
endpoint two "$T2" "${services[@]}"
spawn -r listen "$BUILD/gex-listen" -e "127.0.0.1:$DEAD, localhost:$T1,127.0.0.1:$T2" -k "$TMP/key" \
	-l "tcp:127.0.0.1:$L=web"
wait_ready listen
wait_log listen "web\] listening on tcp:127.0.0.1:$L"
wait_log listen "127.0.0.1:$DEAD: nobody listens there"
wait_log listen "localhost:$T1 \(.*:$T1\): up after"
step "the second endpoint serves" works "$L"
kill9 one
wait_log listen "127.0.0.1:$T2: up after" 5
step "the third took over from the killed one" works "$L"

# Keys: the endpoint gets a second one without losing a tunnel, then the listener changes over.
step "before the roll-over" works "$L"
new_key "$TMP/key2"
{ cat "$TMP/key"; cat "$TMP/key2"; } >"$TMP/both"
cp "$TMP/both" "$TMP/key"
kill -HUP "${PID[two]}"
wait_log two 'key file read again'
step "a tunnel outlives the new keys" works "$L"
spawn -r second "$BUILD/gex-listen" -e "127.0.0.1:$T2" -k "$TMP/key2" -l "tcp:127.0.0.1:0=web"
wait_ready second
wait_log second 'up after'
echo "ok - the second key is good at once"
echo garbage >"$TMP/key"
kill -HUP "${PID[two]}"
wait_log two 'not a key.*stay as they were'
step "a bad key file changes nothing" works "$L"
stop second

# Drain: what is open may go on for a while; new clients are refused by the kernel.
mkfifo "$TMP/hold"
exec {hold}<>"$TMP/hold"
spawn -i "$TMP/hold" held "$PEER" idle 127.0.0.1 "$L" 1
wait_log held open
kill -TERM "${PID[listen]}"
wait_log listen '1 connections have'
alive listen || fail "gex-listen does not wait for its connection"
kill9 held
wait_exit listen 4
[ "$STATUS" = 0 ] || fail "gex-listen ended with $STATUS"
echo "ok - gex-listen ended when its last connection did"
wait_log two 'down after [0-9]+ s: the listener stops'
