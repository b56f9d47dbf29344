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

# value NAME FILE: of a `name=value` line.
value() {
	sed -n "s/^$1=//p" "$2"
}

# metric PORT NAME: the value of a metric served there.
metric() {
	curl -fsS "http://127.0.0.1:$1/metrics" | awk -v n="$2" '$1 == n { print $2; f = 1 } END { exit !f }'
}
