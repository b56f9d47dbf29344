#!/bin/bash
# Captions in the pictures of a stream are shown by hls.js as a text track of WebVTT, in their order and at their time.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need node chromium curl
watch=$(dirname "$0")/watch.mjs
[ -e "${GEX_NPM:-$(dirname "$0")/../../build/npm/node_modules}/playwright-core" ] || skip "needs make npm"

# Chromium's sockets want a short path.
export TMPDIR
TMPDIR=$(mktemp -d /tmp/gex-watch.XXXXXX)
at_exit "rm -rf $TMPDIR"

port=$(free_port tcp)
live=http://127.0.0.1:$port/live
step "a film with captions" "$BUILD/tests/media/caption-source" 160 90 30 9000 pop-on >"$TMP/in.nut" 2>"$TMP/said"
spawn -r package "$BUILD/gex-package" -i "$TMP/in.nut" -l "http://127.0.0.1:$port"
wait_ready package

has_text() {
	curl -sf "$live/index.m3u8" | grep -q 'TYPE=SUBTITLES.*URI="cc1/index.m3u8"'
}
retry 20 has_text || fail "no text track"
shown() {
	[ "$(grep -c '^cue=' "$TMP/player.log")" -ge 4 ]
}
spawn player node "$watch" --start 400 --progress --player hls-text "$live/index.m3u8"

# The same words, from the server's own texts.
curl -sf "$live/cc1/index.m3u8" >"$TMP/list"
step "texts are listed, without parts" grep -q '^[0-9]*\.vtt$' "$TMP/list"
# none PATTERN FILE: no line of it matches.
none() {
	! grep -qE "$1" "$2"
}
step "no part" none EXT-X-PART "$TMP/list"
last=$(grep '\.vtt$' "$TMP/list" | tail -n 1)
step "a reload waits for the next" curl -sf -o "$TMP/next" "$live/cc1/index.m3u8?_HLS_msn=$((${last%.vtt} + 1))"
step "and has it" grep -q "^$((${last%.vtt} + 1))\.vtt$" "$TMP/next"
curl -sf -o "$TMP/text" -w '%{content_type}' "$live/cc1/$last" >"$TMP/type"
step "it is WebVTT" grep -q '^text/vtt' "$TMP/type"
step "with words in it" grep -qE '^SECOND [0-9]{3}$' "$TMP/text"
step "what is not there is not found" test "$(curl -s -o /dev/null -w '%{http_code}' "$live/cc1/1.vtt")" = 404

retry 60 shown || fail "hls.js shows no text"
stop player 20
sed -n 's/^cue=//p' "$TMP/player.log" >"$TMP/cues"
cat "$TMP/cues"
# A caption begins in the middle of its second; one that came too late for that is seen from the next second's beginning on.
grep -vE '^SECOND [0-9]{3} into_ms=(4[3-9].|50.|[0-3]?.|9[6-9].)$' "$TMP/cues" >"$TMP/else" || true
step "what is shown was said, and at its time" none . "$TMP/else"
cut -d' ' -f2 "$TMP/cues" >"$TMP/order"
step "in its order" sort -c "$TMP/order"
