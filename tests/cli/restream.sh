#!/bin/bash
# gex-restream to a real nginx: what arrives is the stream; a target that is down hurts no other, and is found again.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=streamlib.sh
. "$(dirname "$0")/streamlib.sh"
need ffmpeg ffprobe curl

one=$(free_port) two=$(free_port) srt=$(free_port udp) metrics=$(free_port)
key=secret-key-of-the-stream
sock=$TMP/live.sock
printf '%s\n' "$key" >"$TMP/key"
chmod 600 "$TMP/key"
cat >"$TMP/restream.ini" <<-END
	[restream]
	input = unix:$sock
	retry = 300ms
	retry_max = 1s
	timeout = 4s
	[target one]
	url = rtmp://127.0.0.1:$one/live
	key_file = $TMP/key
	[target two]
	url = rtmp://127.0.0.1:$two/live/other
	[target call]
	url = srt://127.0.0.1:$srt
END

metric() {
	curl -sf "http://127.0.0.1:$metrics/metrics" | sed -n "s/^gex_restream_$1{target=\"$2\"} //p"
}
is() {
	[ "$(metric "$1" "$2")" = "$3" ]
}
above() {
	[ "$(metric "$1" "$2")" -gt "$3" ]
}

nginx_rtmp one "$one"
mkfifo "$TMP/in"
spawn source live 900 nut "$TMP/in"
spawn -r relay "$BUILD/tests/media/relay" "$TMP/in" "unix:$sock"
wait_ready relay
spawn -r restream "$BUILD/gex-restream" -c "$TMP/restream.ini" -m "127.0.0.1:$metrics" -v
wait_ready restream

step "the target that is there is connected" retry 10 is connected one 1
no_key() {
	! grep -q "$key" "$TMP/restream.log"
}
read_back() {
	patiently 15 ffmpeg -hide_banner -nostdin -v error -rtmp_live live -i "rtmp://127.0.0.1:$one/live/$key" -t 2 -c copy \
		-y "$TMP/back.flv"
}
step "nginx gives the stream out again" read_back
# nginx gives sound at once, and pictures from the next key frame.
at_least "frames read back from nginx in 2 s" "$(frames "$TMP/back.flv")" 25
ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$TMP/back.flv" | sort | tr -d ',\n' >"$TMP/codecs"
step "H.264 and AAC" grep -qx aach264 "$TMP/codecs"

# The second target is dead and the first takes no notice.
step "the dead target is told of, with its reason" wait_log restream "127.0.0.1:$two/live/\*\*\*\] refused: " 5
step "and is counted" retry 5 above failures_total two 1
figure "dropped for the first" "$(metric dropped_packets_total one)" at_most 0

# It comes up.
nginx_rtmp two "$two"
step "a target that comes up is found" retry 10 is connected two 1

# The first goes away and comes back.
stop one
step "a loss is seen" retry 10 is connected one 0
step "with a reason" wait_log restream "127.0.0.1:$one/live/\*\*\*\] (closed|refused|auth)" 5
sent=$(metric sent_bytes_total two)
step "the other goes on" retry 5 above sent_bytes_total two "$sent"
nginx_rtmp one "$one"
step "it is connected again" retry 10 is connected one 1
step "and gives the stream out" read_back

# An SRT listener comes up: the caller finds it.
step "SRT is called" patiently 20 ffmpeg -hide_banner -nostdin -v error -i "srt://127.0.0.1:$srt?mode=listener" -t 2 -c copy -y \
	"$TMP/srt.ts"
at_least "frames over SRT" "$(frames "$TMP/srt.ts")" 5
figure "frames over SRT in 2 s" "$(frames "$TMP/srt.ts")" at_least 50

# The source goes away and comes back; the targets need no touch.
kill9 relay
step "the loss of the source is told" wait_log restream "live.sock\] lost: " 10
stop source || true
spawn source live 900 nut "$TMP/in"
spawn -r relay "$BUILD/tests/media/relay" "$TMP/in" "unix:$sock"
step "after it came back nginx has the stream" retry 15 read_back

step "the stream key is not in the log, not with -v either" no_key
stop restream 5
step "ends with status 0 on SIGTERM" test "$STATUS" = 0
stop relay
stop source || true

# Bad configurations.
refuse "an output that is no server" 64 "$BUILD/gex-restream" -i - -o "unix:$TMP/x"
refuse "a URL without a port" 64 "$BUILD/gex-restream" -i - -o srt://h
chmod 644 "$TMP/key"
refuse "a key that others can read" 77 "$BUILD/gex-restream" -c "$TMP/restream.ini"
chmod 600 "$TMP/key"
step "-t" "$BUILD/gex-restream" -t -c "$TMP/restream.ini"
printf 'this is no video\n' >"$TMP/text"
refuse "a text file as video" 65 "$BUILD/gex-restream" -i "$TMP/text" -o "rtmp://127.0.0.1:$one/live/x"
