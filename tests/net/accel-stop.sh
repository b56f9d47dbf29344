#!/bin/bash
# timeout: 1500
# Both ends stop when they are told to, in the middle of transfers on a line with bursts of losses: after the time of `drain`,
# and at once when the other end is gone, or when all that they wait for is a name server.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/netlib.sh"

need curl
PEER=$BUILD/tests/net/tcp-peer
CORE=10.77.0.2
DRAIN=300

net_up
link_up --delay 75ms --rate 50M --jitter 5ms --loss 3% --burst 20ms
(umask 077 && openssl rand -hex 32 >"$TMP/key")
spawn -r source in_b "$PEER" serve source 127.0.0.1 8001
spawn -r count in_b "$PEER" serve count 127.0.0.1 8002
wait_ready source
wait_ready count

pair() {
	spawn -r endpoint in_b "$BUILD/gex-endpoint" -l "$CORE:7000" -k "$TMP/key" -b source=tcp:127.0.0.1:8001 \
		-b count=tcp:127.0.0.1:8002 -S tunnel.drain="$1" -m 127.0.0.1:9001
	wait_ready endpoint
	spawn -r listen in_a "$BUILD/gex-listen" -e "$CORE:7000" -k "$TMP/key" -l tcp:127.0.0.1:8001=source \
		-l tcp:127.0.0.1:8002=count -S tunnel.drain="$1"
	wait_ready listen
	wait_log listen 'up after'
}

under_way() {
	in_b curl -fsS http://127.0.0.1:9001/metrics | awk '/^gex_endpoint_open/ { n += $2 } END { exit n < 4 }'
}

# Two transfers each way, and some moment of them.
load() {
	local i
	for i in 1 2; do
		spawn "down$i" in_a "$PEER" pull 127.0.0.1 8001 900000000
		spawn "up$i" in_a "$PEER" push 127.0.0.1 8002 900000000
	done
	retry 10 under_way || fail "the endpoint has no connections"
	sleep 0.$((RANDOM % 5))
}

unload() {
	local i
	for i in down1 up1 down2 up2; do kill9 "$i"; done
}

# stopped NAME: ends it by SIGTERM; TOOK is how many milliseconds that took.
stopped() {
	local start
	start=$(now_ms)
	stop "$1" 5 || fail "$1 did not stop"
	TOOK=$(($(now_ms) - start))
	[ "$STATUS" = 0 ] || fail "$1 ended with $STATUS"
}

for i in 1 2 3; do
	pair ${DRAIN}ms
	load
	stopped endpoint
	figure "round $i: the endpoint gives transfers the time of drain, ms" "$TOOK" at_least "$DRAIN"
	figure "round $i: and ends, ms" "$TOOK" at_most $((DRAIN + 600))
	wait_log listen 'closed by the endpoint|silent|unknown there'
	stopped listen
	figure "round $i: the listener ends, ms" "$TOOK" at_most $((DRAIN + 600))
	unload
done

# With an hour for transfers: it is not waited for the listener that was killed.
pair 1h
load
kill9 listen
stopped endpoint
figure "the listener is gone: the endpoint ends, ms" "$TOOK" at_most 2000
unload

# The other way round, and a listener has clients that wait for a tunnel.
pair 1h
load
kill9 endpoint
spawn late in_a "$PEER" pull 127.0.0.1 8001 1000
stopped listen
figure "the endpoint is gone: the listener ends, ms" "$TOOK" at_most 2000
unload
kill9 late

# Lookups that would take minutes.
printf 'nameserver 10.77.0.9\noptions timeout:30 attempts:5\n' >"$TMP/resolv.conf"
mute() {
	# shellcheck disable=SC2016
	"$1" bash -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$TMP/resolv.conf" "${@:2}"
}
spawn -r listen mute in_a "$BUILD/gex-listen" -v -e far.example.com:7000 -k "$TMP/key" -l tcp:127.0.0.1:8003=web
wait_ready listen
stopped listen
figure "no name server answers: the listener ends, ms" "$TOOK" at_most 1500
