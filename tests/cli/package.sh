#!/bin/bash
# gex-package on an encoder's stream: LL-HLS by every rule of blocking reload, LL-DASH, the bytes, a restart, a source that
# goes away, and what it refuses.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg ffprobe

udp=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port/live

packager() {
	spawn -r "$1" "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l "http://127.0.0.1:$port" -m "127.0.0.1:0" "${@:2}"
	wait_ready "$1"
}

encoder() {
	spawn "$1" ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=320x180:r=30 \
		-re -f lavfi -i sine=r=48000 -c:v libx264 -preset ultrafast -tune zerolatency -g 30 -keyint_min 30 \
		-sc_threshold 0 -b:v 300k -c:a aac -b:a 64k -f mpegts -muxdelay 0 -flush_packets 1 \
		"udp://127.0.0.1:$udp?pkt_size=1316"
}

code() {
	curl -sS -m $((8 * PATIENCE)) -o "$TMP/body" -w '%{http_code}' "$@"
}

# playlist [QUERY]: the video's media playlist.
playlist() {
	curl -sS -m $((8 * PATIENCE)) "$url/$video/index.m3u8${1-}"
}

ready() {
	[ "$(code "$url/index.m3u8")" = 200 ]
}

# The segment in progress and its next part, by the hint.
hint() {
	playlist | sed -n 's/.*PRELOAD-HINT.*URI="\([0-9]*\)\.\([0-9]*\)\.m4s".*/\1 \2/p'
}

# ---- refusals ----
refuse "no input" 64 "$BUILD/gex-package" -l http://127.0.0.1:0
refuse "a bad name" 64 "$BUILD/gex-package" -i - -l http://127.0.0.1:0 -n a/b
refuse "a bad address" 64 "$BUILD/gex-package" -i - -l http://nowhere:x
refuse "https without a certificate" 64 "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l https://127.0.0.1:0
echo "this is no video, only text" >"$TMP/text"
refuse "a text file" 65 patiently 20 "$BUILD/gex-package" -i "$TMP/text" -l http://127.0.0.1:0
step "in one line of error" test "$(grep -c error "$TMP/refused")" = 1
refuse "a good configuration" 0 "$BUILD/gex-package" -t -i - -l :8080
step "says so" grep -qx 'configuration OK' "$TMP/refused"

# ---- before the source ----
packager one
refuse "a port in use" 69 "$BUILD/gex-package" -i "udp://127.0.0.1:$(free_port udp)" -l "http://127.0.0.1:$port"
step "in one line" test "$(wc -l <"$TMP/refused")" = 1
step "no stream yet is 503" test "$(code -D "$TMP/head" "$url/index.m3u8")" = 503
step "with Retry-After" grep -qi '^retry-after: 1' "$TMP/head"
encoder source
retry 20 ready || fail "no playlist"
curl -sS "$url/index.m3u8" >"$TMP/index"
video=$(grep -v '^#' "$TMP/index" | sed -n 's|/index.m3u8||p')
step "one rendition and audio" grep -q 'URI="audio/index.m3u8"' "$TMP/index"
step "codecs" grep -Eq 'CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2",RESOLUTION=320x180,FRAME-RATE=30.000' "$TMP/index"

# ---- the bytes ----
three() {
	[ "$(playlist | grep -c EXTINF)" -ge 3 ]
}
retry 10 three || fail "no three segments"
for t in "$video" audio; do
	curl -sS "$url/$t/index.m3u8" >"$TMP/list"
	init=$(sed -n 's/.*MAP:URI="\([^"]*\)".*/\1/p' "$TMP/list")
	n=$(grep -Eo '^[0-9]+\.m4s' "$TMP/list" | tail -1 | cut -d. -f1)
	curl -sS -f "$url/$t/$init" "$url/$t/$n.m4s" >"$TMP/$t.mp4"
	: >"$TMP/parts"
	sed -n "s/.*PART:.*URI=\"\($n\.[0-9]*\.m4s\)\".*/\1/p" "$TMP/list" >"$TMP/names"
	while read -r name; do
		curl -sS -f "$url/$t/$name" >>"$TMP/parts"
	done <"$TMP/names"
	curl -sS -f "$url/$t/$n.m4s" >"$TMP/segment"
	same_file "$TMP/parts" "$TMP/segment"
	ffprobe -v warning -show_entries packet=pts_time -of csv=p=0 "$TMP/$t.mp4" >"$TMP/pts" 2>"$TMP/probe"
	step "$t: ffprobe has nothing to say" test ! -s "$TMP/probe"
	ffmpeg -nostdin -v warning -xerror -i "$TMP/$t.mp4" -f null - 2>"$TMP/probe" || fail "$t does not decode"
	step "$t: decodes clean" test ! -s "$TMP/probe"
	# Media time is UTC: the segment is a second old, or two.
	figure "$t: age of the segment, s" "$(awk -v n="$(date +%s)" 'NR == 1 { print n - $1 }' "$TMP/pts")" at_most 4
