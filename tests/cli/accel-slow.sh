#!/bin/bash
# A client that does not read: memory stays bounded on both sides, and others are served as before.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

new_key "$TMP/key"
T=$(free_port both)
read -r L1 L2 B1 B2 <<<"$("$BUILD/tests/net/free-port" -n 4 | tr '\n' ' ')"
spawn -r source "$PEER" serve source 127.0.0.1 "$B1"
spawn -r echo "$PEER" serve echo 127.0.0.1 "$B2"
wait_ready source
wait_ready echo
endpoint endpoint "$T" -b "source=tcp:127.0.0.1:$B1" -b "echo=tcp:127.0.0.1:$B2"
listener listen "$T" -l "tcp:127.0.0.1:$L1=source" -l "tcp:127.0.0.1:$L2=echo" -S tunnel.drain=300ms

rss() { # rss NAME: in MB
	awk '/^VmRSS/ { print $2 / 1024 }' "/proc/${PID[$1]}/status"
}
before=$(rss listen)
for i in 1 2 3; do
	exec {slow}<>"/dev/tcp/127.0.0.1/$L1"
	echo 2000000000 >&"$slow"
done
# It has come to rest when nothing more moves.
settled() {
	local a b
	a=$(rss listen)$(rss endpoint)
	sleep 0.3
	b=$(rss listen)$(rss endpoint)
	[ "$a" = "$b" ]
}
retry 20 settled || fail "memory keeps growing"
limit=$((${before%.*} + 90))
case $BUILD in *address*) limit=$((limit * 4)) ;; esac # with the quarantine of freed memory
at_most "MB of gex-listen with three clients that do not read" "$(rss listen)" "$limit"
at_most "MB of gex-endpoint" "$(rss endpoint)" "$limit"
step "others are served" patiently 20 "$PEER" many 127.0.0.1 "$L2" 20 20000
patiently 20 "$PEER" ping 127.0.0.1 "$L2" 200 >"$TMP/ping" || fail "no echo"
figure "their round trip, p50 in us" "$(value rtt_p50_us "$TMP/ping")" at_most 20000
step "a fast one beside them" patiently 60 "$PEER" pull 127.0.0.1 "$L1" 100000000
stop listen 5 || fail "three clients that do not read hold up the end"
[ "$STATUS" = 0 ] || fail "gex-listen ended with $STATUS"
echo "ok - it ends when the time to drain is up"
