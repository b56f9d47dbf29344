#!/bin/bash
# timeout: 1500
# Captions by the MPD: dash.js and Shaka show those of CC1 out of a set of text (wvtt), and Shaka reads those of CEA-708 in the
# pictures itself, with a decoder that is not ours; the texts say the same.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=rig.sh
. "$(dirname "$0")/rig.sh"
watch=$(dirname "$0")/watch.mjs

port=$(free_port tcp)
live=http://127.0.0.1:$port/live
step "a film with captions" "$BUILD/tests/media/caption-source" 160 90 30 9000 all >"$TMP/in.nut" 2>"$TMP/said"
spawn -r package "$BUILD/gex-package" -i "$TMP/in.nut" -l "http://127.0.0.1:$port" -S package.captions=both \
	-S "package.captions_channels=CC1:en:English, CC3:es, SERVICE1:en"
wait_ready package
ready() {
	curl -sf -o "$TMP/mpd" "$live/manifest.mpd"
}
retry 20 ready || fail "no MPD"
step "captions of CEA-608 in the pictures" grep -q 'cea-608:2015" value="CC1=eng;CC3=spa"' "$TMP/mpd"
step "and of CEA-708" grep -q 'cea-708:2015" value="1=lang:eng"' "$TMP/mpd"
step "three sets of text" test "$(grep -c 'contentType="text"' "$TMP/mpd")" = 3
curl -sf "$live/index.m3u8" >"$TMP/index"
step "three renditions of text" test "$(grep -c 'TYPE=SUBTITLES' "$TMP/index")" = 3
step "and of captions" test "$(grep -c 'TYPE=CLOSED-CAPTIONS.*INSTREAM-ID="\(CC1\|CC3\|SERVICE1\)"' "$TMP/index")" = 3

for p in dash-text shaka-text shaka-708; do
	spawn "$p" node "$watch" --start 400 --progress --player "$p" "$live/manifest.mpd"
done
shown() {
	[ "$(grep -c '^cue=' "$TMP/$1.log")" -ge 3 ]
}
start=$(sed -n 's/.*<Period .*start="PT\([0-9.]*\)S".*/\1/p' "$TMP/mpd")

# said PLAYER WORD: what it has shown are captions of that channel, in their order, and each begins in the middle of its second of
# the period, or where a segment of text does.
said() {
	sed -n 's/^cue=//p' "$TMP/$1.log" | sed 's/<[^>]*>//g' >"$TMP/$1.cues"
	cat "$TMP/$1.cues"
	awk -v word="$2" -v from="$start" '
		$1 != word || $2 < last { bad = 1 }
		{ last = $2; sub(/.*=/, ""); into = ($0 - from * 1000) % 1000; into += into < 0 ? 1000 : 0 }
		(into < 430 || into > 510) && into > 40 && into < 960 { bad = 1 }
		END { exit bad || !NR }' "$TMP/$1.cues"
}
for p in dash-text:SECOND shaka-text:SECOND shaka-708:service; do
	retry 60 shown "${p%:*}" || fail "${p%:*} shows no text"
	stop "${p%:*}" 20
	step "${p%:*} shows what was said, at its time" said "${p%:*}" "${p#*:}"
done

# The same words, from the server's own texts.
for t in cc1:SECOND cc3:TERCER service1:service; do
	last=$(curl -sf "$live/${t%:*}/index.m3u8" | grep '\.vtt$' | tail -n 1)
	curl -sf -o "$TMP/text" "$live/${t%:*}/$last"
	step "${t%:*} says its own" grep -qE "^${t#*:} [0-9]{3}\$" "$TMP/text"
done
step "what was before the stream is empty, and not missing" test \
	"$(curl -s -o /dev/null -w '%{http_code}' "$live/$(sed -n 's|.*media="\(cc1/[^$]*\)\$.*|\1|p' "$TMP/mpd")$(($(date +%s) - 15)).m4s")" = 200
