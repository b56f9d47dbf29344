# shellcheck shell=bash
# accellib.sh: a pair of gex-listen and gex-endpoint on loopback. Source it after lib.sh.

PEER=$BUILD/tests/net/tcp-peer
PROBE=$BUILD/tests/net/udp-probe

# new_key FILE: a key that only we can read.
new_key() {
	(umask 077 && openssl rand -hex 32 >"$1")
}

# endpoint NAME PORT ARGS...: gex-endpoint on 127.0.0.1:PORT with $TMP/key, ready.
endpoint() {
	local name=$1 port=$2
	shift 2
	spawn -r "$name" "$BUILD/gex-endpoint" -l "127.0.0.1:$port" -k "$TMP/key" "$@"
	wait_ready "$name"
}

# listener NAME PORT ARGS...: gex-listen towards 127.0.0.1:PORT, its tunnel up.
listener() {
	local name=$1 port=$2
	shift 2
	spawn -r "$name" "$BUILD/gex-listen" -e "127.0.0.1:$port" -k "$TMP/key" "$@"
	wait_ready "$name"
	wait_log "$name" 'tunnel.*: up after'
}

# serves MODE PORT...: a tcp-peer of each mode, named for it, ready.
serves() {
	while [ $# -gt 0 ]; do
		spawn -r "$1" "$PEER" serve "$1" 127.0.0.1 "$2"
		wait_ready "$1"
		shift 2
	done
}

# works PORT: what is sent there comes back; udp_works PORT: datagrams do, all of them.
works() {
	patiently 20 "$PEER" many 127.0.0.1 "$1" 4 50000
}
udp_works() {
	patiently 10 "$PROBE" send 127.0.0.1 "$1" -n 20 -i 5ms -w 2s >"$TMP/probe" && [ "$(value lost "$TMP/probe")" = 0 ]
}

# value NAME FILE: of a `name=value` line.
value() {
	sed -n "s/^$1=//p" "$2"
}

# metric PORT NAME: the value of a metric served there.
metric() {
	curl -fsS "http://127.0.0.1:$1/metrics" | awk -v n="$2" '$1 == n { print $2; f = 1 } END { exit !f }'
}
