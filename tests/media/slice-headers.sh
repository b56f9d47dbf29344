#!/bin/bash
# Where the headers of slices of H.264 and HEVC, and of frames of AV1 and VP9 end, which encryption leaves clear: as ffmpeg's trace of the same streams has it, bit by bit.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg

# traced FILE: bytes of each slice's header, from the last of its fields in the trace.
traced() {
	ffmpeg -v verbose -nostdin -i "$1" -c copy -bsf:v trace_headers -f null - 2>&1 | awk '
		function done() { if (slice) print int((bits + 7) / 8); slice = 0 }
		{ sub(/^\[trace_headers[^]]*\] /, "") }
		/^(Slice Header|Slice Segment Header|Frame|Superframe|Tile|OBU|Temporal|Packet|Sequence Parameter|Picture Parameter|Access Unit|Video Parameter|Supplemental|Prefix|Filler|End of)/ {
			done(); slice = /^(Slice|Slice Segment|Frame) Header|^Frame$/; next }
		slice && /^[0-9]+ +[^ ]+ +[01]* = / && $2 !~ /^(cabac_alignment_one|zero|trailing_one|trailing_zero|padding_zero)_bit$/ { bits = $1 + length($3) }
		END { done() }'
}

# headers FILE CODEC: both ways.
headers() {
	traced "$1" >"$TMP/want"
	"$BUILD/tests/media/slice-headers" "$2" <"$1" >"$TMP/got"
	at_least "  slices" "$(wc -l <"$TMP/want")" 30
	step "  the same headers" cmp "$TMP/want" "$TMP/got"
}

# like WHAT ENCODER-OPTION...: fading pictures, so that weights are coded.
like() {
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=30,fade=in:0:30 -t 1.2 -c:v libx264 "${@:2}" -f h264 -y "$TMP/clip.h264"
	echo "  $1:"
	headers "$TMP/clip.h264" avc
}

like "baseline" -preset ultrafast -tune zerolatency
like "B-frames, weights, four slices" -preset fast -bf 3 -x264-params weightp=2:slices=4
like "interlaced" -preset fast -flags +ildct+ilme -x264-params tff=1:weightp=1
like "no deblocking" -preset fast -x264-params fake-interlaced=1:no-deblock=1
like "small slices, buffering periods" -preset fast -x264-params aud=1:nal-hrd=cbr:vbv-maxrate=500:vbv-bufsize=500:bitrate=500:slice-max-size=400
like "4:4:4, scaling lists" -preset fast -pix_fmt yuv444p -x264-params cqm=jvt
like "4:2:2, 10 bits, open GOP" -preset fast -pix_fmt yuv422p10 -x264-params open-gop=1:keyint=20:b-pyramid=normal
like "periodic intra refresh" -preset fast -x264-params intra-refresh=1

# like_hevc WHAT X265-PARAMS [ENCODER-OPTION...]
like_hevc() {
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=30,fade=in:0:30 -t 1.2 -c:v libx265 -x265-params "log-level=none:$2" \
		"${@:3}" -f hevc -y "$TMP/clip.hevc"
	echo "  HEVC, $1:"
	headers "$TMP/clip.hevc" hevc
}
like_hevc "zero latency" keyint=30:bframes=0:frame-threads=1 -preset ultrafast -tune zerolatency
like_hevc "B-frames, weights, slices" bframes=4:b-pyramid=1:weightp=1:weightb=1:slices=3:ref=4 -preset medium
like_hevc "wavefronts, open GOP, temporal layers" wpp=1:open-gop=1:keyint=20:temporal-layers=1:b-adapt=2 -preset fast
like_hevc "4:2:2, 10 bits, scaling lists, offsets" scaling-list=default:cbqpoffs=3:crqpoffs=-2:aud=1:hrd=1:vbv-maxrate=400:vbv-bufsize=400:bitrate=400 -preset fast -pix_fmt yuv422p10
like_hevc "no deblocking, no SAO, intra refresh" no-deblock=1:no-sao=1:intra-refresh=1 -preset fast
like_hevc "4:4:4, lossless" lossless=1 -preset fast -pix_fmt yuv444p

# like_ivf CODEC WHAT ENCODER-OPTION...
like_ivf() {
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180:r=30 -t 1.2 "${@:3}" -f ivf -y "$TMP/clip.ivf" 2>"$TMP/encoder"
	echo "  $1, $2:"
	headers "$TMP/clip.ivf" "$1"
}
like_ivf vp9 "real time" -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 30
like_ivf vp9 "hidden frames, segments" -c:v libvpx-vp9 -deadline good -cpu-used 4 -auto-alt-ref 1 -lag-in-frames 16 -aq-mode 2
like_ivf vp9 "4:4:4, resilient" -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv444p -error-resilient 1
like_ivf av1 "SVT, layers of references" -c:v libsvtav1 -preset 10
like_ivf av1 "SVT, low delay" -c:v libsvtav1 -preset 11 -svtav1-params pred-struct=1:enable-overlays=0
like_ivf av1 "libaom, real time, tiles" -c:v libaom-av1 -usage realtime -cpu-used 8 -tiles 2x2 -aq-mode 3
like_ivf av1 "libaom, grain, resilient" -c:v libaom-av1 -usage realtime -cpu-used 8 -aom-params error-resilient=1:film-grain-test=2:enable-order-hint=0
like_ivf av1 "libaom, 10 bits, large blocks, hidden frames" -c:v libaom-av1 -cpu-used 6 -row-mt 1 -lag-in-frames 8 -pix_fmt yuv420p10le -aom-params sb-size=128:enable-restoration=1
like_ivf av1 "rav1e, 4:4:4" -c:v librav1e -speed 10 -pix_fmt yuv444p
