#!/bin/bash
# The player page of gex-package in Chromium, on an encoder's stream through gex-transcode; then gex-package is killed and
# started again while the page plays: it goes on by itself.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
. "$(dirname "$0")/rig.sh"
watch=$(dirname "$0")/watch.mjs

srt=$(free_port udp)
port=$(free_port tcp)

packager() {
	spawn -r "$1" "$BUILD/gex-package" -i "unix:$TMPDIR/live.sock" -l "http://127.0.0.1:$port"
	wait_ready "$1"
}

# get KEY: a figure of the last watch.
get() {
	sed -n "s/^$1=//p" "$TMP/page.log"
}

ready() {
	curl -sf -o /dev/null "http://127.0.0.1:$port/live/index.m3u8"
}

spawn -r transcoder "$BUILD/gex-transcode" -i "srt://:$srt" -r 240p -r 144p -o "unix:$TMPDIR/live.sock"
wait_ready transcoder
packager one
live_source live "srt://127.0.0.1:$srt"
retry 20 ready || fail "no playlist"

spawn page node "$watch" --seconds 12 --settle 4 "http://127.0.0.1:$port/live/"
wait_exit page 60
step "the page plays" test "$STATUS" = 0
at_least "frames" "$(get frames)" 2
figure "frames" "$(get frames)" at_least 200
figure "stalls" "$(get stalls)" at_most 0
figure "latency p50, ms" "$(get latency_p50_ms)" at_most 2500
figure "fatal errors" "$(get fatal_errors)" at_most 0
step "no request to another host" test "$(get foreign)" = 0
mv "$TMP/page.log" "$TMP/first.log"

# told EXPRESSION: it holds for latency.json as `it`.
told() {
	curl -sf "http://127.0.0.1:$port/live/latency.json" | node -e "
		const it = JSON.parse(require('fs').readFileSync(0));
		const video = it.renditions.find((r) => r.name === '240p');
		process.exit($1 ? 0 : 1);"
}
step "latency.json knows the delays" told 'video.source.of > 1 && video.part.max >= video.source.p50 / 2 && it.hold.playlist.p50 > 0'

for way in dash mp4; do
	spawn page node "$watch" --seconds 3 --settle 1 "http://127.0.0.1:$port/live/?player=$way"
	wait_exit page 60
	step "the page plays by $way" test "$STATUS" = 0
	at_least "frames" "$(get frames)" 2
	figure "stalls" "$(get stalls)" at_most 0
	figure "fatal errors" "$(get fatal_errors)" at_most 0
	step "no request to another host" test "$(get foreign)" = 0
done
step "frames were sent to them" told 'it.renditions.some((r) => r.sent?.of > 1)'

spawn page node "$watch" --seconds 600 --settle 4 --progress "http://127.0.0.1:$port/live/"
shown() {
	[ "$(grep -c 'latency_ms=[0-9]' "$TMP/page.log")" -ge 5 ]
}
retry 30 shown || fail "the page shows no frames"
step "latency.json knows of the page" \
	retry 30 told 'it.utc && it.viewers >= 1 && video.viewers + it.renditions[1].viewers >= 1'
kill9 one
packager two
# Some seconds of what was live after the packager was there again, shown by the same page.
since=$(now_ms)
plays_on() {
	[ "0$(sed -n 's/.* clock_ms=\([0-9]*\) .*/\1/p' "$TMP/page.log" | tail -n 1)" -gt $((since + 8000)) ]
}
step "the page plays on after a kill" retry 40 plays_on
stop page
step "and has an account of it" test "$STATUS" = 0
figure "the stall, ms" "$(get stall_ms)" at_most 5000
figure "latency at the end, ms" "$(grep -o 'latency_ms=[0-9]*' "$TMP/page.log" | tail -1 | cut -d= -f2)" at_most 3000
live_stop live
