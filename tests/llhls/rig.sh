# shellcheck shell=bash
# What the tests of many players share: pictures, nginx as an edge, and a crowd that says now and then how it fares.

# film PORT: pictures without sound by UDP, a key frame each second.
film() {
	spawn source ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc2=s=320x180:r=30 -c:v libx264 -preset ultrafast \
		-tune zerolatency -g 30 -keyint_min 30 -sc_threshold 0 -b:v 300k -f mpegts -muxdelay 0 -flush_packets 1 \
		"udp://127.0.0.1:$1?pkt_size=1316"
}

# nginx_edge PORT ORIGIN FORMAT [SED-EXPRESSION...]: examples/nginx-edge.conf with ports and folders of this test, and what
# else sed is to change. A line of FORMAT for each request is in $TMP/asked.
nginx_edge() {
	local port=$1 origin=$2 format=$3 change=() e
	shift 3
	for e in "s|/var/cache/nginx/gex|$TMP/cache|" "s|127.0.0.1:8080|127.0.0.1:$origin|" \
		"s|listen 80;|listen 127.0.0.1:$port;|" "$@"; do
		change+=(-e "$e")
	done
	sed "${change[@]}" "$(dirname "$0")/../../examples/nginx-edge.conf" >"$TMP/edge.conf"
	cat >"$TMP/nginx.conf" <<-NGINX
		$([ "$(id -u)" != 0 ] || echo "user root;")
		daemon off;
		worker_processes 1;
		pid $TMP/nginx.pid;
		error_log stderr error;
		events { worker_connections 8192; }
		http {
			log_format asked '$format';
			access_log $TMP/asked asked;
			client_body_temp_path $TMP/nginx-body;
			proxy_temp_path $TMP/nginx-proxy;
			fastcgi_temp_path $TMP/nginx-fastcgi;
			uwsgi_temp_path $TMP/nginx-uwsgi;
			scgi_temp_path $TMP/nginx-scgi;
			include $TMP/edge.conf;
		}
	NGINX
	spawn edge nginx -c "$TMP/nginx.conf" -p "$TMP"
	wait_port 127.0.0.1 "$port"
}

# crowd ARGUMENT...: hls-crowd until the test ends.
crowd() {
	spawn crowd "$BUILD/tests/bench/hls-crowd" -t 3600s "$@"
	wait_log crowd '^began='
}

# An account of hls-crowd ends with an empty line: how many there are.
crowd_accounts() {
	grep -c '^$' "$TMP/crowd.log" || true
}

# crowd_turn: ends a turn of the players; its account is in $TMP/turn.
crowd_turn() {
	local before
	before=$(crowd_accounts)
	kill -USR1 "${PID[crowd]}"
	crowd_told_() { [ "$(crowd_accounts)" -gt "$before" ]; }
	retry 10 crowd_told_ || fail "hls-crowd says nothing"
	awk -v RS= -v n=$((before + 1)) 'NR == n' "$TMP/crowd.log" >"$TMP/turn"
}
