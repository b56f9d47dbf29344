#!/bin/bash
# gex-record: what is on the disk after kill -9, after a clean end, over the loss of the source, and on a full disk.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=streamlib.sh
. "$(dirname "$0")/streamlib.sh"
need ffmpeg ffprobe curl

sock=$TMP/live.sock
mkfifo "$TMP/in"
spawn source live 900 nut "$TMP/in"
spawn -r relay "$BUILD/tests/media/relay" "$TMP/in" "unix:$sock"
wait_ready relay

# duration FILE: seconds of picture that can be read.
duration() {
	ffprobe -v error -select_streams v:0 -show_entries packet=pts_time,duration_time -of csv=p=0 "$1" | tail -n 1 |
		awk -F, '{ print $1 + $2 }'
}
# decodes FILE: without one complaint.
decodes() {
	[ -z "$(ffmpeg -nostdin -v warning -i "$1" -f null - 2>&1)" ]
}
# newest DIR [N]: the newest file (or the Nth newest).
newest() {
	find "$1" -name '*.mp4' | sort -r | sed -n "${2:-1}p"
}
files() {
	[ "$(find "$1" -name '*.mp4' | wc -l)" -ge "$2" ]
}
larger() {
	[ "$(stat -c %s "$1")" -gt "$2" ]
}

# ---- kill -9 ----
spawn -r record "$BUILD/gex-record" -i "unix:$sock" -d "$TMP/dir"
wait_ready record
step "the folder and a file are made" retry 10 files "$TMP/dir" 1
begun=$(now_ms)
file=$(newest "$TMP/dir")
step "the name is the UTC time" grep -qE '/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z\.mp4$' <<<"$file"
# A header stands there from the start; wait for some seconds of stream.
step "it grows" retry 15 larger "$file" 250000
kill9 record
lived=$(awk -v ms=$(($(now_ms) - begun)) 'BEGIN { print ms / 1000 }')
# The file began with the key frame before; so at least what was live since then, less a second.
figure "seconds on the disk after kill -9" "$(duration "$file")" at_least "$(awk -v l="$lived" 'BEGIN { print l - 1 }')"
at_least "seconds on the disk" "$(duration "$file")" 2
step "they decode without a complaint" decodes "$file"

# A tail torn in the middle of a fragment harms nothing before it.
size=$(stat -c %s "$file")
whole=$(frames "$file")
head -c $((size - 3000)) "$file" >"$TMP/torn.mp4"
at_least "frames before a torn tail" "$(frames "$TMP/torn.mp4" 2>/dev/null)" $((whole - 31))

# ---- again, in the same folder; rolling; a clean end ----
spawn -r record "$BUILD/gex-record" -i "unix:$sock" -d "$TMP/dir" -S record.segment=2s
wait_ready record
step "a restart begins a new file, and more follow" retry 20 files "$TMP/dir" 4
step "SIGTERM" stop record 10
step "status 0" test "$STATUS" = 0
rolled=$(newest "$TMP/dir" 2)
step "a file that was rolled has whole seconds" test "$(frames "$rolled")" = 60
for f in "$TMP/dir"/*.mp4; do
	step "${f##*/} decodes" decodes "$f"
done

# ---- loss of the source ----
spawn -r record "$BUILD/gex-record" -i "unix:$sock" -d "$TMP/lost"
wait_ready record
step "recording" retry 10 files "$TMP/lost" 1
kill9 relay
step "the loss is told" wait_log record "live.sock\] lost: " 10
stop source || true
spawn source live 900 nut "$TMP/in"
spawn -r relay "$BUILD/tests/media/relay" "$TMP/in" "unix:$sock"
step "another timeline is another file" retry 15 files "$TMP/lost" 2
stop record 10
step "the first decodes" decodes "$(newest "$TMP/lost" 2)"
step "the second decodes" decodes "$(newest "$TMP/lost")"

# ---- a disk that is full, and free again ----
full() {
	[ "$(id -u)" = 0 ] && mkdir -p "$TMP/small" && mount -t tmpfs -o size=256k none "$TMP/small" 2>/dev/null
}
if full; then
	# shellcheck disable=SC2016 # for later
	at_exit 'umount "$TMP/small"'
	port=$(free_port tcp)
	spawn -r record "$BUILD/gex-record" -i "unix:$sock" -d "$TMP/small/dir" -m "127.0.0.1:$port"
	wait_ready record
	step "a full disk is told" wait_log record "No space left on device; trying a new file" 20
	failed() {
		[ "$(curl -sf "http://127.0.0.1:$port/metrics" | sed -n 's/^gex_record_errors_total //p')" -ge 1 ]
	}
	step "and counted" retry 5 failed
	first=$(newest "$TMP/small/dir")
	cp "$first" "$TMP/full.mp4"
	step "what was written is whole" decodes "$TMP/full.mp4"
	mount -o remount,size=16m "$TMP/small"
	step "when there is room again a new file is begun" retry 20 files "$TMP/small/dir" 2
	step "the tool lives" alive record
	stop record 10
else
	echo "# not allowed to mount a small disk: that step is left out"
fi
stop relay
stop source || true

# ---- a file: all of it, as fast as the disk takes it ----
PACE='' live 60 mpegts "$TMP/minute.ts"
step "a file of a minute" "$BUILD/gex-record" -i "$TMP/minute.ts" -d "$TMP/minute" -S record.segment=20s
step "is three files" test "$(find "$TMP/minute" -name '*.mp4' | wc -l)" = 3
for f in "$TMP/minute"/*.mp4; do
	step "with all frames" test "$(frames "$f")" = 600
done

# ---- mistakes ----
refuse "a folder in a folder that does not exist" 69 "$BUILD/gex-record" -i "unix:$sock" -d "$TMP/no/such"
printf 'no video\n' >"$TMP/text"
refuse "a text file as video" 65 "$BUILD/gex-record" -i "$TMP/text" -d "$TMP/text.d"
refuse "a missing input file" 69 "$BUILD/gex-record" -i "$TMP/none.ts" -d "$TMP/none.d"
printf '[record]\ninput = -\ndir = %s\nfragment = 1ms\n' "$TMP/x" >"$TMP/bad.ini"
refuse "a fragment that is too short" 78 "$BUILD/gex-record" -c "$TMP/bad.ini"

# ---- a pipe that is faster than the disk ----
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=64x48:r=25 -t 200 -c:v libx264 -threads 1 -preset ultrafast -g 25 "$TMP/long.ts"
# shellcheck disable=SC2002 # a pipe it has to be
cat "$TMP/long.ts" | patiently 30 "$BUILD/gex-record" -i - -d "$TMP/piped" 2>/dev/null
step "all of a pipe that does not wait" test "$(frames "$(newest "$TMP/piped")")" = 5000
