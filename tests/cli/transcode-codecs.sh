#!/bin/bash
# gex-transcode takes what is sent: codecs, containers, pixel formats, odd sizes and shapes, interlaced and turned pictures.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg ffprobe

bin=$BUILD/gex-transcode

# take FILE FORMAT WANTED SOURCE-FILTER OPTION...: 1.2 s of a test picture (and a tone) made with these options is taken, and
# the rung is WANTED, a regular expression.
take() {
	local file=$TMP/$1 format=$2 want=$3 picture=$4 got
	shift 4
	# shellcheck disable=SC2086
	SVT_LOG=1 ffmpeg -nostdin -loglevel error -y -f lavfi -i "$picture" -f lavfi -i sine=r=44100 -t 1.2 -strict -2 "$@" -f "$format" "$file" ||
		fail "ffmpeg makes no $file with $*"
	"$bin" -q -i "$file" -r low=,100k,preset=ultrafast -o "$file.nut" || fail "$file ($*) is not taken"
	got=$(ffprobe -v quiet -select_streams v -count_packets -show_entries stream=width,height,nb_read_packets -of csv=p=0 "$file.nut")
	[[ $got =~ ^$want$ ]] || fail "$file ($*): $got, not $want"
	echo "ok - ${file##*/}: $got"
}
p=testsrc2=s=160x90:r=25

take mpeg2.ts mpegts '160,90,[23].' $p -c:v mpeg2video -c:a mp2
take hevc.ts mpegts '160,90,[23].' $p -c:v libx265 -preset ultrafast -x265-params log-level=none -c:a aac
take hevc10.mkv matroska '160,90,[23].' $p -c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10 -c:a ac3
take h264-10.mp4 mp4 '160,90,[23].' $p -c:v libx264 -preset ultrafast -pix_fmt yuv422p10 -movflags frag_keyframe+empty_moov -c:a aac
take vp9.webm webm '160,90,[23].' $p -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus
take av1.mkv matroska '160,90,[23].' $p -c:v libsvtav1 -preset 12 -c:a flac
take mpeg4.nut nut '160,90,[23].' $p -c:v mpeg4 -bf 2 -c:a libmp3lame
take mjpeg.mkv matroska '160,90,[23].' $p -c:v mjpeg -c:a pcm_s16le
take live.flv flv '160,90,[23].' $p -c:v libx264 -preset ultrafast -c:a aac
take nv12.nut nut '160,90,[23].' $p -c:v rawvideo -pix_fmt nv12 -c:a pcm_s16le
take rgb.nut nut '160,90,[23].' $p -c:v rawvideo -pix_fmt rgb24 -c:a pcm_f32le
take grey.mkv matroska '160,90,[23].' $p -c:v ffv1 -pix_fmt gray -c:a pcm_s24le

# Odd sizes become even, wide pixels square ones.
take odd.mkv matroska '162,92,[23].' testsrc=s=161x91:r=25 -c:v libx264 -preset ultrafast -pix_fmt yuv444p -c:a aac
take wide.ts mpegts '20[46],90,[23].' testsrc2=s=144x90:r=25,setsar=64/45 -c:v libx264 -preset ultrafast -c:a aac
take interlaced.ts mpegts '160,96,[23].' testsrc2=s=160x96:r=50,interlace -c:v mpeg2video -flags +ildct+ilme -c:a mp2
take mbaff.ts mpegts '160,96,[23].' testsrc2=s=160x96:r=50,interlace -c:v libx264 -preset ultrafast -x264-params tff=1 -c:a aac
take six.mkv matroska '160,90,[23].' $p -c:v libx264 -preset ultrafast -af pan=5.1\|c0=c0\|c1=c0\|c2=c0\|c3=c0\|c4=c0\|c5=c0 -c:a aac
take cinema.ts mpegts '160,90,2.' testsrc2=s=160x90:r=24000/1001 -c:v libx264 -preset ultrafast -bf 3 -c:a aac

# A film held upright.
ffmpeg -nostdin -loglevel error -y -f lavfi -i $p -t 1.2 -c:v libx264 -preset ultrafast "$TMP/plain.mp4"
ffmpeg -nostdin -loglevel error -y -i "$TMP/plain.mp4" -c copy -metadata:s:v rotate=90 -movflags frag_keyframe+empty_moov \
	"$TMP/turned.mp4"
