#!/bin/bash
# Two paths of one tunnel over two links: one dies, one is added and removed by a reload, all die for a while; no
# connection notices more than a short pause.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/netlib.sh"
need curl

PEER=$BUILD/tests/net/tcp-peer
value() {
	sed -n "s/^$1=//p" "$2"
}
metric() { # metric NAME: as gex-listen exports it
	in_a curl -fsS http://127.0.0.1:9100/metrics | awk -v n="$1" '$1 == n { print $2; f = 1 } END { exit !f }'
}
is() { # is NAME VALUE
	[ "$(metric "$1")" = "$2" ]
}
up() { # up PATH VALUE
	is "gex_listen_path_up{path=\"$1\",carrier=\"udp\"}" "$2"
}

net_up
link_up --delay 15ms --loss 0.5% --rate 20M
link_up -n 1 --delay 20ms --loss 0.5% --rate 20M
(umask 077 && openssl rand -hex 32 >"$TMP/key")
spawn -r source in_b "$PEER" serve source 127.0.0.1 8001
wait_ready source
spawn -r endpoint in_b "$BUILD/gex-endpoint" -l 10.77.0.2:7000,10.77.1.2:7000 -k "$TMP/key" \
	-b source=tcp:127.0.0.1:8001
wait_ready endpoint
one() {
	cat <<-END
		[tunnel]
		endpoint = 10.77.0.2:7000
		key_file = $TMP/key
		[listener source]
		listen = tcp:127.0.0.1:8001
		[path first]
		local = 10.77.0.1
		carrier = udp
	END
}
two() {
	one
	cat <<-END
		[path second]
		local = wan1
		endpoint = 10.77.1.2:7000
		carrier = udp
	END
}
two >"$TMP/listen.ini"
spawn -r listen in_a "$BUILD/gex-listen" -c "$TMP/listen.ini" -m 127.0.0.1:9100
wait_ready listen
wait_log listen 'path second is up'
step "both paths are up" retry 5 up first 1
step "the second too" up second 1

# One dies in the middle of a download, in turn.
for dead in 0 1; do
	name=first
	[ $dead = 0 ] || name=second
	patiently 60 in_a "$PEER" pull 127.0.0.1 8001 20000000 >"$TMP/pull" &
	pull=$!
	sleep 1
	link_outage -n $dead on
	wait_log listen "path $name is down, 1 of 2 paths left"
	wait "$pull" || fail "a download did not outlive the death of path $name"
	figure "path $name died: longest pause of the download, ms" "$(value gap_ms "$TMP/pull")" at_most 1000
	link_outage -n $dead off
	wait_log listen "path $name is back after"
	step "path $name serves again" retry 5 up $name 1
	: >"$TMP/listen.log"
done

# A reload takes one away and brings it back, under a download; a bad file changes nothing.
patiently 60 in_a "$PEER" pull 127.0.0.1 8001 40000000 >"$TMP/pull" &
pull=$!
sleep 1
one >"$TMP/listen.ini"
kill -HUP "${PID[listen]}"
wait_log listen 'path second: removed'
step "one path" retry 5 is gex_listen_tunnel_paths 1
two | sed 's/wan1/a name that is too long/' >"$TMP/listen.ini"
kill -HUP "${PID[listen]}"
wait_log listen 'listen.ini:10: .*not an address by number or a network device'
wait_log listen 'the configuration stays as it was'
two >"$TMP/listen.ini"
kill -HUP "${PID[listen]}"
wait_log listen 'path second: added'
wait_log listen 'path second is up'
two | sed 's/10.77.0.1/wan0/' >"$TMP/listen.ini"
kill -HUP "${PID[listen]}"
wait_log listen 'path first: changed'
step "two paths" retry 5 is gex_listen_tunnel_paths 2
wait "$pull" || fail "a download did not outlive the reloads"
figure "reloads: longest pause of the download, ms" "$(value gap_ms "$TMP/pull")" at_most 1000

# All of them die for a while: the download waits, and goes on.
patiently 90 in_a "$PEER" pull 127.0.0.1 8001 20000000 >"$TMP/pull" &
pull=$!
sleep 1
link_outage -n 0 on
link_outage -n 1 on
wait_log listen 'is silent: 1 connections wait for up to 30 s'
sleep 8
link_outage -n 0 off
start=$(now_ms)
wait_log listen 'is back after'
figure "ms until the tunnel is back" $(($(now_ms) - start)) at_most 1500
link_outage -n 1 off
wait "$pull" || fail "a download did not outlive an outage of all paths"
figure "longest pause of the download, ms" "$(value gap_ms "$TMP/pull")" at_most 13000
[ "$(grep -c 'up after' "$TMP/listen.log")" = 0 ] || fail "there was another tunnel: $(cat "$TMP/listen.log")"
stop listen
[ "$STATUS" = 0 ] || fail "gex-listen ended with $STATUS"