done
step "30 frames" test "$(ffprobe -v error -select_streams v -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$TMP/$video.mp4" | head -1)" = 30
# tag PATH: the ETag there; a 304 for who names it.
tag() {
	curl -sSI "$url/$1" | sed -n 's/^[Ee][Tt][Aa][Gg]: \([^\r]*\)\r*$/\1/p'
}
known() {
	[ "$(code -H "If-None-Match: $(tag "$1")" "$url/$1")" = 304 ]
}
step "who has a segment is told so" known "audio/$n.m4s"
step "  by a tag that is its own" test "$(tag "audio/$n.m4s")" != "$(tag "audio/$((n - 1)).m4s")"
init=$(curl -sS "$url/audio/index.m3u8" | sed -n 's/^#EXT-X-MAP:URI="\([^"?]*\).*/\1/p')
step "  and who has an init segment" known "audio/$init"
step "cached for long" grep -qi '^cache-control: .*immutable' <(curl -sSI "$url/audio/$n.m4s")
step "ffmpeg plays HLS" patiently 15 ffmpeg -nostdin -v error -i "$url/index.m3u8" -t 2 -f null -
step "ffprobe reads DASH" patiently 15 ffprobe -v error "$url/manifest.mpd"

# ---- blocking reload: RFC 8216bis, 6.2.5.2 ----
media=$url/$video/index.m3u8
step "a part without a number is 400" test "$(code "$media?_HLS_part=0")" = 400
step "no number is 400" test "$(code "$media?_HLS_msn=x")" = 400
step "a negative one is 400" test "$(code "$media?_HLS_msn=-1")" = 400
# ahead N QUERY WANTED: the status for a segment N ahead. The stream may go on before the question comes, so it is put again.
ahead() {
	local n
	read -r n _ < <(hint)
	[ "$(code "$media?_HLS_msn=$((n + $1))$2")" = "$3" ]
}
# The segment in progress may end before the question comes: one more than is too far.
step "four segments ahead is 400" retry 10 ahead 4 "" 400
step "a part far ahead in the next is 400" retry 10 ahead 1 "&_HLS_part=60" 400
read -r n _ < <(hint)
step "an old number is the whole playlist" test "$(code "$media?_HLS_msn=$((n - 100))&_HLS_part=1")" = 200
step "  with its header" grep -q '^#EXT-X-MEDIA-SEQUENCE' "$TMP/body"
answered() {
	read -r n k < <(hint)
	playlist "?_HLS_msn=$n&_HLS_part=$k" >"$TMP/list"
	# The part asked for, or the first of the next segment when that one has ended.
	grep -Eq "PART:.*URI=\"($n\.$k|$((n + 1))\.0)\.m4s\"" "$TMP/list"
}
for _ in 1 2 3 4 5 6; do
	retry 10 answered || fail "part $n.$k is not in the answer for it"
done
echo "ok - each answer has the part that was asked for"
read -r n k < <(hint)
begin=$(now_ms)
playlist "?_HLS_msn=$((n + 1))" >"$TMP/list"
step "a whole segment is waited for" grep -qx "$((n + 1)).m4s" "$TMP/list"
figure "  for some time, ms" $(($(now_ms) - begin)) at_least 900
read -r n k < <(hint)
step "Safari gets it with its first part" test "$(code -A 'AppleCoreMedia/1.0' "$media?_HLS_msn=$((n + 1))")" = 200
step "  which is there" grep -q "URI=\"$((n + 1)).0.m4s\"" "$TMP/body"
read -r n k < <(hint)
step "a hinted part is held, and comes" test "$(code "$url/$video/$n.$k.m4s")" = 200
step "  whole" test "$(head -c 8 "$TMP/body" | tail -c 4)" = moof
read -r n k < <(hint)
step "an unhinted part is 404" test "$(code "$url/$video/$n.$((k + 7)).m4s")" = 404
step "an unknown segment is 404" test "$(code "$url/$video/5.m4s")" = 404
step "an unknown rendition is 404" test "$(code "$url/none/index.m3u8")" = 404

# ---- LL-DASH: the segment in progress comes as it is made ----
trickle() {
	read -r n k < <(hint)
	curl -sS -m $((8 * PATIENCE)) -N -D "$TMP/head" -o "$TMP/trickled" -w '%{time_starttransfer} %{time_total}' \
		"$url/$video/$((n + 1)).m4s" >"$TMP/times"
	grep -qi '^transfer-encoding: chunked' "$TMP/head"
}
step "chunked" retry 10 trickle
figure "over a second or so, s" "$(awk '{ print $2 - $1 }' "$TMP/times")" at_least 0.7
curl -sS "$url/$video/$((n + 1)).m4s" >"$TMP/later"
same_file "$TMP/trickled" "$TMP/later"
step "time for UTCTiming" grep -Eqx '20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z' <(curl -sS "$url/time" && echo)

