#!/bin/bash
# gex-transcode's sound: several languages through a change of source, to players too; channels mixed and picked.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=../media/live.sh
. "$(dirname "$0")/../media/live.sh"
need ffmpeg ffprobe curl

bin=$BUILD/gex-transcode
low=(-r "low=160x90@25,100k,preset=ultrafast")

# source SECONDS FREQUENCY...: a picture, and a tone for each.
tones() {
	local args=(-f lavfi -i testsrc2=s=160x90:r=25) maps=(-map 0) t=$1 f n=1
	shift
	for f in "$@"; do
		args+=(-f lavfi -i "sine=f=$f:r=44100")
		maps+=(-map $((n++)))
	done
	echo "${args[@]}" "${maps[@]}" -t "$t" -c:v libx264 -preset ultrafast -tune zerolatency -g 25 -c:a aac
}

# streams FILE: each stream's name, language, title, default and channels.
streams() {
	ffprobe -v error -show_entries stream=channels:stream_tags=title,language,label:stream_disposition=default -of compact=p=0 "$1" |
		sed 's/tag://g; s/disposition://g'
}

# level FILE STREAM [ffmpeg's input options]: the mean level of a track of sound, dBFS.
level() {
	local file=$1 stream=$2
	shift 2
	ffmpeg -nostdin -hide_banner -nostats "$@" -i "$file" -map "0:$stream" -af volumedetect -f null - 2>&1 |
		sed -n 's/.*mean_volume: \(.*\) dB/\1/p'
}

# ---- languages and titles ----

# shellcheck disable=SC2046
ffmpeg -nostdin -loglevel error -y $(tones 2 440 880 1760) -metadata:s:a:0 language=eng -metadata:s:a:1 language=kor \
	-metadata:s:a:1 title=한국어 -metadata:s:a:2 language=fre -disposition:a:0 0 -disposition:a:1 default "$TMP/three.mkv"
step "three languages" "$bin" -q -i "$TMP/three.mkv" "${low[@]}" -o "$TMP/three.nut"
cat >"$TMP/want" <<-END
	default=0|title=low
	channels=2|default=0|title=audio|language=eng
	channels=2|default=1|title=audio-ko|label=한국어|language=kor
	channels=2|default=0|title=audio-fr|language=fra
END
streams "$TMP/three.nut" >"$TMP/got"
step "are named, and the default stays it" diff "$TMP/want" "$TMP/got"

cat >"$TMP/some.ini" <<-END
	[input]
	url = $TMP/three.mkv
	[audio]
	bitrate = 64k
	[audio main]
	track = 3
	lang = en
	title = Commentary
	channels = 1
	[audio second]
	lang = ko
	codec = opus
	map = 0,0
	default = yes
	[audio silent]
	lang = ja
	channels = 6
	[output file]
	url = $TMP/some.nut
END
step "chosen renditions" "$bin" -q -c "$TMP/some.ini" "${low[@]}"
cat >"$TMP/want" <<-END
	default=0|title=low
	channels=1|default=0|title=main|label=Commentary|language=eng
	channels=2|default=1|title=second|label=한국어|language=kor
	channels=6|default=0|title=silent|language=jpn
END
streams "$TMP/some.nut" >"$TMP/got"
step "are as they are chosen" diff "$TMP/want" "$TMP/got"
at_least "the level of a track that is there" "$(level "$TMP/some.nut" 1)" -30
at_most "the level of one that is not" "$(level "$TMP/some.nut" 3)" -80
for s in 1 2 3; do
	at_least "seconds of sound $s" "$(ffprobe -v error -select_streams a:$((s - 1)) -show_entries packet=pts_time -of csv=p=0 \
		"$TMP/some.nut" | awk -F, 'NR == 1 { first = $1 } END { print $1 - first }')" 1.9
done

refuse "a language that is none" 64 "$bin" -i x.ts -o y.nut -S audio.a.lang=nonsense
refuse "a map with too few channels" 64 "$bin" -i x.ts -o y.nut -S audio.map=FL -S audio.channels=6
refuse "two defaults" 64 "$bin" -i x.ts -o y.nut -S audio.a.default=yes -S audio.b.default=yes
refuse "three channels" 64 "$bin" -i x.ts -o y.nut -S audio.channels=3

# ---- channels ----

