#!/bin/bash
# The meter beside ffmpeg's, and gex-transcode bringing sound to a loudness.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg curl

# ebur128 FILE [OPTION...]: what ffmpeg's meter says, as loudness-read does.
ebur128() {
	local file=$1
	shift
	ffmpeg -nostdin -hide_banner -nostats "$@" -i "$file" -map 0:a -af ebur128=peak=true -f null - 2>"$TMP/ebur128"
	awk '/Parsed_ebur128.* t: / { for (i = 1; i < NF; i++) { if ($i == "M:") m = $(i + 1); if ($i == "S:") s = $(i + 1) } }
		/^ *I: / { i_ = $2 } /Peak: / { p = $2 }
		END { print "momentary " m; print "short_term " s; print "integrated " i_; print "peak " p }' "$TMP/ebur128"
}
get() {
	awk -v k="$2" '$1 == k { print $2 }' "$TMP/$1"
}
apart() {
	awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; print d < 0 ? -d : d }'
}

# beside NAME CHANNELS FILTER: both meters on what this filter makes.
beside() {
	ffmpeg -nostdin -loglevel error -y -f lavfi -i "$3" -t 8 -ar 48000 -c:a pcm_f32le "$TMP/$1.wav"
	ffmpeg -nostdin -loglevel error -y -i "$TMP/$1.wav" -f f32le "$TMP/$1.f32"
	"$BUILD/tests/media/loudness-read" "$2" <"$TMP/$1.f32" >"$TMP/ours"
	ebur128 "$TMP/$1.wav" >"$TMP/theirs"
	for k in momentary short_term integrated; do
		at_most "$1, $k: $(get ours $k) beside $(get theirs $k), LU apart" "$(apart "$(get ours $k)" "$(get theirs $k)")" 0.15
	done
}
beside noise 2 "anoisesrc=c=pink:a=0.3:r=48000:seed=7,pan=stereo|c0=c0|c1=0.4*c0"
beside tone 1 "sine=f=60:r=48000,volume=-10dB"
beside steps 2 "aevalsrc='(0.02+0.3*gt(mod(t\,4)\,2.3))*sin(2*PI*3000*t)|0.1*sin(2*PI*200*t)*lt(t\,6)':s=48000"
beside six 6 "aevalsrc='0.05*sin(2*PI*300*t)|0.04*sin(2*PI*900*t)|0.1*random(0)-0.05|0.4*sin(2*PI*40*t)|0.06*sin(2*PI*2000*t)|0.05*random(1)':c=5.1:s=48000"

# ---- the tool ----

# leveled NAME LEVEL: noise like speech, brought to -23 LUFS.
leveled() {
	ffmpeg -nostdin -loglevel error -y -f lavfi -i "anoisesrc=c=pink:a=0.5:r=48000:seed=3,tremolo=f=3:d=0.7,lowpass=f=8000,volume=$2" -t 16 \
		-ac 2 -c:a flac "$TMP/$1.mkv"
	"$BUILD/gex-transcode" -q -i "$TMP/$1.mkv" -S audio.loudness=-23 -S audio.bitrate=256k -o "$TMP/$1.nut" || fail "$1"
	ffmpeg -nostdin -loglevel error -y -i "$TMP/$1.nut" -c:a pcm_f32le "$TMP/$1.wav"
	ebur128 "$TMP/$1.wav" -ss 5 >"$TMP/theirs"
	at_most "$1: LU from the target after 5 s, at $(get theirs integrated)" "$(apart "$(get theirs integrated)" -23)" 0.7
}
leveled low -8dB
leveled high 8dB

# Loud peaks: what the encoder adds is beyond us.
ffmpeg -nostdin -loglevel error -y -f lavfi -i "aevalsrc='1.8*sin(2*PI*220*t)*pow(sin(PI*t/2)\,2)|0':s=48000" -t 6 \
	-c:a pcm_f32le "$TMP/peaks.wav"
"$BUILD/gex-transcode" -q -i "$TMP/peaks.wav" -S audio.bitrate=256k -o "$TMP/peaks.nut"
ffmpeg -nostdin -loglevel error -y -i "$TMP/peaks.nut" -c:a pcm_f32le "$TMP/peaked.wav"
ebur128 "$TMP/peaked.wav" >"$TMP/theirs"
at_most "the true peak of +5 dB, limited and coded, dBFS" "$(get theirs peak)" -0.3

# What the source sends is told.
mkfifo "$TMP/pipe"
port=$(free_port)
spawn live ffmpeg -nostdin -loglevel error -re -f lavfi -i sine=f=1000:r=48000 -f nut -c:a pcm_s16le -ac 2 -y "$TMP/pipe"
spawn -r tool "$BUILD/gex-transcode" -i "$TMP/pipe" -m "127.0.0.1:$port" -o "$TMP/live.nut"
wait_ready tool
told() {
	curl -sf "http://127.0.0.1:$port/metrics" | sed -n 's/gex_transcode_loudness_lufs{audio="audio",window="integrated"} //p' |
		awk '{ exit !($1 > -19 && $1 < -17) }'
}
step "the loudness of a sine at -21 dB on both sides, -18 LUFS, is a metric" retry 20 told
kill9 live
