#!/bin/bash
# Who may watch: tokens made by openssl as gex-package(1) tells, by query, header and cookie, handed on to all addresses;
# lists of networks; keys replaced by a reload. And playlists compressed as curl and brotli read them.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg ffprobe openssl brotli gzip

a=$(openssl rand -hex 32) b=$(openssl rand -hex 32)
echo "may $a" >"$TMP/keys"
chmod 600 "$TMP/keys"
udp=$(free_port udp)

# sign KEY TEXT: the token, as the manual page has it.
sign() {
	printf '%s~%s' "$2" "$(printf %s "$2" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -r | cut -d' ' -f1)"
}
later=$(($(date +%s) + 3600))

refuse "a file of keys that others can read" 64 bash -c 'chmod 644 "$1" && exec "$2" -i - -l :0 -S "access.keys=$1"' _ "$TMP/keys" "$BUILD/gex-package"
step "  says so" grep -q 'others can read it' "$TMP/refused"
chmod 600 "$TMP/keys"
refuse "a network that is none" 64 "$BUILD/gex-package" -i - -l :0 -S access.allow=10.0.0.1/8
step "  says which" grep -q "'10.0.0.1/8' is no address or network" "$TMP/refused"

mkdir "$TMP/share"
for f in player.html player.js player.css hls.min.js; do echo "this is $f" >"$TMP/share/$f"; done
cat >"$TMP/package.ini" <<INI
[package]
input = udp://127.0.0.1:$udp
[http]
listen = http://127.0.0.1:0
share = $TMP/share
[access]
keys = $TMP/keys
INI
spawn -r packager "$BUILD/gex-package" -c "$TMP/package.ini" -m 127.0.0.1:0
wait_ready packager
url=$(sed -n 's|.*serving \(http://[^ ]*/live\)/.*|\1|p' "$TMP/packager.log")
spawn encoder ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=320x180:r=30 \
	-re -f lavfi -i sine=r=48000 -c:v libx264 -preset ultrafast -tune zerolatency -g 30 -keyint_min 30 \
	-sc_threshold 0 -b:v 300k -c:a aac -b:a 64k -f mpegts -muxdelay 0 -flush_packets 1 \
	"udp://127.0.0.1:$udp?pkt_size=1316"

code() {
	curl -sS -m 60 -o "$TMP/body" -w '%{http_code}' "$@"
}
refused() {
	step "$1 is 403" test "$(code "${@:2}")" = 403
}

# ---- who is refused, and who not ----
token=$(sign "$a" "may~$later~/live/~")
refused "no token" "$url/time"
refused "garbage" "$url/time?token=x"
refused "a damaged one" "$url/time?token=$token%00"
refused "another signature" "$url/time?token=${token%?}$([ "${token: -1}" = 0 ] && echo 1 || echo 0)"
refused "an unknown key" "$url/time?token=$(sign "$b" "may~$later~/live/~")"
refused "an expired one" "$url/time?token=$(sign "$a" "may~1700000000~/live/~")"
refused "one for another path" "$url/time?token=$(sign "$a" "may~$later~/other/~")"
refused "one for another network" "$url/time?token=$(sign "$a" "may~$later~/~192.0.2.0/24")"
step "a good one opens" test "$(code "$url/time?token=$token")" = 200
step "one for this network too" test "$(code "$url/time?token=$(sign "$a" "may~$later~/~127.0.0.0/8")")" = 200
step "by header" test "$(code -H "Authorization: Bearer $token" "$url/time")" = 200
step "by cookie" test "$(code -b "other=1; token=$token" "$url/time")" = 200
step "a preflight needs none" test "$(code -X OPTIONS "$url/time")" = 204
step "over HTTP/2 by cookie" test "$(code --http2-prior-knowledge -b "token=$token" "$url/time")" = 200

