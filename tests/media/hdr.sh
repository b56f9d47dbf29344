#!/bin/bash
# Pictures of high dynamic range through gex-transcode: greys of PQ and HLG come out where they should, and are called BT.709.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg ffprobe

bin=$BUILD/gex-transcode

# film NAME TRC CODE...: 10 bits, BT.2020, a bar of grey for each code of luma.
film() {
	local name=$1 trc=$2 i lum=0
	shift 2
	for ((i = $#; i > 0; i--)); do lum="if(lt(X,W*$i/$#),${!i},$lum)"; done
	ffmpeg -nostdin -loglevel error -f lavfi -i "color=gray:s=320x180:r=25,format=yuv420p10le,geq=lum='$lum':cb=512:cr=512" \
		-t 1 -c:v libx264 -preset ultrafast -crf 8 -color_range tv -colorspace bt2020nc -color_primaries bt2020 -color_trc "$trc" \
		"$TMP/$name.ts"
}
# bars FILE N: the luma in the middle of each of N bars.
bars() {
	ffmpeg -nostdin -loglevel error -i "$1" -frames:v 1 -vf extractplanes=y -f rawvideo - | od -An -v -w160 -tu1 |
		awk -v n="$2" 'NR == 45 { for (i = 0; i < n; i++) printf "%d ", $(int(160 * (i + 0.5) / n) + 1) }'
}
# near "IS" "SHOULD": each within 2.
near() {
	awk -v a="$1" -v b="$2" 'BEGIN { n = split(a, x); m = split(b, y); if (n != m) exit 1
		for (i = 1; i <= n; i++) if ((x[i] - y[i]) ^ 2 > 4) exit 1 }' || fail "$1, not $2"
}

film pq smpte2084 64 195 327 450 509 573 636 723
film hlg arib-std-b67 64 283 502 721 940
for name in pq hlg; do
	step "$name to ordinary" "$bin" -q -i "$TMP/$name.ts" -r low=160x90,2M -o "$TMP/$name.nut"
	step "is called so" test "$(ffprobe -v quiet -select_streams v -show_entries \
		stream=pix_fmt,color_range,color_space,color_transfer,color_primaries -of csv=p=0 "$TMP/$name.nut")" = \
		yuv420p,tv,bt709,bt709,bt709
done
# 0, 1, 10, 50, 100, 203, 400 and 1000 cd/m2.
step "greys of PQ" near "$(bars "$TMP/pq.nut" 8)" "16 40 78 138 179 214 231 235"
step "greys of HLG" near "$(bars "$TMP/hlg.nut" 5)" "16 77 139 214 235"
