#!/bin/bash
# Where the headers of slices end, which encryption leaves clear: as ffmpeg's trace of the same streams has it, bit by bit.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg

# traced FILE: bytes of each slice's header, from the last of its fields in the trace.
traced() {
	ffmpeg -v verbose -nostdin -i "$1" -c copy -bsf:v trace_headers -f null - 2>&1 | awk '
		function done() { if (slice) print int((bits + 7) / 8); slice = 0 }
		{ sub(/^\[trace_headers[^]]*\] /, "") }
		/^(Slice Header|Sequence Parameter|Picture Parameter|Access Unit|Supplemental|Prefix|Filler|End of)/ {
			done(); slice = /^Slice Header/; next }
		slice && /^[0-9]+ +[^ ]+ +[01]* = / && $2 != "cabac_alignment_one_bit" { bits = $1 + length($3) }
		END { done() }'
}

# like WHAT ENCODER-OPTION...: fading pictures, so that weights are coded.
like() {
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=30,fade=in:0:40 -t 2 -c:v libx264 "${@:2}" -f h264 -y "$TMP/clip.h264"
	traced "$TMP/clip.h264" >"$TMP/want"
	"$BUILD/tests/media/slice-headers" <"$TMP/clip.h264" >"$TMP/got"
	at_least "$1: slices" "$(wc -l <"$TMP/want")" 60
	step "  the same headers" cmp "$TMP/want" "$TMP/got"
}

like "baseline" -preset ultrafast -tune zerolatency
like "B-frames, weights, four slices" -preset fast -bf 3 -x264-params weightp=2:slices=4
like "interlaced" -preset fast -flags +ildct+ilme -x264-params tff=1:weightp=1
like "no deblocking" -preset fast -x264-params fake-interlaced=1:no-deblock=1
like "small slices, buffering periods" -preset fast -x264-params aud=1:nal-hrd=cbr:vbv-maxrate=500:vbv-bufsize=500:bitrate=500:slice-max-size=400
like "4:4:4, scaling lists" -preset fast -pix_fmt yuv444p -x264-params cqm=jvt
like "4:2:2, 10 bits, open GOP" -preset fast -pix_fmt yuv422p10 -x264-params open-gop=1:keyint=20:b-pyramid=normal
like "periodic intra refresh" -preset fast -x264-params intra-refresh=1
