#!/bin/bash
# The past of a stream on disk: kept over kill -9, played, clipped to a frame, cut where it is damaged, and live goes on when the
# disk does not take it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg ffprobe prlimit

udp=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port/live
dir=$TMP/dvr

packager() {
	spawn -r "$1" "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l "http://127.0.0.1:$port" -m 127.0.0.1:0 \
		-S package.dvr="$dir" -S package.window=6s -S package.segment=500ms
	wait_ready "$1"
}

encoder() {
	spawn "$1" ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=320x180:r=30 \
		-re -f lavfi -i sine=r=48000 -c:v libx264 -preset ultrafast -tune zerolatency -g 15 -keyint_min 15 \
		-sc_threshold 0 -b:v 300k -c:a aac -b:a 64k -f mpegts -muxdelay 0 -flush_packets 1 \
		"udp://127.0.0.1:$udp?pkt_size=1316"
}

code() {
	curl -sS -m $((8 * PATIENCE)) -o "$TMP/body" -w '%{http_code}' "$@"
}

# past N [RENDITION]: the disk has N segments or more.
past() {
	curl -sS -f -m $((8 * PATIENCE)) "$url/${2:-180p}/dvr.m3u8" >"$TMP/past"
	[ "$(grep -v GAP "$TMP/past" | grep -c m4s)" -ge "$1" ]
}

metric() {
	curl -sS "$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/$1.log")" | sed -n "s/^$2 //p"
}

# Instant of the first date in a playlist, seconds.
first_date() {
	date -d "$(sed -n 's/^#EXT-X-PROGRAM-DATE-TIME://p' "$1" | head -1)" +%s.%N
}

# plus A B: their sum.
plus() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a + b }'
}

clip() {
	curl -sS -f -m $((8 * PATIENCE)) -o "$TMP/$1.mp4" "$url/clip.mp4?from=$2&to=$3${4-}"
}

# ---- what was is kept ----
step "a bad window is refused" grep -q dvr_window <("$BUILD/gex-package" -i - -l :0 -S package.dvr_window=1s 2>&1 || true)
packager one
step "no past yet is 503" test "$(code "$url/dvr.m3u8")" = 503
encoder source
retry 30 past 6 || fail "nothing is kept"
refuse "a second packager in the same folder" 69 "$BUILD/gex-package" -i "udp://127.0.0.1:$(free_port udp)" \
	-l http://127.0.0.1:0 -S package.dvr="$dir"
step "says why" grep -q 'another process' "$TMP/refused"
n=$(grep -Eo '^[0-9]+' "$TMP/past" | head -1)
curl -sS -f "$url/180p/$n.m4s" >"$TMP/live.m4s"
step "now as ever" test "$(code "$url/180p/index.m3u8")" = 200
kill9 one
stop source
packager two
past 6 || fail "the past is gone after kill -9"
step "the same past after kill -9" grep -qx "$n.m4s" "$TMP/past"
curl -sS -f "$url/180p/$n.m4s" >"$TMP/disk.m4s"
same_file "$TMP/live.m4s" "$TMP/disk.m4s"
step "no live stream yet" test "$(code "$url/index.m3u8")" = 503
step "a range of a segment" test "$(code -r 10-19 "$url/180p/$n.m4s")" = 206

# ---- played ----
at=$(first_date "$TMP/past")
from=$(plus "$at" 0.8) to=$(plus "$at" 2.3)
curl -sS -f "$url/index.m3u8?from=$from&to=$to" >"$TMP/vod"
step "a span has addresses of its own" grep -q '^180p/dvr.m3u8?from=.*&to=' "$TMP/vod"
step "a span ends" grep -q ENDLIST <(curl -sS -f "$url/$(tail -1 "$TMP/vod")")
patiently 20 ffmpeg -nostdin -v error -xerror -i "$url/index.m3u8?from=$from&to=$to" -f null - || fail "ffmpeg does not play the span"
at_least "HLS: seconds of the span" "$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$url/index.m3u8?from=$from&to=$to")" 1.9
# ffmpeg's DASH reader keeps numbers in 32 bits, which half seconds since 1970 are beyond.
curl -sS -f "$url/manifest.mpd?from=$from&to=$to" >"$TMP/mpd"
step "DASH: its length" grep -q 'type="static" mediaPresentationDuration="PT2.0' "$TMP/mpd"
step "DASH: its first segment" test "$(sed -n 's/.*startNumber="\([0-9]*\)".*/\1/p' "$TMP/mpd" | sort -u)" = $((n + 1))
step "DASH: the window" grep -q 'timeShiftBufferDepth' <(curl -sS -f "$url/dvr.mpd")
patiently 20 ffmpeg -nostdin -v error -xerror -live_start_index 0 -i "$url/dvr.m3u8" -t 2 -f null - || fail "ffmpeg does not play the past"
curl -sS -f "$url/180p/dvr.m3u8?t=$from" >"$TMP/shift"
step "from an instant on" grep -q '^#EXT-X-START:TIME-OFFSET=0\.[23]' "$TMP/shift"
step "  which is the first listed" test "$(grep -Eo '^[0-9]+' "$TMP/shift" | head -1)" = $((n + 1))
curl -sS -f "$url/180p/dvr.m3u8?_HLS_skip=YES" >"$TMP/delta"
skipped=$(sed -n 's/^#EXT-X-SKIP:SKIPPED-SEGMENTS=//p' "$TMP/delta")
step "a delta leaves out what it says" test $((${skipped:-0} + $(grep -c m4s "$TMP/delta"))) = "$(grep -c m4s "$TMP/past")"

