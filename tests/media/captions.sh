#!/bin/bash
# Captions come through gex-transcode into every rung, in their order and each byte once, whatever the frame rate makes of
# the frames; read back by FFmpeg.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg ffprobe

bin=$BUILD/gex-transcode

# heard FILE TRACK: the pairs of field 1 that a rung bears, one a line.
heard() {
	ffmpeg -nostdin -loglevel error -y -i "$1" -map "0:v:$2" -c copy "$TMP/one.nut"
	(cd "$TMP" && ffprobe -v error -f lavfi -i 'movie=one.nut[out0+subcc]' -select_streams s -show_entries packet=data -show_data \
		-of default=nk=1:nw=1) | sed -nE 's/^[0-9a-f]{8}: (([0-9a-f]+ )+) .*/\1/p' | tr -d ' \n' |
		fold -w 6 | sed -n 's/^fc//p' | grep -v 8080 >"$TMP/heard" || true
}

# through FPS FRAMES: a source of this rate through rungs of its half, its own and the double rate. What the first frames of a
# file say may be before the output's start; the last pair of a rung at half the rate may have no frame any more.
through() {
	local i first
	step "a source at $1 fps" "$BUILD/tests/media/caption-source" 320 180 "$1" "$2" >"$TMP/in.nut" 2>"$TMP/said"
	step "through the ladder" "$bin" -q -S process.sandbox=no -i "$TMP/in.nut" -r "same=160x90@$1,100k,preset=ultrafast" \
		-r "half=160x90@$(($1 / 2)),100k,preset=ultrafast" -r "twice=160x90@$(($1 * 2)),100k,preset=ultrafast" \
		-r "whole=320x180@$1,200k,preset=ultrafast" \
		-r "other=160x90@$1,100k,codec=hevc,preset=ultrafast" -r "film=160x90@24,100k,preset=ultrafast" \
		-r "av1=160x90@$1,100k,codec=av1,preset=ultrafast" -o "$TMP/out.nut"
	for i in 0 1 2 3 4 5 6; do
		heard "$TMP/out.nut" $i
		at_least "rung $i: pairs" "$(wc -l <"$TMP/heard")" $(($2 - 2))
		first=$(($(wc -l <"$TMP/heard")))
		head -n "$first" "$TMP/said" | cmp - "$TMP/heard" || fail "rung $i says something else"
	done
}
# libx265 3.5 does not give back all it has at its end; this list is read at the end, too, so not from a sandbox.
echo 'leak:libx265' >"$TMP/suppressions"
export LSAN_OPTIONS=suppressions=$TMP/suppressions:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}
through 30 120
through 60 60
