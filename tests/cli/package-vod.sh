#!/bin/bash
# Recordings of gex-record played from gex-package: all their tracks, parts of them, while they grow, and when they are damaged.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg ffprobe

port=$(free_port tcp)
url=http://127.0.0.1:$port/live/vod
dir=$TMP/recordings

code() {
	curl -sS -m $((8 * PATIENCE)) -o "$TMP/body" -w '%{http_code}' "$@"
}

# old FILE: as if nothing had been written for a minute.
old() {
	touch -d '1 minute ago' "$1"
}

# seconds URL: as ffprobe finds them.
seconds() {
	ffprobe -v error -show_entries format=duration -of csv=p=0 "$1"
}

segments() {
	curl -sS -f "$url/$1/360p/index.m3u8" | grep -c m4s
}

ffmpeg -hide_banner -nostdin -loglevel error -f lavfi -i testsrc2=s=320x180:r=30 -f lavfi -i testsrc2=s=640x360:r=30 \
	-f lavfi -i sine=r=48000 -t 9 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -g 30 -bf 2 -c:a aac "$TMP/source.nut"
patiently 20 "$BUILD/gex-record" -i "$TMP/source.nut" -r 180p -r 360p -r audio -d "$dir" 2>"$TMP/record"
whole=$(find "$dir" -name '*.mp4')
name=$(basename "$whole" .mp4)
old "$whole"

spawn -r server "$BUILD/gex-package" -i "udp://127.0.0.1:$(free_port udp)" -l "http://127.0.0.1:$port" -S package.vod="$dir"
wait_ready server

# ---- a whole one ----
step "is listed" grep -q "\"name\": \"$name\"" <(curl -sS -f "$url/index.json")
curl -sS -f "$url/$name/index.m3u8" >"$TMP/index"
step "both renditions" test "$(grep -c '^[0-9]*p/index.m3u8$' "$TMP/index")" = 2
step "with codecs" grep -Eq 'CODECS="avc1\.[0-9a-f]{6},mp4a\.40\.2",RESOLUTION=640x360,FRAME-RATE=30' "$TMP/index"
curl -sS -f "$url/$name/360p/index.m3u8" >"$TMP/list"
step "it ends" grep -qx '#EXT-X-ENDLIST' "$TMP/list"
step "with the instant of its name" grep -q "PROGRAM-DATE-TIME:${name:0:10}T${name:11:2}:${name:14:2}" "$TMP/list"
for form in index.m3u8 manifest.mpd; do
	step "$form: 9 s" awk -v s="$(seconds "$url/$name/$form")" 'BEGIN { exit !(s > 8.9 && s < 9.1) }'
	patiently 20 ffmpeg -nostdin -v warning -xerror -i "$url/$name/$form" -map 0 -f null - 2>"$TMP/probe" || fail "$form does not decode"
	step "$form: decodes clean" test ! -s "$TMP/probe"
done
# Frame for frame the same as in the file.
hashes() {
	ffmpeg -nostdin -v error -i "$1" -map "$2" -f framehash -hash crc32 - | grep -v '^#' | awk -F, '{ print $NF }'
}
hashes "$whole" 0:1 >"$TMP/want"
hashes "$url/$name/360p/index.m3u8" 0:0 >"$TMP/got"
same_file "$TMP/want" "$TMP/got"
begin=$(date -u -d "$(sed -n 's/^#EXT-X-PROGRAM-DATE-TIME://p' "$TMP/list" | head -1)" +%s)
curl -sS -f "$url/$name/360p/index.m3u8?from=$((begin + 3))&to=$((begin + 5))" >"$TMP/part"
at_most "segments of two seconds" "$(grep -c m4s "$TMP/part")" 2
step "an init segment for ever" grep -qi 'immutable' <(curl -sSI "$url/$name/360p/init.mp4")

# ---- one that grows ----
size=$(stat -c %s "$whole")
head -c $((size / 2)) "$whole" >"$dir/grows.mp4"
first=$(segments grows)
step "a list that goes on" test "$(curl -sS -f "$url/grows/360p/index.m3u8" | grep -c ENDLIST)" = 0
tail -c +$((size / 2 + 1)) "$whole" >>"$dir/grows.mp4"
grown() {
	[ "$(segments grows)" -gt "$first" ]
}
step "and on" retry 5 grown
old "$dir/grows.mp4"
step "and ends" test "$(segments grows)" = "$(grep -c m4s "$TMP/list")"

# ---- damaged ones ----
head -c $((size * 2 / 3)) "$whole" >"$dir/torn.mp4"
old "$dir/torn.mp4"
at_least "segments of a torn one" "$(segments torn)" 2
patiently 20 ffmpeg -nostdin -v error -xerror -i "$url/torn/index.m3u8" -f null - || fail "a torn one does not play"
{
	head -c $((size / 2)) "$whole"
	head -c 2000 /dev/zero
	tail -c +$((size / 2 + 2001)) "$whole"
} >"$dir/hole.mp4"
old "$dir/hole.mp4"
step "one with a hole has an answer" grep -Eq '^(200|404)$' <(code "$url/hole/index.m3u8")
head -c 100 "$whole" >"$dir/front.mp4"
: >"$dir/empty.mp4"
head -c 5000 /dev/urandom >"$dir/noise.mp4"
mkfifo "$dir/fifo.mp4"
ln -s /etc/passwd "$dir/link.mp4"
mkdir "$dir/folder.mp4"
for n in front empty noise fifo link folder none; do
	step "$n is 404" test "$(code "$url/$n/index.m3u8")" = 404
done
for p in "$name/360p/9999.m4s" "$name/360p/999999999999.m4s" "$name/none/0.m4s" "$name/none/index.m3u8" "$name/x" "$name" \
	"$name/360p/../../x/index.m3u8" "..%2f$name/index.m3u8" ".$name/index.m3u8" "$name/360p/0.m4s/x"; do
	step "$p is refused" grep -Eq '^(302|400|404)$' <(code --path-as-is "$url/$p")
done
step "a span that is none is 400" test "$(code "$url/$name/index.m3u8?from=5&to=3")" = 400
step "ended in order" stop server
