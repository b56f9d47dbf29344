# shellcheck shell=bash
# peers.sh: the ways from the users' namespace to the servers in the other.
#
#   peer_up PEER LINK      starts what it needs and waits until it carries; sets HOST, PORT and UDP_PORT for the users
#   peer_down PEER LINK
#
# bbr, cubic: the kernel's TCP, and plain UDP. haproxy: one on each end, plain TCP with BBR between them. kcptun: as its
# manual says for a fast line: mode fast3, windows of 4096 packets; no compression, the payload is random. gex2 is
# another pair of gex. On link `lo` both ends are in the users' namespace.

# The first of the ports of a peer's services on the users' side; the tunnel's own is the sixth.
ports_() {
	local base
	case $1 in gex) base=20000 ;; haproxy) base=21000 ;; kcptun) base=22000 ;; gex2) base=23000 ;; esac
	echo $((base + $2 * 10))
}

peer_up() {
	local peer=$1 n
	n=$(number "$2")
	HOST=127.0.0.1 PORT=8001 UDP_PORT=8004 CROWD_PORT=8005 FAR=in_b CORE=10.77.$n.2
	[ "$2" != lo ] || FAR=in_a CORE=127.0.0.1
	case $peer in
	bbr) HOST=$CORE ;;
	cubic) HOST=${CORE/10.77./10.78.} ;;
	*)
		PORT=$(ports_ "$peer" "$n")
		UDP_PORT=$((PORT + 1)) CROWD_PORT=$((PORT + 2))
		"${peer%2}_up" "$peer-$n" $((PORT + 5))
		;;
	esac
}

peer_down() {
	local n
	n=$(number "$2")
	case $1 in
	bbr | cubic) ;;
	*)
		stop "$1-$n-a" 5 || true
		stop "$1-$n-b" 5 || true
		;;
	esac
}

# Each: NAME, the port between the ends.
gex_up() {
	spawn -r "$1-b" "$FAR" "$BUILD/gex-endpoint" -l "$CORE:$2" -k "$TMP/key" -b tcp=tcp:127.0.0.1:8001 \
		-b udp=udp:127.0.0.1:8004 -b crowd=udp:127.0.0.1:8005
	wait_ready "$1-b"
	spawn -r "$1-a" in_a "$BUILD/gex-listen" -e "$CORE:$2" -k "$TMP/key" -l "tcp:127.0.0.1:$PORT=tcp" \
		-l "udp:127.0.0.1:$UDP_PORT=udp" -l "udp:127.0.0.1:$CROWD_PORT=crowd"
	wait_ready "$1-a"
	wait_log "$1-a" 'tunnel.*: up after'
}

haproxy_conf_() {
	cat <<-END
		global
		  maxconn 8000
		defaults
		  mode tcp
		  timeout connect 10s
		  timeout client 60s
		  timeout server 60s
		listen all
		  bind $1
		  server one $2
	END
}

haproxy_up() {
	haproxy_conf_ "$CORE:$2" 127.0.0.1:8001 >"$TMP/$1-b.cfg"
	haproxy_conf_ "127.0.0.1:$PORT" "$CORE:$2" >"$TMP/$1-a.cfg"
	spawn "$1-b" "$FAR" haproxy -db -f "$TMP/$1-b.cfg"
	wait_bound "$FAR" tcp "$2"
	spawn "$1-a" in_a haproxy -db -f "$TMP/$1-a.cfg"
	wait_bound in_a tcp "$PORT"
}

kcptun_up() {
	local how=(--mode fast3 --sndwnd 4096 --rcvwnd 4096 --nocomp --quiet)
	spawn "$1-b" "$FAR" kcptun-server -l "$CORE:$2" -t 127.0.0.1:8001 "${how[@]}"
	wait_bound "$FAR" udp "$2"
	spawn "$1-a" in_a kcptun-client -l "127.0.0.1:$PORT" -r "$CORE:$2" "${how[@]}"
	wait_bound in_a tcp "$PORT"
}

# peers_of PEER...: those of them that are to be measured.
peers_of() {
	local peer
	for peer; do
		if has "$peer" "${PEERS[@]}"; then echo "$peer"; fi
	done
}