step "a turned film" "$bin" -q -i "$TMP/turned.mp4" -r low=,100k,preset=ultrafast -o "$TMP/turned.nut"
step "stands upright" test "$(ffprobe -v quiet -select_streams v -show_entries stream=width,height -of csv=p=0 "$TMP/turned.nut")" = 90,160

# ---- what is made ----

# libx265 3.5 does not give back all it has at its end; the file that says so is read behind the sandbox.
echo 'leak:libx265' >"$TMP/suppressions"
export LSAN_OPTIONS=suppressions=$TMP/suppressions:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}

# make CODEC WANTED: a rung of this codec has all frames, key frames on the seconds of the epoch only, and can be decoded.
make() {
	local out=$TMP/$1.nut
	"$bin" -S process.sandbox=no -i "$TMP/long.ts" -r "low=160x90@25,150k,codec=$1,preset=ultrafast" -S audio.codec=opus -o "$out" 2>"$TMP/log" || fail "$1 is not made"
	ffprobe -v quiet -count_packets -show_entries stream=codec_name,nb_read_packets -of csv=p=0 "$out" >"$TMP/got"
	grep -qx "$2,60" "$TMP/got" || fail "$1: $(cat "$TMP/got")"
	grep -qE '^opus,12[0-9]$' "$TMP/got" || fail "$1: $(cat "$TMP/got")"
	ffprobe -v quiet -select_streams v -show_entries packet=pts,flags -of csv=p=0 "$out" | awk -F, '
		/K/ { n++; if ($1 % 90000) bad = 1 } END { exit !(n == 3 && !bad) }' || fail "$1: its key frames stand elsewhere"
	[ -z "$(ffmpeg -nostdin -v error -i "$out" -map 0 -f null - 2>&1 | grep -v -e timestamp -e repeated)" ] || fail "$1 cannot be decoded"
	echo "ok - $1 and opus are made"
}
ffmpeg -nostdin -loglevel error -y -f lavfi -i $p -f lavfi -i sine -t 2.4 -c:v libx264 -preset ultrafast -c:a aac "$TMP/long.ts"
make h264 h264
make hevc hevc
make vp9 vp9
make av1 av1

# instead CARD CODEC: without the card the processor encodes the same codec; one line of the log says so.
instead() {
	make "$1" "$2"
	[ "$(grep -c "$1" "$TMP/log")" = 1 ] && grep -q "the processor encodes $2 instead" "$TMP/log" || fail "$1: $(cat "$TMP/log")"
	echo "ok - $1 is replaced, and one line says so"
}
[ -e /dev/nvidia0 ] || instead h264_nvenc h264
[ -e /dev/dri ] || instead h264_vaapi h264
[ -e /dev/dri ] || instead hevc_qsv hevc

# ladder OPTIONS... : what is made of 160x90 at 50 frames a second, a line for each rendition
ladder() {
	"$bin" -q -S process.sandbox=no -i "$TMP/fast.ts" "$@" -o "$TMP/ladder.nut" || fail "no ladder by $*"
	ffprobe -v quiet -show_entries stream=codec_name,width,height,r_frame_rate -of csv=p=0 "$TMP/ladder.nut" >"$TMP/got"
}
ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=s=320x180:r=50 -f lavfi -i sine -t 1.2 -c:v libx264 -preset ultrafast -c:a aac "$TMP/fast.ts"
ladder -r auto,codec=hevc,preset=ultrafast
step "the automatic ladder is the source's size and what is below, the small ones at half its rate" \
	cmp "$TMP/got" <(printf '%s\n' hevc,320,180,50/2 hevc,256,144,50/2 aac,0/0)
ladder -S rung.auto.preset=ultrafast -S rung.144p.fps=10
step "it can be had in a file too, beside others" cmp "$TMP/got" <(printf '%s\n' h264,256,144,10/1 h264,320,180,50/2 aac,0/0)
ladder -r audio,64k,codec=opus
step "sound alone" cmp "$TMP/got" <(echo opus,0/0)
ladder -S video.enabled=no
step "sound alone, by the file" cmp "$TMP/got" <(echo aac,0/0)
ffmpeg -nostdin -loglevel error -y -i "$TMP/fast.ts" -an -c copy "$TMP/mute.ts"
refuse "sound of what has none" 65 "$bin" -i "$TMP/mute.ts" -r audio -o "$TMP/no.nut"
refuse "AV1 in MPEG-TS" 65 "$bin" -q -i "$TMP/long.ts" -r low=160x90,codec=av1 -o "$TMP/no.ts"
