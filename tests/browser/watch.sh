#!/bin/bash
# The browser bed by itself, before it judges others: the clock is read off hls.js and bare MSE playing what plain
# ffmpeg makes, a stall is seen, errors are counted, and Chromium goes when it has to.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/rig.sh"
cd "$(dirname "$0")"
npm=${GEX_NPM:-../../build/npm/node_modules}

# get KEY: a figure of the last watch.
get() {
	sed -n "s/^$1=//p" "$TMP/figures"
}

watch() {
	patiently 60 node watch.mjs "$@" >"$TMP/figures" 2>"$TMP/watch.err"
}

# No process bears the scratch folder in its arguments, and there is nothing in it.
no_leftovers() {
	! grep -lsF "$TMPDIR/watch." /proc/[0-9]*/cmdline && [ -z "$(ls -A "$TMPDIR")" ]
}

mkdir "$TMP/www"
mkfifo "$TMP/live.ts" "$TMP/www/live.mp4"
live_source live "$TMP/live.ts"
spawn packager ffmpeg -nostdin -nostats -loglevel warning -i "$TMP/live.ts" -c copy -bsf:a aac_adtstoasc \
	-f hls -hls_time 1 -hls_list_size 5 -hls_flags delete_segments+program_date_time \
	-hls_segment_type fmp4 "$TMP/www/index.m3u8"
spawn server node serve.mjs "$TMP/www" "$TMP/port"
retry 10 test -s "$TMP/port" || fail "the server does not start"
url=http://127.0.0.1:$(cat "$TMP/port")
retry 15 test -s "$TMP/www/index.m3u8" || fail "no playlist"

step "hls.js plays" watch --player hls --seconds 8 --settle 3 --screenshot "$TMP/shot.png" "$url/index.m3u8"
at_least "frames" "$(get frames)" 2
figure "frames" "$(get frames)" at_least 200
figure "unreadable" "$(get unreadable)" at_most 0
figure "latency p50 of plain HLS, ms" "$(get latency_p50_ms)" at_least 1500
figure "latency p50 of plain HLS, ms" "$(get latency_p50_ms)" at_most 8000
figure "stalls" "$(get stalls)" at_most 0
figure "errors" "$(($(get errors) + $(get http_errors)))" at_most 0
at_most "requests to another host" "$(get foreign)" 0
step "heights" test "$(get heights)" = 360
step "screenshot" test -s "$TMP/shot.png"
step "nothing is left of it" no_leftovers

# A page with a player of its own, ended half way by SIGTERM.
cp "$npm/hls.js/dist/hls.min.js" "$TMP/www/"
cat >"$TMP/www/page.html" <<'END'
<!doctype html><link rel=icon href="data:,"><video muted></video><script src="hls.min.js"></script><script>
window.gexPlayer = new Hls();
gexPlayer.loadSource('index.m3u8');
gexPlayer.attachMedia(document.querySelector('video'));
</script>
END
spawn page node watch.mjs --seconds 60 --progress "$url/page.html"
wait_log page 'latency_ms=[0-9]+ height=360' 15
step "ends on SIGTERM" stop page 10
step "with success" test "$STATUS" = 0
step "and an account" grep -q '^latency_frames=' "$TMP/page.log"
step "nothing is left of it" no_leftovers
live_stop live

# One fragment a frame, straight into MSE; a second and a half without frames is a stall.
# Without sound and with durations set, for ffmpeg 5.1 gives such fragments a length of 0.
# shellcheck disable=SC2034
LIVE_MUX="-an -bsf:v setts=duration=1 -movflags frag_every_frame+empty_moov+default_base_moof"
live_source direct "$TMP/www/live.mp4"
spawn mse node watch.mjs --player mp4 --codecs avc1.64001e --seconds 600 --settle 2 --progress "$url/live.mp4"
# shown N: so many progress lines with frames read.
shown() {
	[ "$(grep -c 'latency_ms=[0-9]' "$TMP/mse.log")" -ge "$1" ]
}
retry 25 shown 12 || fail "MSE shows no frames"
kill -STOP "${PID[direct-camera]}"
sleep 1.5
wait_log mse 'stalled=1' 20
kill -CONT "${PID[direct-camera]}"
retry 20 shown $(($(grep -c 'latency_ms=[0-9]' "$TMP/mse.log") + 8)) || fail "MSE does not go on after the stall"
stop mse
step "the account of it" test "$STATUS" = 0
cp "$TMP/mse.log" "$TMP/figures"
at_least "stalls" "$(get stalls)" 1
at_least "in all, ms" "$(get stall_ms)" 100
figure "unreadable" "$(get unreadable)" at_most 0
figure "latency p50 of MSE, ms" "$(get latency_p50_ms)" at_most 1000
figure "latency p50 of MSE, ms" "$(get latency_p50_ms)" at_least 20
figure "the stall, ms" "$(get stall_ms)" at_least 800
figure "the stall, ms" "$(get stall_ms)" at_most 2500

refuse "a playlist that is not there" 65 node watch.mjs --start 6 --player hls "$url/none.m3u8"
cp "$TMP/refused" "$TMP/figures"
at_least "is an answer of 404" "$(get http_errors)" 1
at_least "and a fatal error of the player" "$(get fatal_errors)" 1
refuse "a server that is not there" 69 node watch.mjs --start 5 http://127.0.0.1:1/
step "nothing is left of them" no_leftovers