# Left, right and centre are tones, the others silent.
ffmpeg -nostdin -loglevel error -y -f lavfi -i "aevalsrc=0.1*sin(2*PI*400*t)|0|0.1*sin(2*PI*1000*t)|0|0|0:c=5.1:d=2" -c:a pcm_f32le "$TMP/six.wav"
# picked CHANNELS MAP WANTED: the levels of the channels, in dB, within 0.5.
picked() {
	local i=0 want got
	"$bin" -q -i "$TMP/six.wav" -S "audio.channels=$1" ${2:+-S "audio.map=$2"} -S audio.bitrate=192k -o "$TMP/mix.nut" || fail "$1 $2"
	for want in $3; do
		got=$(ffmpeg -nostdin -hide_banner -nostats -ss 0.5 -i "$TMP/mix.nut" -af "pan=mono|c0=c$i,volumedetect" -f null - 2>&1 |
			sed -n 's/.*mean_volume: \(.*\) dB/\1/p')
		at_most "channel $i of $1 ($2): distance from $want dB, at $got" \
			"$(awk -v a="$got" -v b="$want" 'BEGIN { d = a - b; if (b < -80 && a < -60) d = 0; print d < 0 ? -d : d }')" 0.5
		i=$((i + 1))
	done
}
picked 2 '' '-21.2 -26' # 0.1 rms is -23 dB; with the centre 1.8 dB more; the centre alone 3 less
picked 1 '' '-21.2'
picked 2 FC,FC '-23 -23'
picked 1 FL+FR '-29'
picked 6 '' '-23 -91 -23'

# ---- another source: languages find their place, and no step in time ----

port=$(free_port udp)
http=$(free_port)
spawn -r many "$bin" -i "srt://127.0.0.1:$port?mode=listener" "${low[@]}" -o "unix:$TMP/live.sock" -o "$TMP/many.nut"
wait_ready many
# shellcheck disable=SC2046
spawn first ffmpeg -nostdin -loglevel error -re $(tones 60 440 880 1760) -metadata:s:a:0 language=eng -metadata:s:a:1 language=kor \
	-metadata:s:a:2 language=fre -f mpegts -flush_packets 1 "srt://127.0.0.1:$port"
wait_log many '\[audio-fr\]' 20
spawn package "$BUILD/gex-package" -i "unix:$TMP/live.sock" -l "http://127.0.0.1:$http"
master() {
	curl -sf "http://127.0.0.1:$http/live/index.m3u8" >"$TMP/index"
}
step "the packager has it" retry 20 master
grep 'TYPE=AUDIO' "$TMP/index" | sed 's/.*NAME="\([^"]*\)",LANGUAGE="\([^"]*\)",DEFAULT=\([A-Z]*\).*/\1 \2 \3/' >"$TMP/got"
printf '%s\n' 'audio en YES' 'audio-ko ko NO' 'audio-fr fr NO' >"$TMP/want"
step "three sounds in the playlist" diff "$TMP/want" "$TMP/got"
curl -sf "http://127.0.0.1:$http/live/manifest.mpd" | sed -n 's/.*contentType="audio".* lang="\([a-z]*\)".*/\1/p' >"$TMP/got"
printf '%s\n' en ko fr >"$TMP/want"
step "and in the MPD" diff "$TMP/want" "$TMP/got"

# Then only one of them, with six channels. It may be refused for as long as the old connection counts as alive.
decided() {
	grep -q 'kor ac3' "$TMP/many.log" || gone second
}
come_again() {
	local i
	for i in {1..30}; do
		spawn second ffmpeg -nostdin -loglevel error -re -f lavfi -i testsrc2=s=160x90:r=25 \
			-f lavfi -i "aevalsrc=0.1*sin(2*PI*880*t)|0.1*sin(2*PI*880*t)|0|0|0|0:c=5.1" -c:v libx264 -preset ultrafast \
			-tune zerolatency -g 25 -c:a ac3 -metadata:s:a:0 language=kor -f mpegts -flush_packets 1 "srt://127.0.0.1:$port"
		retry 10 decided || return 1
		alive second && return 0
		kill9 second
	done
	return 1
}
stop first
step "another source comes" come_again
# written BYTES: the recording is longer than that.
written() {
	[ "$(stat -c %s "$TMP/many.nut")" -gt "$1" ]
}
before=$(stat -c %s "$TMP/many.nut")
retry 20 written $((before + 240000)) || fail "nothing more is written"
stop many
kill9 second
for s in 0 1 2; do
	step "sound $s has no step" test "$(steps "$TMP/many.nut" "a:$s")" = 1024
done
# The tail of a NUT without syncpoints is found by its packets.
ffmpeg -nostdin -loglevel error -y -i "$TMP/many.nut" -map 0:a -c:a pcm_s16le "$TMP/many.mkv"
tail_level() {
	ffmpeg -nostdin -hide_banner -nostats -sseof -1.5 -i "$TMP/many.mkv" -map "0:a:$1" -af volumedetect -f null - 2>&1 |
		sed -n 's/.*mean_volume: \(.*\) dB/\1/p'
}
at_least "the level of the language that is left" "$(tail_level 1)" -30
at_least "the level of the default one" "$(tail_level 0)" -30
at_most "the level of the language that is gone" "$(tail_level 2)" -80
