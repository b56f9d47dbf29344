#!/bin/bash
# gex-transcode: what it refuses and with which status; files in and out.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg ffprobe

bin=$BUILD/gex-transcode

# one_line PATTERN: what `refuse` caught is a single line that matches.
one_line() {
	[ "$(grep -vc '^Try ' "$TMP/refused")" = 1 ] || fail "not one line: $(cat "$TMP/refused")"
	grep -qE -- "$1" "$TMP/refused" || fail "no $1 in: $(cat "$TMP/refused")"
}

no_stream() {
	refuse "$1" 65 "$bin" -i "$2" -r 144p -o "$TMP/never.nut"
	one_line "$3"
}

# ---- what is no stream ----

for _ in {1..600}; do echo 'It was a dark and stormy night.'; done >"$TMP/text"
printf '#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n' >"$TMP/list.m3u8"
head -c 300000 /dev/urandom >"$TMP/noise"
: >"$TMP/empty"
no_stream "a text file" "$TMP/text" 'text\] not a media stream'
no_stream "a playlist" "$TMP/list.m3u8" 'not a media stream'
no_stream "noise" "$TMP/noise" 'not a media stream'
no_stream "an empty file" "$TMP/empty" 'the input is empty'
no_stream "nothing on standard input" - 'the input is empty'
no_stream "text under a format's name" "$TMP/text?format=nut" 'not a media stream'

# ---- what is said wrong ----

refuse "a rung that is none" 64 "$bin" -i x.ts -r 721p -o y.nut
one_line '721p: no preset'
refuse "two rungs of a name" 64 "$bin" -i x.ts -r 360p -r 360p -o y.nut
one_line 'a rung cannot be named 360p: another rung is'
refuse "nothing at all" 64 "$bin" -i x.ts -r audio -S audio.bitrate=0 -o y.nut
one_line 'neither pictures nor sound'
refuse "a rate of the sound that is none" 64 "$bin" -i x.ts -r audio,2M -o y.nut
one_line '-r audio: neither a bit rate'
refuse "copy with a size" 64 "$bin" -i x.ts -r copy,800k -o y.nut
one_line 'copy has no settings'
refuse "no output" 64 "$bin" -i x.ts
one_line 'nowhere to write'
refuse "a fifth input" 64 "$bin" -i 1.ts -i 2.ts -i 3.ts -i 4.ts -i 5.ts -o z.nut
one_line 'more than 3 backups'
refuse "a backup without a URL" 64 "$bin" -i 1.ts -S backup.b.url= -o z.nut
one_line 'input: '
refuse "a slate that is no picture" 69 "$bin" -i "$TMP/text" -S slate.file="$TMP/none.png" -o "$TMP/never.nut"
one_line 'slate .*No such file'
refuse "an RTMP output" 64 "$bin" -i x.ts -o rtmp://host.invalid/app/secret-key
one_line 'gex-restream'
! grep -q secret-key "$TMP/refused" || fail "the stream key is shown"
refuse "no such input" 69 "$bin" -i "$TMP/none.ts" -o "$TMP/never.nut"
one_line 'No such file'
refuse "no such folder" 69 "$bin" -i "$TMP/text" -o "$TMP/none/never.nut"
one_line 'No such file'
printf '[input]\nurl = a.ts\n[output x]\nurl = b.nut\n[rung 720p]\nsize = 1281x720\n' >"$TMP/odd.ini"
refuse "an odd size in a file" 78 "$bin" -c "$TMP/odd.ini" -t
one_line 'odd.ini:6: .*even'
step "the example is right" "$bin" -t -c examples/transcode.ini

# ---- files ----

ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i sine=r=44100 -t 4 -c:v libx264 -bf 2 -g 40 \
	-c:a aac -ac 1 "$TMP/in.ts"

# streams FILE: what is in it, a line a stream.
streams() {
	ffprobe -v quiet -count_packets -show_entries stream=codec_name,width,height,sample_rate,channels,nb_read_packets "$1" \
		-of compact=p=0:nk=1 | sort -u
}

# No rung asked for: the source's size and what is below it.
step "a file, B-frames and 44.1 kHz mono" "$bin" -i "$TMP/in.ts" -o "$TMP/out.nut" -o "$TMP/out.ts"
step "its size and below" test "$(streams "$TMP/out.nut" | grep h264 | tr '\n' ' ')" = 'h264|256|144|100 h264|320|180|100 '
at_least "sound packets" "$(streams "$TMP/out.nut" | sed -n 's/^aac|48000|2|//p')" 183
step "MPEG-TS holds the same" test "$(streams "$TMP/out.ts" | grep -c '|100$')" = 2

rung() {
	"$bin" -i "$TMP/in.ts" -r "$1" -S audio.bitrate=0 -o "$TMP/rung.nut" && streams "$TMP/rung.nut" >"$TMP/got"
}
step "25 to 30 fps, other shape" rung 'square=240x240@30,300k'
step "has all frames, no sound" test "$(cat "$TMP/got")" = 'h264|240|240|120'
step "25 to 12.5 fps" rung 'slow=160x90@12.5,100k,preset=ultrafast'
at_least "has half the frames" "$(sed 's/^h264|160|90|//' "$TMP/got")" 49
at_most "and no more" "$(sed 's/^h264|160|90|//' "$TMP/got")" 51

