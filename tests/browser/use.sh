#!/bin/bash
# The player page as one uses it: qualities, sounds, captions and players by their menus, seeking back by pictures, live again, keys;
# then what it says before a stream, after it, and when its link opens nothing any more.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/rig.sh"
page=$(dirname "$0")/page.mjs

port=$(free_port tcp)
url=http://127.0.0.1:$port/live/
openssl rand -hex 32 | sed 's/^/may /' >"$TMP/keys"
chmod 600 "$TMP/keys"

packager() {
	local name=$1
	shift
	spawn -r "$name" "$BUILD/gex-package" -i "unix:$TMPDIR/live.sock" -l "http://127.0.0.1:$port" "$@"
	wait_ready "$name"
}

# says NAME WORDS URL: a page at URL says them, in time; to be waited for by heard NAME.
says() {
	spawn "$1" node "$page" says "$2" "$3"
}
heard() {
	wait_exit "$1" 20
	step "the page says that it is $1" test "$STATUS" = 0
}

"$BUILD/tests/media/caption-source" 320 180 25 1500 pop-on >"$TMP/film.nut" 2>"$TMP/said"
ffmpeg -nostdin -loglevel error -i "$TMP/film.nut" -f lavfi -i sine=440:r=48000 -map 0:v -map 1:a -c:v copy -c:a aac -b:a 64k \
	-shortest "$TMP/in.nut"
packager one -S package.dvr="$TMP/dvr"
says waiting "Not on the air yet" "$url"
heard waiting

spawn transcoder "$BUILD/gex-transcode" -i "$TMP/in.nut?realtime=1&loop=1" -r 144p -r tiny=160x90 -o "unix:$TMPDIR/live.sock" \
	-S audio.en.lang=en -S audio.ko.lang=ko -S thumbnail.seek.track=yes
ready() {
	curl -sf -o /dev/null "$url/index.m3u8"
}
retry 20 ready || fail "no stream"
spawn user node "$page" use "$url" "$TMP/shot.png"
wait_exit user 60
cat "$TMP/user.log"
step "the page does as it is told" test "$STATUS" = 0
step "a picture of it" test -s "$TMP/shot.png"
stop one

packager two -S access.keys="$TMP/keys"
retry 20 curl -s -o /dev/null "$url/index.m3u8"
text="may~$(($(date +%s) + 3600))~/live/~"
mac=$(printf %s "$text" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(cut -d' ' -f2 "$TMP/keys")" -r | cut -d' ' -f1)
says denied "You may not watch this" "$url?token=$text~$mac"
wait_log denied opened 20
openssl rand -hex 32 | sed 's/^/may /' >"$TMP/keys" # what was signed by the old one opens nothing any more
kill -HUP "${PID[two]}"
heard denied
step "who comes with it is told so too" test "$(curl -s -o "$TMP/denied" -w '%{http_code}' "$url?token=$text~$mac")" = 403
step "in words" grep -q "You may not watch this" "$TMP/denied"
stop two

# A stream with an end, of which the page sees some.
ffmpeg -nostdin -loglevel error -i "$TMP/in.nut" -t 5 -c copy "$TMP/short.nut"
spawn -r three "$BUILD/gex-package" -i "$TMP/short.nut" -l "http://127.0.0.1:$port" -S package.window=60s
wait_ready three
says ended "The stream has ended" "$url"
heard ended
