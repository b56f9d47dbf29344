#!/bin/bash
# The past of encrypted streams: it stays encrypted on disk, its keys outlive the process and are nobody else's to read, and others
# open what was kept: cbcs by ffmpeg, AES-128 by ffmpeg as HLS.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg openssl

for _ in 1 2 3; do echo "$(openssl rand -hex 16):$(openssl rand -hex 16)"; done >"$TMP/keys"
chmod 600 "$TMP/keys"
udp=$(free_port udp) udp2=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port

# packager NAME CBCS-ENCRYPTION AES-ENCRYPTION
packager() {
	cat >"$TMP/$1.ini" <<-END
		[http]
		listen = http://127.0.0.1:$port
		[package]
		segment = 500ms
		window = 6s
		dvr = $TMP/dvr
		encryption_rotate = 3s
		$4
		[stream cbcs]
		input = udp://127.0.0.1:$udp
		$2
		[stream aes]
		input = udp://127.0.0.1:$udp2
		dvr_keys = $TMP/apart
		$3
	END
	spawn -r "$1" "$BUILD/gex-package" -c "$TMP/$1.ini"
	wait_ready "$1"
}
encoder() {
	spawn "$1" ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=320x180:r=30 \
		-re -f lavfi -i sine=r=48000 -map 0:v -map 1:a -c:v libx264 -preset ultrafast -tune zerolatency -threads 2 -g 15 \
		-keyint_min 15 -sc_threshold 0 -b:v 300k -c:a aac -b:a 64k -f tee \
		"[f=mpegts]udp\\://127.0.0.1\\:$udp?pkt_size=1316|[f=mpegts]udp\\://127.0.0.1\\:$udp2?pkt_size=1316"
}
get() {
	curl -sS -f -m $((8 * PATIENCE)) "$url/$1"
}
code() {
	curl -sS -m $((8 * PATIENCE)) -o /dev/null -w '%{http_code}' "$url/$1"
}
# past STREAM N KEYS: the disk has N segments or more, of so many keys.
past() {
	get "$1/180p/dvr.m3u8" >"$TMP/$1.m3u8" && [ "$(grep -v GAP "$TMP/$1.m3u8" | grep -c m4s)" -ge "$2" ] &&
		[ "$(grep -o 'key/[0-9a-f]*' "$TMP/$1.m3u8" | sort -u | wc -l)" -ge "$3" ]
}
not() {
	! "$@"
}
on='encryption_keys = '$TMP/keys
packager first "encryption = cbcs
$on" "encryption = aes-128
$on" ""
encoder source
retry 40 past cbcs 10 2 || fail "no past by two keys"
retry 20 past aes 10 2 || fail "no past by two keys"
store=$TMP/dvr/cbcs/.keys
step "keys are in a file that others cannot read" test "$(stat -c %a "$store")" = 600
step "  or elsewhere, when that is wanted" test "$(stat -c %a "$TMP/apart/aes.keys")" = 600
step "  not in the folder of media then" test ! -e "$TMP/dvr/aes/.keys"
kill9 first
stop source
cp "$TMP/cbcs.m3u8" "$TMP/cbcs.before"

# ---- another life, in which nothing is encrypted ----
packager second "" "" ""
step "the same past" past cbcs 10 2
step "the same past" past aes 10 2
awk '/KEYFORMAT="identity"/ { match($0, /key\/[0-9a-f]+/); kid = substr($0, RSTART + 4, 32) }
	/^#EXT-X-MAP/ { split($0, a, "\""); init = a[2] }
	/^#EXT-X-GAP/ { gap = 1 }
	/^[0-9]+\.m4s/ { if (!gap) print kid, init, $1; gap = 0 }' "$TMP/cbcs.m3u8" >"$TMP/segments"
# shows KEY FILE: its pictures are whole.
shows() {
	ffmpeg -nostdin -v error -xerror -decryption_key "$1" -i pipe:0 -map 0:v -f null - <"$2"
}
seen=
while read -r kid init segment; do
	[ "$kid" != "$seen" ] || continue
	seen=$kid
	key=$(get "cbcs/key/$kid" | xxd -p)
	step "key $kid" grep -qix "$kid:$key" "$TMP/keys"
	{ get "cbcs/180p/$init" && get "cbcs/180p/$segment"; } >"$TMP/one.mp4"
	step "  opens its segments" shows "$key" "$TMP/one.mp4"
	step "  and no other does" not shows 00000000000000000000000000000000 "$TMP/one.mp4" 2>"$TMP/wrong"
done <"$TMP/segments"
step "the license has them" test "$(get cbcs/license | grep -o '"kty"' | wc -l)" -ge 2
step "an unknown key is none" test "$(code cbcs/key/00000000000000000000000000000000)" = 404
file=$(find "$TMP/dvr/cbcs/180p" -name '*.mp4' | sort | head -1)
step "what lies on disk is encrypted" not ffmpeg -nostdin -v error -xerror -i "$file" -f null - 2>"$TMP/wrong"
get "cbcs/dvr.mpd" >"$TMP/mpd"
at_least "periods of the MPD" "$(grep -c '<Period' "$TMP/mpd")" 2
step "  name their keys" test "$(grep -o 'default_KID="[^"]*"' "$TMP/mpd" | sort -u | wc -l)" -ge 2
step "  and where the license is" grep -q '<dashif:Laurl>/cbcs/license<' "$TMP/mpd"
from=$(date -d "$(sed -n 's/^#EXT-X-PROGRAM-DATE-TIME://p' "$TMP/aes.m3u8" | head -1)" +%s)
span="from=$((from + 1))&to=$((from + 5))"
step "AES-128 is played as HLS" patiently 20 ffmpeg -nostdin -v error -xerror -i "$url/aes/index.m3u8?$span" -f null -
step "  and there is no MPD of it" test "$(code "aes/manifest.mpd?$span")" = 404
step "a clip of it is refused" test "$(code "cbcs/clip.mp4?$span")" = 403
stop second

# ---- whose keys are elsewhere, and who has lost them ----
packager third "encryption = cbcs
$on
encryption_uri = https://keys.test/" "" ""
step "keys that are elsewhere are not handed out" not get "cbcs/key/$seen" 2>"$TMP/wrong"
step "  but named" grep -q "https://keys.test/$seen" <(get "cbcs/180p/dvr.m3u8")
stop third
chmod 644 "$store"
refuse "keys that others can read" 77 "$BUILD/gex-package" -c "$TMP/second.ini"
step "  says which" grep -q 'cbcs/.keys.*chmod 600' "$TMP/refused"
rm "$store"
packager fourth "" "" ""
wait_log fourth 'cbcs/.keys: the keys of [1-9][0-9]* files are missing'
step "a key that is lost is none" not get "cbcs/key/$seen" 2>"$TMP/wrong"
