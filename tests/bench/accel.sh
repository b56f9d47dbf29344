#!/bin/bash
# timeout: 600
# The accelerator beside the kernel's own TCP, on one long-distance link: 100 Mbit/s, 100 ms of round trip, 1 % loss each way.
# WAN="--delay 100ms --loss 5% --rate 100M" tries another; SIZE is what a transfer moves.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../net/netlib.sh"
need nginx curl openssl

WAN=${WAN:---delay 50ms --loss 1% --rate 100M}
SIZE=${SIZE:-60000000}
CORE=10.77.0.2

net_up
# shellcheck disable=SC2086
link_up $WAN
openssl rand -hex 32 >"$TMP/key"
chmod 600 "$TMP/key"
mkdir -p "$TMP/www/up" "$TMP/nginx"
head -c "$SIZE" /dev/urandom >"$TMP/www/big"
head -c 1024 /dev/urandom >"$TMP/www/1KB"
head -c 102400 /dev/urandom >"$TMP/www/100KB"
cat >"$TMP/nginx.conf" <<EOF
daemon off;
user root;
worker_processes 1;
pid $TMP/nginx/pid;
error_log $TMP/nginx/error.log;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path $TMP/nginx/body;
	client_max_body_size 0;
	server { listen 8081; root $TMP/www; location /up/ { dav_methods PUT; } }
}
EOF
spawn origin in_b nginx -e "$TMP/nginx/error.log" -c "$TMP/nginx.conf"
spawn -r endpoint in_b "$BUILD/gex-endpoint" -l "$CORE:7000" -k "$TMP/key" -b web=tcp:127.0.0.1:8081
spawn -r listen in_a "$BUILD/gex-listen" -e "$CORE:7000" -k "$TMP/key" -l tcp:127.0.0.1:8081=web
wait_ready endpoint
wait_ready listen
wait_port in_b 127.0.0.1 8081

# transfer URL ARGUMENT...: Mbit/s, or what it had reached after 30 s.
transfer() {
	in_a curl -s --max-time 30 -o "$TMP/out" -w '%{size_download} %{size_upload} %{time_total}' "$@" >"$TMP/w" || true
	awk '{ printf "%.1f", ($1 + $2) * 8 / $3 / 1000000 }' "$TMP/w"
}

# fetch URL: median of 15 new connections, in ms.
fetch() {
	local all=() _
	for _ in {1..15}; do
		all+=("$(in_a curl -s --max-time 20 -o "$TMP/out" -w '%{time_total}' "$1")")
	done
	median "${all[@]}" | awk '{ printf "%.0f", $1 * 1000 }'
}

echo "link: $WAN"
printf '%-12s %12s %12s %12s %12s\n' way 'down Mbit/s' 'up Mbit/s' '1 KB ms' '100 KB ms'
for congestion in $(cat /proc/sys/net/ipv4/tcp_available_congestion_control); do
	case $congestion in cubic | bbr) ;; *) continue ;; esac
	in_a sh -c "echo $congestion >/proc/sys/net/ipv4/tcp_congestion_control" 2>/dev/null || continue
	in_b sh -c "echo $congestion >/proc/sys/net/ipv4/tcp_congestion_control"
	printf '%-12s %12s %12s %12s %12s\n' "TCP $congestion" "$(transfer "http://$CORE:8081/big")" \
		"$(transfer -T "$TMP/www/big" "http://$CORE:8081/up/big")" \
		"$(fetch "http://$CORE:8081/1KB")" "$(fetch "http://$CORE:8081/100KB")"
done
at=http://127.0.0.1:8081
printf '%-12s %12s %12s %12s %12s\n' gex "$(transfer $at/big)" "$(transfer -T "$TMP/www/big" $at/up/big)" \
	"$(fetch $at/1KB)" "$(fetch $at/100KB)"
