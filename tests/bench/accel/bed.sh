# shellcheck shell=bash
# bed.sh: the links of the bench and the server behind them.
#
# All links join the same two namespaces; link N is device wanN with 10.77.N.1 and .2. A second pair of addresses,
# 10.78.N.1 and .2, is routed over the same device with CUBIC, the first with BBR.

LOAD=$BUILD/tests/bench/tcp-load
UDP=$BUILD/tests/net/udp-probe

# What each link is, for each direction; the round trip without load in ms; what the line can carry at best: rate x (1 - loss).
declare -A WAN=(
	[L1]='--delay 50ms --loss 1% --rate 100M'
	[L2]='--delay 100ms --loss 5% --rate 100M'
	[L3]='--delay 75ms --loss 3% --burst 20ms --jitter 5ms --rate 50M'
	[L4]='--delay 30ms --loss 0.1% --rate 200M'
	[L5]='--delay 100ms --loss 10% --rate 200M'
)
declare -A RTT=([L1]=100 [L2]=200 [L3]=150 [L4]=60 [L5]=200)
declare -A LIMIT=([L1]=99 [L2]=95 [L3]=48.5 [L4]=199.8 [L5]=180)

# number LINK: of its device.
number() {
	echo "${1#L}"
}

# share FRACTION NUMBER: their product, for what a figure must reach.
product() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a * b }'
}

bed_up() {
	local link
	need haproxy kcptun-client kcptun-server
	net_up
	(umask 077 && openssl rand -hex 32 >"$TMP/key")
	for link in "${LINKS[@]}"; do wan_up "$(number "$link")" "${WAN[$link]}"; done
	spawn -r server in_b "$LOAD" serve 0.0.0.0 8001
	spawn -r udp-server in_b "$UDP" echo 0.0.0.0 8004
	wait_ready server
	wait_ready udp-server
}

# wan_up N OPTIONS: a link and its routes.
wan_up() {
	local n=$1 ns host=1
	# shellcheck disable=SC2086
	link_up -n "$n" --seed "$((n + 40))" $2
	for ns in "$NET_A" "$NET_B"; do
		ip -n "$ns" address add "10.78.$n.$host/24" dev "wan$n"
		ip -n "$ns" route replace "10.77.$n.0/24" dev "wan$n" src "10.77.$n.$host" congctl bbr
		ip -n "$ns" route replace "10.78.$n.0/24" dev "wan$n" src "10.78.$n.$host" congctl cubic
		host=2
	done
}

# quiet N: waits, at most 5 s, until next to nothing enters the link.
quiet() {
	local last=0 now end=$((SECONDS + 5))
	while [ $SECONDS -lt $end ]; do
		now=$(($(link_stat -n "$1" a_in_bytes) + $(link_stat -n "$1" b_in_bytes)))
		[ $((now - last)) -gt 20000 ] || return 0
		last=$now
		sleep 0.3
	done
}
