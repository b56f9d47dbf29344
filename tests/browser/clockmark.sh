#!/bin/bash
# The browser's reader of the clock against the one in C, on the same frames.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg node
cd "$(dirname "$0")"

clip=$TMP/clip.nut

# by_js FILTER: what JavaScript reads after ffmpeg's filter.
by_js() {
	ffmpeg -nostdin -loglevel error -f nut -i "$clip" -vf "$1,scale=256:144" -fps_mode passthrough \
		-f rawvideo -pix_fmt rgba - | node read-rgba.mjs 256 144
}

"$BUILD/tests/media/clock-source" --fast --seconds 2 --fps 25 -o "$clip" 2>"$TMP/source.log"
"$BUILD/tests/media/clock-read" --frames "$clip" | sed -n 's/^frame .*utc_ms=\([0-9]*\).*/\1/p' >"$TMP/c"
at_least "frames read in C" "$(wc -l <"$TMP/c")" 45
by_js null >"$TMP/js"
step "C and JavaScript read the same" cmp "$TMP/c" "$TMP/js"
by_js eq=contrast=0.4:brightness=-0.1,noise=alls=20 >"$TMP/js"
step "the same from dim and grainy frames" cmp "$TMP/c" "$TMP/js"
by_js tmix=2 | sort | uniq -c >"$TMP/mixed"
# The first has nothing before it to be mixed with.
at_most "frames read off blends of two" "$(grep -vc unreadable "$TMP/mixed" || true)" 1
