#!/bin/bash
# What stands in examples/, run as it stands.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/live.sh"
need ffmpeg ffprobe curl
export PATH=$BUILD:$PATH

# ---- INI files ----

openssl rand -hex 32 >"$TMP/key"
chmod 600 "$TMP/key"
for ini in examples/*.ini; do
	tool=$(basename "$ini" .ini) # listen-two-lines is one of gex-listen
	tool=gex-${tool%%-*}
	# The key files that they name are not on this machine.
	keys=()
	while read -r section; do
		keys+=(-S "$section.key_file=$TMP/key")
	done < <(awk '/^\[/ { gsub(/[][]/, ""); sub(/ /, "."); s = $0 } /^key_file/ { print s }' "$ini")
	step "$tool -t -c $ini" "$tool" -t -c "$ini" "${keys[@]}"
done

# ---- pipelines ----

# playlist PORT: is there a playlist with three renditions?
playlist() {
	[ "$(curl -sf --max-time 20 "http://127.0.0.1:$1/live/index.m3u8" | grep -c '^#EXT-X-STREAM-INF')" = 3 ]
}

port=$(free_port)
mkfifo "$TMP/in.ts"
SOURCE=- SITE=127.0.0.1:$port spawn -i "$TMP/in.ts" pipe examples/live-pipe.sh
live_source camera "$TMP/in.ts"
retry 20 playlist "$port" || fail "live-pipe.sh serves no playlist"
step "live-pipe.sh: the smallest rung plays" patiently 30 "$BUILD/tests/media/clock-read" --seconds 3 \
	"http://127.0.0.1:$port/live/index.m3u8"
live_stop camera
wait_exit pipe 40
at_most "live-pipe.sh: status at the end of its source" "$STATUS" 0

port=$(free_port) srt=$(free_port udp)
SOURCE=srt://:$srt SITE=127.0.0.1:$port RUN=$TMP/run DVR=$TMP/dvr spawn sockets examples/live-sockets.sh
wait_bound udp "$srt"
live_source camera2 "srt://127.0.0.1:$srt"
retry 20 playlist "$port" || fail "live-sockets.sh serves no playlist"
recorded() {
	[ "$(cat "$TMP"/dvr/*.mp4 | wc -c)" -gt 200000 ]
}
retry 20 recorded || fail "live-sockets.sh records nothing"
step "live-sockets.sh ends when told" stop sockets
step "its recording plays" ffprobe -v error "$TMP"/dvr/*.mp4
