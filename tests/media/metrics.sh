# shellcheck shell=bash
# shellcheck disable=SC2154
# metrics.sh: what a gex-transcode exports, on port $mport (-m), and a web server on $port to pull from. Source it after
# ../lib.sh, and set these.

# metric NAME or NAME{LABELS}: the sum over the labels that are not given; nothing when there is no such figure.
metric() {
	curl -sf --max-time 20 "http://127.0.0.1:$mport/metrics" | awk -v n="gex_transcode_$1" \
		'$1 == n || index($1, n "{") == 1 { s += $2; f = 1 } END { if (f) print s }'
}
is() {
	[ "$(metric "$1")" = "$2" ]
}
beyond() {
	local v
	v=$(metric "$1")
	[ "${v:-0}" -gt "$2" ]
}

# serve [LINE...]: nginx is `web`, on 127.0.0.1:$port, and gives $TMP/www; LINEs are added to its server.
serve() {
	cat >"$TMP/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $TMP/nginx.pid;
		error_log stderr crit;
		events { worker_connections 64; }
		http {
			access_log $TMP/access.log;
			client_body_temp_path $TMP; proxy_temp_path $TMP; fastcgi_temp_path $TMP; uwsgi_temp_path $TMP; scgi_temp_path $TMP;
			server {
				listen 127.0.0.1:$port;
				root $TMP/www;
				$(printf '%s\n' "$@")
			}
		}
	END
	spawn web nginx -p "$TMP" -c "$TMP/nginx.conf" -e stderr
	wait_bound tcp "$port"
}