# ---- one file without an end ----
spawn endless curl -sS -N -o "$TMP/live.mp4" "$url/live.mp4?rendition=$video"
larger() {
	[ "$(stat -c %s "$TMP/live.mp4")" -gt "$1" ]
}
retry 15 larger 130000 || fail "live.mp4 does not go on"
stop endless
step "live.mp4 has picture and sound" test "$(ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$TMP/live.mp4" | tr '\n' ' ')" = "h264 aac "
step "from a key frame on" grep -q K <(ffprobe -v error -select_streams v -show_entries packet=flags -of csv=p=0 "$TMP/live.mp4" | head -1)
ffmpeg -nostdin -v error -i "$TMP/live.mp4" -f null - 2>"$TMP/probe" || fail "live.mp4 does not decode"
step "decodes clean" test ! -s "$TMP/probe"
step "an unknown rendition of it is 404" test "$(code "$url/live.mp4?rendition=none")" = 404

# ---- metrics ----
curl -sS "$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/one.log")" >"$TMP/metrics"
step "answers are counted" grep -q '^gex_package_http_responses_total{status="400"} [1-9]' "$TMP/metrics"
step "so is latency" grep -q "^gex_package_part_latency_seconds_count{stream=\"live\",rendition=\"$video\"} [1-9]" "$TMP/metrics"

# ---- a restart while somebody watches ----
before=$(hint | cut -d' ' -f1)
killed_at=$(now_ms)
kill9 one
packager two -S package.slate=3s
retry 10 ready || fail "no playlist after the restart"
first=$(playlist | sed -n 's/^#EXT-X-MEDIA-SEQUENCE://p')
at_least "the media sequence goes on" "$first" "$((before - 1))"
at_most "as a function of time" "$first" "$((before + 15 + ($(now_ms) - killed_at) / 1000))"
step "what was before is gone" test "$(code "$url/$video/$((before - 3)).m4s")" = 404
step "a viewer's old request is answered" test "$(code "$media?_HLS_msn=$before&_HLS_part=1")" = 200

# ---- the source goes away and comes back ----
stop source
# The last picture stands for a while: parts go on, and are none of the source's.
stands() {
	[ "$(hint | cut -d' ' -f1)" -gt "$((last + 2))" ]
}
last=$(hint | cut -d' ' -f1)
retry 8 stands || fail "nothing stands in for the source"
gapped() {
	playlist | grep -q EXT-X-GAP
}
retry 8 gapped || fail "no gap is announced"
last=$(hint | cut -d' ' -f1)
encoder again
goes_on() {
	[ "$(playlist | grep -v GAP | grep -c EXT-X-PART)" -gt 0 ] && [ "$(hint | cut -d' ' -f1)" -gt "$((last + 2))" ] &&
		playlist | tail -3 | grep -q 'EXT-X-PART:\|m4s$'
}
retry 15 goes_on || fail "the stream does not go on"
step "ended in order" stop two
step "with success" test "$STATUS" = 0

# ---- a file ends ----
ffmpeg -hide_banner -nostdin -loglevel error -f lavfi -i testsrc2=s=320x180:r=30 -f lavfi -i sine=r=48000 -t 7 -c:v libx264 \
	-preset ultrafast -g 30 -keyint_min 30 -sc_threshold 0 -bf 2 -c:a aac "$TMP/film.mp4"
began=$(now_ms)
spawn -r three "$BUILD/gex-package" -i "$TMP/film.mp4" -l "http://127.0.0.1:$port" -S package.window=6s
wait_ready three
retry 10 ready || fail "no playlist of the file"
video=$(curl -sS "$url/index.m3u8" | grep -v '^#' | cut -d/ -f1)
ended() {
	playlist | grep -q EXT-X-ENDLIST
}
retry 15 ended || fail "the playlist does not end"
at_least "a film of 7 s is on the air for, ms" $(($(now_ms) - began)) 6000
step "no hint after the end" test -z "$(hint)"
step "a blocking request is answered at once" test "$(code "$url/$video/index.m3u8?_HLS_msn=$(playlist | grep -Eo '^[0-9]+\.m4s' | tail -1 | cut -d. -f1)")" = 200
step "what there was plays" patiently 15 ffmpeg -nostdin -v error -xerror -i "$url/index.m3u8" -f null -
wait_exit three 15
step "and the packager ends with it" test "$STATUS" = 0
