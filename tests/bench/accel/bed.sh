# shellcheck shell=bash
# bed.sh: the links of the bench and the servers behind them.
#
# All links join the same two namespaces; link N is device wanN with 10.77.N.1 and .2. A second pair of addresses,
# 10.78.N.1 and .2, is routed over the same device with CUBIC, the first with BBR. A row asks for what it uses:
#
#   need_link L1...      brings it up, once
#   need_lo              servers in the users' namespace too, for what is measured on loopback (link `lo`)

LOAD=$BUILD/tests/bench/tcp-load
CROWD=$BUILD/tests/bench/tcp-crowd
FLOWS=$BUILD/tests/bench/udp-crowd
UDP=$BUILD/tests/net/udp-probe

# What each link is, for each direction; the round trip without load in ms; what the line can carry at best: rate x (1 - loss).
# Q has a deep buffer to stand in, P is a second path, B is to look at the link itself.
declare -A WAN=(
	[L1]='--delay 50ms --loss 1% --rate 100M'
	[L2]='--delay 100ms --loss 5% --rate 100M'
	[L3]='--delay 75ms --loss 3% --burst 20ms --jitter 5ms --rate 50M'
	[L4]='--delay 30ms --loss 0.1% --rate 200M'
	[L5]='--delay 100ms --loss 10% --rate 200M'
	[Q]='--delay 25ms --rate 100M --queue 200ms'
	[P]='--delay 60ms --loss 1% --rate 100M'
	[B]='--delay 30ms --rate 200M'
)
declare -A NUMBER=([lo]=0 [L1]=1 [L2]=2 [L3]=3 [L4]=4 [L5]=5 [Q]=6 [B]=7 [P]=8)
declare -A LIMIT=([L1]=99 [L2]=95 [L3]=48.5 [L4]=199.8 [L5]=180)
declare -A UP=()

# number LINK: of its device.
number() {
	echo "${NUMBER[$1]}"
}

# product A B: for what a figure must reach.
product() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a * b }'
}

# chosen LINK...: those of them that are to be measured.
chosen() {
	local link
	for link; do
		if has "$link" "${LINKS[@]}"; then echo "$link"; fi
	done
}

bed_up() {
	net_up
	(umask 077 && openssl rand -hex 32 >"$TMP/key")
	spawn -r server in_b "$LOAD" serve 0.0.0.0 8001
	spawn -r udp-server in_b "$UDP" echo 0.0.0.0 8004
	wait_ready server
	wait_ready udp-server
}

need_link() {
	local n ns host=1
	n=$(number "$1")
	[ -z "${UP[$1]-}" ] || return 0
	# shellcheck disable=SC2086
	link_up -n "$n" --seed "$((n + 40))" ${WAN[$1]}
	for ns in "$NET_A" "$NET_B"; do
		ip -n "$ns" address add "10.78.$n.$host/24" dev "wan$n"
		ip -n "$ns" route replace "10.77.$n.0/24" dev "wan$n" src "10.77.$n.$host" congctl bbr
		ip -n "$ns" route replace "10.78.$n.0/24" dev "wan$n" src "10.78.$n.$host" congctl cubic
		host=2
	done
	UP[$1]=1
}

need_lo() {
	[ -z "${UP[lo]-}" ] || return 0
	spawn -r server-lo in_a "$LOAD" serve 127.0.0.1 8001
	spawn -r udp-server-lo in_a "$UDP" echo 127.0.0.1 8004
	spawn -r crowd-lo in_a "$FLOWS" serve 127.0.0.1 8005
	wait_ready server-lo
	wait_ready udp-server-lo
	wait_ready crowd-lo
	UP[lo]=1
}

# quiet LINK: waits, at most 5 s, until next to nothing enters it.
quiet() {
	local last=0 now end=$((SECONDS + 5)) n
	n=$(number "$1")
	while [ $SECONDS -lt $end ]; do
		now=$(($(link_stat -n "$n" a_in_bytes) + $(link_stat -n "$n" b_in_bytes)))
		[ $((now - last)) -gt 20000 ] || return 0
		last=$now
		sleep 0.3
	done
}

# run SECONDS FILE COMMAND...: the users' side runs it for so long at most; what it prints is in FILE, which is empty
# when it failed. Where and why is said on standard error.
run() {
	local seconds=$1 file=$2
	shift 2
	in_a timeout "$seconds" "$@" >"$file" 2>"$file.err" && return 0
	: >"$file"
	echo "  (${1##*/} $2: $(tail -n 1 "$file.err"))" >&2
}
