#!/bin/bash
# Captions as text: declared ones from the first moment on, on disk with the pictures, the same after kill -9 and for a span; and what
# is configured wrong is refused.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl

port=$(free_port tcp)
url=http://127.0.0.1:$port/live
step "a film with captions" "$BUILD/tests/media/caption-source" 160 90 30 9000 all >"$TMP/in.nut" 2>"$TMP/said"

# packager NAME SETTING...
packager() {
	local name=$1
	shift
	spawn -r "$name" "$BUILD/gex-package" -i "$TMP/in.nut" -l "http://127.0.0.1:$port" -S package.dvr="$TMP/dvr" \
		-S package.state="$TMP/state" -S package.segment=500ms -S package.window=6s "${@/#/-Spackage.}"
	wait_ready "$name"
}
get() {
	curl -sS -f -m $((8 * PATIENCE)) -o "$TMP/$1" "$url/$2"
}
status() {
	curl -sS -m $((8 * PATIENCE)) -o "$TMP/body" -w '%{http_code}' "$url/$1"
}
# none PATTERN FILE: no line of it matches.
none() {
	! grep -qE -e "$1" "$2"
}

# ---- what may be configured ----
for s in captions=maybe captions_channels=CC5 captions_channels=CC1,cc1 'captions_channels=CC1:en us' \
	'captions_channels=CC1:en:"' captions_language=en_US.UTF-8.of.a.length.that.nobody.has.ever.seen; do
	refuse "$s" 64 "$BUILD/gex-package" -i "$TMP/in.nut" -l http://127.0.0.1:0 -S "package.$s"
done

# ---- declared ----
packager one captions=both "captions_channels=CC1:en:English, CC3:es:Español, CC2"
live() {
	get index index.m3u8
}
retry 20 live || fail "no stream"
for k in 'NAME="English",LANGUAGE="en".*URI="cc1/' 'NAME="Español",LANGUAGE="es".*URI="cc3/' 'NAME="CC2",DEFAULT.*URI="cc2/' \
	'INSTREAM-ID="CC3"' 'CLOSED-CAPTIONS="captions",SUBTITLES="captions"'; do
	step "declared: $k" grep -q "$k" "$TMP/index"
done
step "nothing else" none 'SERVICE|CC4' "$TMP/index"
step "who does not speak has empty texts" get silent "cc2/$(get list cc2/index.m3u8 && tail -n 20 "$TMP/list" | sed -n '/vtt$/p' | tail -n 1)"
step "  of WebVTT" none '-->' "$TMP/silent"

# ---- on disk ----
past() {
	get past cc1/dvr.m3u8 && [ "$(grep -c 'vtt$' "$TMP/past")" -ge 5 ]
}
retry 30 past || fail "no text is kept"
get shifted dvr.m3u8
step "the past has texts" grep -q 'TYPE=SUBTITLES.*NAME="Español",LANGUAGE="es".*URI="cc3/dvr.m3u8"' "$TMP/shifted"
step "its pictures have captions" grep -q 'CLOSED-CAPTIONS="captions",SUBTITLES="captions"' "$TMP/shifted"
get mpd dvr.mpd
step "its MPD too" test "$(grep -c 'contentType="text"' "$TMP/mpd")" = 3
said=$(grep 'vtt$' "$TMP/past" | sed -n 3p)
get live.vtt "cc1/$said"
step "words are in it" grep -qE '^SECOND [0-9]{3}$' "$TMP/live.vtt"
get live.m4s "cc1/${said%.vtt}.m4s"
kill9 one

# ---- after it, with what comes by itself ----
packager two
get past cc1/dvr.m3u8
step "the same past after kill -9" grep -qx "$said" "$TMP/past"
get disk.vtt "cc1/$said"
same_file "$TMP/live.vtt" "$TMP/disk.vtt"
get disk.m4s "cc1/${said%.vtt}.m4s"
same_file "$TMP/live.m4s" "$TMP/disk.m4s"
at=$(sed -n 's/^#EXT-X-PROGRAM-DATE-TIME://p' "$TMP/past" | head -n 1)
at=$(date -d "$at" +%s.%N)
from=$(awk -v a="$at" 'BEGIN { printf "%.3f", a + 0.6 }') to=$(awk -v a="$at" 'BEGIN { printf "%.3f", a + 1.8 }')
get span "index.m3u8?from=$from&to=$to"
step "a span has texts" grep -q 'URI="cc1/dvr.m3u8?from=.*&to=' "$TMP/span"
get texts "$(sed -n 's/.*URI="\(cc1[^"]*\)".*/\1/p' "$TMP/span" | head -n 1)"
get pictures "$(tail -n 1 "$TMP/span")"
step "as many as pictures" cmp <(sed -n 's/\.vtt$//p' "$TMP/texts") <(sed -n 's/\.m4s$//p' "$TMP/pictures")
retry 20 live || fail "no stream"
step "a player that was there finds its text" test "$(status cc1/index.m3u8)" = 200
told() {
	live && grep -q 'URI="cc1/index.m3u8"' "$TMP/index"
}
retry 20 told || fail "CC1 is not told of"
step "captions that are text are none to look for" grep -q 'CLOSED-CAPTIONS=NONE,SUBTITLES="captions"' "$TMP/index"
step "CC1 alone where service 1 says the same" none service1 "$TMP/index"
discontinuity() {
	get past cc1/dvr.m3u8 && get pictures said/dvr.m3u8 && grep -q DISCONTINUITY "$TMP/past"
}
retry 20 discontinuity || fail "no discontinuity in the texts"
mark() {
	grep -A 3 DISCONTINUITY "$1" | sed -n 's/\(vtt\|m4s\)$//p'
}
step "where the pictures have theirs" cmp <(mark "$TMP/past") <(mark "$TMP/pictures")
step "what never was is not found" test "$(status cc1/1.vtt)" = 404
stop two

# ---- and again: what has spoken is told of at once ----
step "the state says who has spoken" grep -qx 'captions CC1 CC3 SERVICE1' "$TMP/state/live.state"
packager three captions=cea
retry 20 live || fail "no stream"
step "captions that were told of still are" test "$(grep -c 'INSTREAM-ID="\(CC1\|CC3\)"' "$TMP/index")" = 2
stop three
echo 'captions CC9' >>"$TMP/state/live.state"
sed -i '2d' "$TMP/state/live.state"
packager four
step "a damaged state is none" grep -q 'is damaged' "$TMP/four.log"
