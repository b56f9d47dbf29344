#!/bin/bash
# What stands beside the media is held against its rules: date ranges of cues, subtitles of captions (texts.mjs); and so is a broken
# origin for each of these.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg node curl
here=$(dirname "$0")
export GEX_SLACK_MS=15000

port=$(free_port tcp)
live=http://127.0.0.1:$port/live
step "a film with captions" "$BUILD/tests/media/caption-source" 160 90 30 9000 all >"$TMP/in.nut" 2>"$TMP/said"
mkfifo "$TMP/clean" "$TMP/cued"
spawn encoder ffmpeg -hide_banner -nostdin -loglevel warning -y -re -i "$TMP/in.nut" -re -f lavfi -i sine=r=48000 -map 0:v -map 1:a \
	-c:v copy -c:a aac -f mpegts -muxdelay 0 -flush_packets 1 "$TMP/clean"
spawn cues bash -c 'exec "$0" <"$1" >"$2"' "$BUILD/tests/media/cue-source" "$TMP/clean" "$TMP/cued"
spawn -r packager "$BUILD/gex-package" -S process.sandbox=no -i "$TMP/cued" -l "http://127.0.0.1:$port" \
	-S package.captions_channels=CC1:en,CC3:es,SERVICE1
wait_ready packager

both() {
	curl -sf -o "$TMP/list" "$live/90p/index.m3u8" && grep -q 'PLANNED-DURATION' "$TMP/list" &&
		curl -sf -o "$TMP/text" "$live/cc1/index.m3u8" && [ "$(grep -c 'vtt$' "$TMP/text")" -ge 3 ]
}
retry 60 both || fail "no cues and captions"

# What a good origin says, for longer than the faults of the broken one are looked for; none of it may be wrong.
spawn good node "$here/conform.mjs" --no-dash --seconds 7 "$live/index.m3u8"
spawn spoil node "$here/spoil.mjs" "http://127.0.0.1:$port" "$TMP/port"
retry 20 test -e "$TMP/port" || fail "no broken origin"
spoilt=http://127.0.0.1:$(cat "$TMP/port")
mapfile -t faults < <(node "$here/spoil.mjs" --list --beside)
for f in "${faults[@]}"; do urls+=("$spoilt/$f/live/index.m3u8"); done

# found: each fault is seen as what it is.
found() {
	local f
	node "$here/conform.mjs" --no-dash --names --seconds 3 "${urls[@]}" >"$TMP/names" 2>&1 || true
	for f in "${faults[@]}"; do
		grep -Eq "/$f/live/index.m3u8 (.* )?$f( |\$)" "$TMP/names" || return 1
	done
}
retry 30 found || fail "not all are seen: $(cat "$TMP/names")"
echo "ok - ${#faults[@]} faults are seen, each as what it is"
wait_exit good 60
[ "$STATUS" = 0 ] || fail "$(grep -c '^broken' "$TMP/good.log") rules are broken"
grep -Eq ' texts=[1-9].* cues=[1-9].* broken=0' "$TMP/good.log" || fail "nothing was seen: $(cat "$TMP/good.log")"
echo "ok - none is broken: $(tail -n 1 "$TMP/good.log")"
