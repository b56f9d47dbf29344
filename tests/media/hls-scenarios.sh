#!/bin/bash
# What befalls who pulls HLS from a web server: a master playlist with its sound in a playlist of its own, an origin that stalls,
# a reader that comes too late for the window. The server's clock against ours is in unit/test_pull.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=metrics.sh
. "$(dirname "$0")/metrics.sh"
need ffmpeg ffprobe nginx curl

mkdir -p "$TMP/www"
port=$(free_port tcp)
mport=$(free_port tcp)
serve
x264=(-preset ultrafast -g 25 -keyint_min 25 -sc_threshold 0)
spawn encoder ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i sine=r=48000 -t 900 \
	-map 0:v -map 0:v -map 1:a -c:v libx264 "${x264[@]}" -s:v:0 160x90 -b:v:0 50k -s:v:1 320x180 -b:v:1 300k -c:a aac \
	-f hls -hls_time 1 -hls_list_size 5 -hls_flags delete_segments+temp_file -master_pl_name master.m3u8 \
	-var_stream_map 'v:0,agroup:s,name:low v:1,agroup:s,name:high a:0,agroup:s,default:yes,language:kor,name:sound' \
	-hls_segment_filename "$TMP/www/%v-%d.ts" "$TMP/www/%v.m3u8"
enough() {
	[ -s "$TMP/www/master.m3u8" ] && [ "$(grep -c '\.ts$' "$TMP/www/sound.m3u8")" -ge 4 ]
}
retry 30 enough || fail "no playlist"

spawn -r pull "$BUILD/gex-transcode" -v -i "http://127.0.0.1:$port/master.m3u8" -r 144p -o "$TMP/pull.nut" -m "127.0.0.1:$mport"
wait_ready pull
step "the best variant" wait_log pull 'h264 320x180 at 25 fps' 20
step "with the sound beside it" grep -q '320x180.*aac 48000 Hz' "$TMP/pull.log"
step "it is pulled" retry 20 beyond frames_total 75
step "the other variant is not" test "$(grep -c 'GET /low-' "$TMP/access.log")" -le 2
step "how far its end is, is known" wait_log pull 's are left of the playlist' 20

opened=$(metric input_opened_total)
kill -STOP "${PID[encoder]}"
step "the origin stalls: the slate" retry 20 is slate 1
kill -CONT "${PID[encoder]}"
step "it goes on" retry 20 is slate 0
frames=$(metric input_frames_total)
# What was being read is not in the list any more, nor is what stood behind it.
first() {
	sed -n 's/^#EXT-X-MEDIA-SEQUENCE://p' "$TMP/www/high.m3u8"
}
was=$(first)
gone() {
	[ "$(first)" -ge $((was + 7)) ]
}
kill -STOP "${PID[pull]}"
step "the window runs away" retry 20 gone
kill -CONT "${PID[pull]}"
step "it is read from where it is now" retry 20 beyond input_frames_total $((frames + 50))
step "all that by one connection" test "$(metric input_opened_total)" = "$opened"
stop pull
step "status 0 after SIGTERM" test "$STATUS" = 0
ffmpeg -nostdin -hide_banner -i "$TMP/pull.nut" -map 0:a -af volumedetect -f null - 2>&1 |
	sed -n 's/.*max_volume: \(.*\) dB/\1/p' >"$TMP/loud"
at_least "the sound is heard, dB" "$(cat "$TMP/loud")" -30
