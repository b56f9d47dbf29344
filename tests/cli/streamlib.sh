# shellcheck shell=bash
# For the tests of stream, gex-record and gex-restream: a live source of this machine, and a real nginx with the RTMP module.

# The locks of libsrt, which is not instrumented, look like races to ThreadSanitizer.
printf 'called_from_lib:libsrt-gnutls.so\nrace:libsrt-gnutls.so\nmutex:libsrt-gnutls.so\n' >"$TMP/tsan.supp"
export TSAN_OPTIONS="suppressions=$TMP/tsan.supp${TSAN_OPTIONS:+:$TSAN_OPTIONS}"

# live SECONDS FORMAT OUTPUT: a coloured picture with a tone, 320x180 at 30 fps, a key frame each second; PACE= for at once.
live() {
	# shellcheck disable=SC2086 # no word, or one
	${EXEC-} ffmpeg -hide_banner -nostdin -loglevel error ${PACE--re} -f lavfi -i testsrc2=size=320x180:rate=30 \
		-f lavfi -i sine=frequency=440:sample_rate=48000 -t "$1" -c:v libx264 -preset ultrafast -tune zerolatency \
		-g 30 -threads 1 -b:v 400k -pix_fmt yuv420p -c:a aac -b:a 64k -flush_packets 1 -f "$2" -y "$3"
}

# frames FILE-OR-URL: how many pictures are in it.
frames() {
	ffprobe -v error -select_streams v:0 -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$1" |
		sed -n '1{s/,//g;p}'
}

# nginx_rtmp NAME PORT: an nginx of our own, in the foreground, that takes RTMP at PORT, application live.
nginx_rtmp() {
	local module=/usr/lib/nginx/modules/ngx_rtmp_module.so
	need nginx
	[ -e $module ] || skip "needs libnginx-mod-rtmp"
	mkdir -p "$TMP/$1"
	cat >"$TMP/$1/nginx.conf" <<-END
		load_module $module;
		daemon off;
		master_process off;
		worker_processes 1;
		pid $TMP/$1/pid;
		error_log stderr warn;
		events { worker_connections 64; }
		rtmp { server { listen 127.0.0.1:$2; chunk_size 4096; application live { live on; } } }
	END
	spawn "$1" nginx -p "$TMP/$1" -c "$TMP/$1/nginx.conf" -e stderr
	wait_bound tcp "$2"
}