# ---- handed on ----
ready() {
	[ "$(code "$url/index.m3u8?token=$token")" = 200 ]
}
retry 20 ready || fail "no playlist"
step "every address of the index carries it" test "$(grep -c 'index.m3u8?token=' "$TMP/body")" = 2
video=$(grep -v '^#' "$TMP/body" | cut -d/ -f1)
curl -sS "$url/$video/index.m3u8?token=$token" >"$TMP/media"
step "and of a media playlist" test "$(grep -cE '\.(m4s|mp4|m3u8)' "$TMP/media")" = "$(grep -cF "token=$token" "$TMP/media")"
curl -sS -H "Authorization: Bearer $token" "$url/$video/index.m3u8" >"$TMP/media"
step "not where it came by a header" test "$(grep -c token "$TMP/media" || true)" = 0
step "ffmpeg plays HLS by it" patiently 15 ffmpeg -nostdin -v error -i "$url/index.m3u8?token=$token" -t 1 -f null -
step "ffprobe reads DASH by it" patiently 15 ffprobe -v error "$url/manifest.mpd?token=$token"

# The page asks for what it needs without a token: it has a cookie from there.
curl -sS -c "$TMP/jar" -o /dev/null "$url/?token=$token"
step "the page by a token leaves a cookie" test "$(code -b "$TMP/jar" "$url/player.js")" = 200
step "which opens the stream" test "$(code -b "$TMP/jar" "$url/$video/index.m3u8")" = 200
step "and the page says how" grep -qi '^set-cookie: token=.*; Path=/live/; HttpOnly; SameSite=Lax' <(curl -sS -D - -o /dev/null "$url/?token=$token")

# ---- compressed ----
# The MPD does not change with every part.
same() {
	curl -sS -H "Authorization: Bearer $token" "$url/manifest.mpd" >"$TMP/plain"
	curl -sS -D "$TMP/head" -H "Authorization: Bearer $token" -H "Accept-Encoding: $1" "$url/manifest.mpd" >"$TMP/packed"
	"$2" -dc <"$TMP/packed" | sed 's/publishTime="[^"]*"//' >"$TMP/unpacked"
	sed -i 's/publishTime="[^"]*"//' "$TMP/plain"
	cmp -s "$TMP/plain" "$TMP/unpacked" && grep -qi "^content-encoding: $3" "$TMP/head" &&
		grep -qi '^vary: accept-encoding' "$TMP/head"
}
step "gzip" retry 5 same gzip gzip gzip
at_most "  bytes" "$(stat -c %s "$TMP/packed")" "$(($(stat -c %s "$TMP/plain") / 2))"
step "brotli, which is liked better" retry 5 same "gzip, br" brotli br
step "by the q values" retry 5 same "gzip, br;q=0.5" gzip gzip
step "a compressed media playlist" grep -q '^#EXTM3U' <(curl -sS --compressed "$url/$video/index.m3u8?token=$token")
curl -sS -H "Accept-Encoding: gzip;q=0, br;q=0" -b "token=$token" "$url/$video/index.m3u8" >"$TMP/plain"
step "or not" grep -q '^#EXTM3U' "$TMP/plain"

# ---- roll-over, and lists ----
printf 'may %s\nnew %s\n' "$a" "$b" >"$TMP/keys"
kill -HUP "${PID[packager]}"
wait_log packager "info: reloaded"
new=$(sign "$b" "new~$later~/live/~")
step "the new key opens" test "$(code "$url/time?token=$new")" = 200
step "the old one still does" test "$(code "$url/time?token=$token")" = 200
echo "new $b" >"$TMP/keys"
echo "deny = 127.0.0.1" >>"$TMP/package.ini"
kill -HUP "${PID[packager]}"
denied() {
	[ "$(code "$url/time?token=$new")" = 403 ]
}
retry 10 denied || fail "the list is not obeyed"
sed -i 's/^deny = .*/allow = 127.0.0.0\/8, ::1/' "$TMP/package.ini"
kill -HUP "${PID[packager]}"
allowed() {
	[ "$(code "$url/time?token=$new")" = 200 ]
}
retry 10 allowed || fail "the list of the allowed is not obeyed"
refused "the old key, now" "$url/time?token=$token"
curl -sS "$(sed -n 's|.*\(http://[^ ]*/metrics\)|\1|p' "$TMP/packager.log")" >"$TMP/metrics"
for reason in missing forged expired path network address; do
	step "counted: $reason" grep -q "^gex_package_access_refused_total{stream=\"live\",reason=\"$reason\"} [1-9]" "$TMP/metrics"
done
stop packager
step "ends with success" test "$STATUS" = 0