# ---- clips ----
clip one "$from" "$to"
awk_near() {
	awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; exit !(d < 0.034 && d > -0.034) }'
}
for s in v a; do
	d=$(ffprobe -v error -select_streams $s -show_entries stream=duration -of csv=p=0 "$TMP/one.mp4" | head -1)
	step "the clip's $s is 1.5 s to a frame ($d)" awk_near "$d" 1.5
done
frames=$(ffprobe -v error -select_streams v -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$TMP/one.mp4" | head -1)
at_least "frames shown" "$frames" 44
at_most "frames shown" "$frames" 46
ffmpeg -nostdin -v warning -xerror -i "$TMP/one.mp4" -f null - 2>"$TMP/probe" || fail "the clip does not decode"
step "decodes clean" test ! -s "$TMP/probe"
curl -sS -f -r 1000-1999 "$url/clip.mp4?from=$from&to=$to" >"$TMP/part"
dd if="$TMP/one.mp4" bs=1000 skip=1 count=1 status=none >"$TMP/want"
same_file "$TMP/part" "$TMP/want"
curl -sS -f -H 'Connection: close' --http2-prior-knowledge "$url/clip.mp4?from=$from&to=$to" >"$TMP/h2"
same_file "$TMP/h2" "$TMP/one.mp4"
clip silent "$from" "$to" "&rendition=180p"
slow=$(curl -sS -f --limit-rate 200k -o "$TMP/slow" -w '%{http_code}' "$url/clip.mp4?from=$from&to=$to")
step "a slow reader gets all ($slow)" cmp "$TMP/slow" "$TMP/one.mp4"

# ---- what is refused ----
for q in "" "?from=5" "?from=$to&to=$from" "?from=x&to=y" "?from=-7200&to=-1" "?t=5"; do
	step "clip.mp4$q is 400" test "$(code "$url/clip.mp4$q")" = 400
done
step "a span without media is 404" test "$(code "$url/clip.mp4?from=1000&to=1060")" = 404
step "an unknown rendition is 404" test "$(code "$url/clip.mp4?from=$from&to=$to&rendition=../x")" = 404
for p in "..%2f180p/$n.m4s" "180p/..%2f..%2f.lock" "180p/$n.mp4" ".lock" "180p/99999999999999999999.m4s"; do
	step "/$p is not found" grep -Eq '^(400|404|503)$' <(code --path-as-is "$url/$p")
done

# ---- a torn end ----
stop two
last=$(find "$dir/live/180p" -name '*.mp4' | sort | tail -1)
truncate -s -1000 "$last"
printf 'torn' >>"${last%.mp4}.idx"
before=$(grep -c m4s "$TMP/past")
: >"$dir/live/audio/12.idx"
packager three
past 3 || fail "a torn file takes all with it"
at_least "segments before the torn one" "$(grep -c m4s "$TMP/past")" $((before - 1))
at_most "the torn one is not listed" "$(grep -c m4s "$TMP/past")" $((before - 1))
step "what has no index is taken away" test ! -e "$dir/live/audio/12.idx"

# ---- the stream comes back ----
encoder again
goes_on() {
	past 1 && grep -q DISCONTINUITY "$TMP/past" && [ "$(tail -1 "$TMP/past")" != "$newest.m4s" ]
}
newest=$(grep -Eo '^[0-9]+' "$TMP/past" | tail -1)
retry 20 goes_on || fail "the past does not go on"
step "what is missing is a gap" grep -q EXT-X-GAP "$TMP/past"
# The first segment after the discontinuity.
after() {
	sed -n '/DISCONTINUITY$/,$p' "$TMP/past" | grep -m 1 m4s
}
video=$(after)
same_place() {
	past 1 audio && [ "$(after)" = "$video" ]
}
step "the sound has its discontinuity at the same place" retry 10 same_place

# ---- a disk that takes nothing ----
prlimit --pid "${PID[three]}" --fsize=1000:unlimited
wait_log three 'the past is not kept'
step "is counted" retry 10 test "$(metric three 'gex_package_dvr_lost_segments_total{stream="live",reason="disk"}')" -ge 1
step "live goes on" test "$(code "$url/180p/index.m3u8")" = 200
step "in one line" test "$(grep -c 'not kept' "$TMP/three.log")" = 1
prlimit --pid "${PID[three]}" --fsize=unlimited:unlimited
wait_log three 'is kept again; [1-9]' 30
step "ended in order" stop three
step "with success" test "$STATUS" = 0
