#!/bin/bash
# The accelerator on a long, lossy link: transfers, new connections, echoes, an outage.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/netlib.sh"

PEER=$BUILD/tests/net/tcp-peer
CORE=10.77.0.2
value() {
	sed -n "s/^$1=//p" "$2"
}

net_up
link_up --delay 50ms --loss 1% --rate 50M
(umask 077 && openssl rand -hex 32 >"$TMP/key")
spawn -r source in_b "$PEER" serve source 127.0.0.1 8001
spawn -r count in_b "$PEER" serve count 127.0.0.1 8002
spawn -r echo in_b "$PEER" serve echo 127.0.0.1 8003
spawn -r uecho in_b "$BUILD/tests/net/udp-probe" echo 127.0.0.1 8004
for name in source count echo uecho; do wait_ready $name; done
spawn -r endpoint in_b "$BUILD/gex-endpoint" -l "$CORE:7000" -k "$TMP/key" -b source=tcp:127.0.0.1:8001 \
	-b count=tcp:127.0.0.1:8002 -b echo=tcp:127.0.0.1:8003 -b game=udp:127.0.0.1:8004
spawn -r listen in_a "$BUILD/gex-listen" -e "$CORE:7000" -k "$TMP/key" -l tcp:127.0.0.1:8001=source \
	-l tcp:127.0.0.1:8002=count -l tcp:127.0.0.1:8003=echo -l udp:127.0.0.1:8004=game -S listener.game.class=game
wait_ready endpoint
wait_ready listen
wait_log listen 'up after'

# Of 50 Mbit/s, the start included; the rate itself has its own tests.
patiently 60 in_a "$PEER" pull 127.0.0.1 8001 25000000 >"$TMP/down" || fail "25 MB down"
figure "25 MB down, Mbit/s" "$(value mbit "$TMP/down")" at_least 25
patiently 60 in_a "$PEER" push 127.0.0.1 8002 25000000 >"$TMP/up" || fail "25 MB up"
figure "25 MB up, Mbit/s" "$(value mbit "$TMP/up")" at_least 25

times=()
for _ in $(seq 15); do
	patiently 10 in_a "$PEER" pull 127.0.0.1 8001 1000 >"$TMP/fetch"
	times+=("$(value ms "$TMP/fetch")")
done
figure "1 KB on a new connection, median of 15, ms" "$(median "${times[@]}")" at_most 110

patiently 60 in_a "$BUILD/tests/net/udp-probe" send 127.0.0.1 8004 -n 150 -i 33ms -s 100 >"$TMP/udp"
at_least "UDP echoes of 150" "$(value received "$TMP/udp")" 1
figure "UDP echo: lost percent" "$(value loss_percent "$TMP/udp")" at_most 6
figure "UDP echo: p50, ms" "$(value rtt_p50 "$TMP/udp")" at_most 110

# An outage of the line costs no connection.
patiently 60 in_a "$PEER" pull 127.0.0.1 8001 12000000 >"$TMP/outage" &
pull=$!
sleep 0.5
link_outage on
sleep 3
link_outage off
wait "$pull" || fail "a transfer did not outlive 3 s without a line"
echo "ok - a transfer outlived 3 s without a line: $(value ms "$TMP/outage") ms"