step "the ladder of the example" "$bin" -c examples/transcode.ini -i "$TMP/in.ts" -o "$TMP/example.nut"
step "has its three rungs" test "$(streams "$TMP/example.nut" | grep -c '^h264|\(1280|720\|854|480\|426|240\)|')" = 3

began=$(now_ms)
step "a file in real time" "$bin" -i "$TMP/in.ts?realtime=1" -r 144p -o "$TMP/paced.nut"
at_least "takes its time, ms" $(($(now_ms) - began)) 3500

ffmpeg -nostdin -loglevel error -i "$TMP/in.ts" -c copy -an -f matroska "$TMP/silent.mkv"
step "no sound in the source" "$bin" -i "$TMP/silent.mkv" -r 144p -o "$TMP/silent.nut"
step "none in the output" test "$(streams "$TMP/silent.nut")" = 'h264|256|144|100'
ffmpeg -nostdin -loglevel error -i "$TMP/in.ts" -vn -f wav "$TMP/sound.wav"
step "sound alone" "$bin" -i "$TMP/sound.wav" -o "$TMP/sound.nut"
streams "$TMP/sound.nut" | grep -q '^aac|48000|2|1[89][0-9]$' || fail "it holds $(streams "$TMP/sound.nut")"
ffmpeg -nostdin -loglevel error -i "$TMP/in.ts" -an -t 1 -pix_fmt yuv422p10 -strict -1 "$TMP/raw.y4m"
step "raw 4:2:2 in 10 bits" "$bin" -i "$TMP/raw.y4m" -r 144p -o "$TMP/raw.nut"
step "is taken" test "$(streams "$TMP/raw.nut")" = 'h264|256|144|25'

# A list of files is one stream.
printf '# three times the same, one by its full name, and one that is not there\n\nin.ts\n%s/in.ts\nnone.ts\nin.ts\n' "$TMP" >"$TMP/list.txt"
step "a list of files" "$bin" -i "$TMP/list.txt?list=1" -r 144p -S audio.bitrate=0 -o "$TMP/list.nut"
at_least "has the frames of all, less a GOP" "$(streams "$TMP/list.nut" | sed -n 's/^h264|256|144|//p')" 296
step "in even steps" test "$(ffprobe -v quiet -show_entries packet=pts_time -of csv=p=0 "$TMP/list.nut" | sed 's/,.*//' |
	awk 'NR > 1 && ($1 - last > 0.041 || $1 - last < 0.039) { n++ } { last = $1 } END { print n + 0 }')" = 0
: >"$TMP/nothing.txt"
refuse "an empty list" 65 "$bin" -i "$TMP/nothing.txt?list=1" -o "$TMP/never.nut"
one_line 'names no file'

# Damage in the middle costs what it hits.
cp "$TMP/in.ts" "$TMP/damaged.ts"
printf 'damage damage damage' | dd of="$TMP/damaged.ts" bs=1 seek=60000 conv=notrunc status=none
head -c 3000 /dev/urandom | dd of="$TMP/damaged.ts" bs=1 seek=90000 conv=notrunc status=none
step "a damaged file" "$bin" -i "$TMP/damaged.ts" -r 144p -o "$TMP/mended.nut"
at_least "frames" "$(streams "$TMP/mended.nut" | sed -n 's/^h264|256|144|//p')" 60

# The source as it is, beside a rung and alone.
step "copy beside a rung" "$bin" -i "$TMP/in.ts" -r 144p -r copy -o "$TMP/beside.nut"
step "both are there" test "$(streams "$TMP/beside.nut" | grep h264 | tr '\n' ' ')" = 'h264|256|144|100 h264|320|180|60 '
ffmpeg -nostdin -loglevel error -i "$TMP/in.ts" -map 0:v -c copy "$TMP/bare.h264"
step "copy alone" "$bin" -i "$TMP/in.ts" -r whole=copy -o "$TMP/alone.nut"
ffmpeg -nostdin -loglevel error -i "$TMP/alone.nut" -map 0:v -c copy "$TMP/alone.h264"
tail -c 30000 "$TMP/bare.h264" >"$TMP/bare.end"
tail -c 30000 "$TMP/alone.h264" >"$TMP/alone.end"
same_file "$TMP/bare.end" "$TMP/alone.end"
# NUT tells no dts before it has to.
step "copy of the copy" "$bin" -i "$TMP/alone.nut" -r again=copy -o "$TMP/again.ts"
ffprobe -v quiet -select_streams v -show_entries packet=dts -of csv=p=0 "$TMP/again.ts" | sed 's/,.*//; /^$/d' |
	awk 'NR > 1 { print $1 - last } { last = $1 }' | sort -nu >"$TMP/steps"
step "its frames are decoded in even steps" test "$(tr '\n' ' ' <"$TMP/steps")" = '3600 '
