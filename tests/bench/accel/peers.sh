# shellcheck shell=bash
# peers.sh: the ways from the users' namespace to the server in the other.
#
#   peer_up PEER LINK      starts what it needs and waits until it carries; sets HOST, PORT and UDP_PORT for the users
#   peer_down PEER LINK
#
# bbr, cubic: the kernel's TCP, and plain UDP. haproxy: one on each end, plain TCP with BBR between them. kcptun: as its
# manual says for a fast line: mode fast3, windows of 4096 packets; no compression, the payload is random.

# The first port of a peer's services on the users' side.
ports_() {
	local base
	case $1 in gex) base=20000 ;; haproxy) base=21000 ;; kcptun) base=22000 ;; gex2) base=23000 ;; esac
	echo $((base + $2 * 10))
}

peer_up() {
	local peer=$1 n
	n=$(number "$2")
	HOST=127.0.0.1
	case $peer in
	bbr | cubic)
		HOST=10.77.$n.2 PORT=8001 UDP_PORT=8004
		[ "$peer" = bbr ] || HOST=10.78.$n.2
		return
		;;
	esac
	PORT=$(ports_ "$peer" "$n")
	UDP_PORT=$((PORT + 1))
	"${peer%2}_up" "$peer-$n" "10.77.$n.2" "$PORT"
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

# Each: NAME, the server's address on the link, the port for both ends.
gex_up() {
	spawn -r "$1-b" in_b "$BUILD/gex-endpoint" -l "$2:$3" -k "$TMP/key" -b tcp=tcp:127.0.0.1:8001 \
		-b udp=udp:127.0.0.1:8004
	wait_ready "$1-b"
	spawn -r "$1-a" in_a "$BUILD/gex-listen" -e "$2:$3" -k "$TMP/key" -l "tcp:127.0.0.1:$3=tcp" \
		-l "udp:127.0.0.1:$(($3 + 1))=udp"
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
	haproxy_conf_ "$2:$3" 127.0.0.1:8001 >"$TMP/$1-b.cfg"
	haproxy_conf_ "127.0.0.1:$3" "$2:$3" >"$TMP/$1-a.cfg"
	spawn "$1-b" in_b haproxy -db -f "$TMP/$1-b.cfg"
	wait_bound in_b tcp "$3"
	spawn "$1-a" in_a haproxy -db -f "$TMP/$1-a.cfg"
	wait_bound in_a tcp "$3"
}

kcptun_up() {
	local how=(--mode fast3 --sndwnd 4096 --rcvwnd 4096 --nocomp --quiet)
	spawn "$1-b" in_b kcptun-server -l "$2:$3" -t 127.0.0.1:8001 "${how[@]}"
	wait_bound in_b udp "$3"
	spawn "$1-a" in_a kcptun-client -l "127.0.0.1:$3" -r "$2:$3" "${how[@]}"
	wait_bound in_a tcp "$3"
}

# tcp_peers [PEER...]: those asked for, of those that carry TCP.
tcp_peers() {
	local peer
	for peer in "${PEERS[@]}"; do
		case $peer in gex | bbr | cubic | haproxy | kcptun) echo "$peer" ;; esac
	done
}
