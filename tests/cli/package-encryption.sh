#!/bin/bash
# Encrypted media, read by others: cbcs decrypted by ffmpeg shows the same pictures as the stream in clear, AES-128 is opened
# by openssl and played by ffmpeg as HLS; keys from a file in turn, by a key server that comes late and goes, and who gets them.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg openssl node

kid1=00112233445566778899aabbccddeeff key1=0123456789abcdef0123456789abcdef
kid2=ffeeddccbbaa99887766554433221100 key2=fedcba9876543210fedcba9876543210
printf '# two keys\n00112233-4455-6677-8899-aabbccddeeff:%s\n%s:%s\n' $key1 $kid2 $key2 >"$TMP/keys"
echo "$kid1:$key1" >"$TMP/one"
echo "$kid1:123" >"$TMP/bad"
chmod 600 "$TMP/keys" "$TMP/one" "$TMP/bad"

not() {
	! "$@"
}

# no WHAT TEXT KEY=VALUE...: refused, and why.
no() {
	local args=() what=$1 why=$2 kv
	shift 2
	for kv in "$@"; do args+=(-S "package.encryption$kv"); done
	refuse "$what" 64 "$BUILD/gex-package" -i - -l :0 -t "${args[@]}"
	step "  says why" grep -q "$why" "$TMP/refused"
}
no "an unknown way" 'none, cbcs or aes-128' =cenc
no "no key" 'encryption_keys or encryption_url' =cbcs
no "a line that is no key" 'bad:1: no KID:KEY' =cbcs "_keys=$TMP/bad"
no "turns with one key" 'one key' =cbcs "_keys=$TMP/one" _rotate=60s
no "turns that are too short" 'too short' =cbcs "_keys=$TMP/keys" _rotate=1s
no "a key server by another protocol" 'http' =cbcs _url=ftp://x/
no "an unknown kind of EXT-X-KEY" 'encryption_formats' =cbcs "_keys=$TMP/one" _formats=widevine
chmod 644 "$TMP/one"
no "keys that others can read" 'others can read it' =cbcs "_keys=$TMP/one"
chmod 600 "$TMP/one"

# packager NAME KEY=VALUE...: on the stream that comes to ${udp[NAME]}, serving at ${url[NAME]}.
declare -A udp url metrics
outputs=
packager() {
	local name=$1 args=() kv
	shift
	udp[$name]=$(free_port udp)
	outputs+="|[f=mpegts]udp\\://127.0.0.1\\:${udp[$name]}?pkt_size=1316"
	for kv in "$@"; do args+=(-S "package.encryption$kv"); done
	spawn -r "$name" "$BUILD/gex-package" -i "udp://127.0.0.1:${udp[$name]}" -l 127.0.0.1:0 -m 127.0.0.1:0 -v "${args[@]}"
	wait_ready "$name"
	url[$name]=$(sed -n 's|.*serving \(http://[^ ]*/live\)/.*|\1|p' "$TMP/$name.log")
	metrics[$name]=$(sed -n 's|.*\(http://[^ ]*/metrics\).*|\1|p' "$TMP/$name.log")
}

# The key server: 16 bytes that the number of the turn makes. A file tells how it is asked.
cat >"$TMP/server.mjs" <<'END'
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
const [file, port] = process.argv.slice(2);
http.createServer((q, a) => {
	fs.appendFileSync(file, `${q.method} ${q.url} ${q.headers.authorization}\n`);
	if (q.url === '/refuse/0')
		a.writeHead(302, { location: '/key/0' }).end();
	else
		a.end(crypto.createHash('sha256').update(q.url).digest().subarray(0, 16));
}).listen(port, '127.0.0.1');
END
server=$(free_port tcp)
echo "Bearer s3cret" >"$TMP/auth"
chmod 600 "$TMP/auth"

packager clear =none
packager cbcs =cbcs "_keys=$TMP/keys" _rotate=4s
packager aes =aes-128 "_keys=$TMP/one"
packager asked =cbcs "_url=http://127.0.0.1:$server/key/%n" "_auth=$TMP/auth" _rotate=4s
spawn encoder ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=320x180:r=30 \
	-re -f lavfi -i sine=r=48000 -map 0:v -map 1:a -c:v libx264 -preset ultrafast -tune zerolatency -threads 2 -g 30 \
	-keyint_min 30 -sc_threshold 0 -b:v 400k -c:a aac -b:a 64k -f tee "${outputs#|}"

# get FILE URL...: all, one after the other.
get() {
	curl -sfS -m 60 "${@:2}" >"$1"
}
ready() {
	curl -sf -o /dev/null "${url[$1]}/index.m3u8"
}
# listed NAME N: at least so many whole segments.
listed() {
	get "$TMP/$1.m3u8" "${url[$1]}/180p/index.m3u8" && [ "$(grep -c '^[0-9].*m4s' "$TMP/$1.m3u8")" -ge "$2" ]
}
gauge() {
	curl -sf "${metrics[$1]}" | sed -n "s/^$2{.*} //p"
}

# ---- cbcs ----
retry 30 ready clear || fail "no stream"
retry 30 listed cbcs 7 || fail "no segments"
# shows KEY FILE: the pictures, one MD5 a line. By a pipe, for of a file with many fragments ffmpeg 5.1 takes the last's table.
shows() {
	ffmpeg -nostdin -v error -xerror -decryption_key "$1" -i pipe:0 -map 0:v -f framemd5 -c:v rawvideo pipe:1 <"$2" |
		sed '/^#/d; s/.*, *//'
}
cp "$TMP/cbcs.m3u8" "$TMP/list"
# The key and the init segment of each segment, as the playlist has them.
awk '/KEYFORMAT="identity"/ { match($0, /key\/[0-9a-f]+/); kid = substr($0, RSTART + 4, 32) }
	/^#EXT-X-MAP/ { split($0, a, "\""); init = a[2] }
	/^[0-9]+\.m4s/ { print kid, init, $1 }' "$TMP/list" >"$TMP/segments"
at_least "keys in the playlist" "$(cut -d' ' -f1 "$TMP/segments" | sort -u | wc -l)" 2
step "no discontinuity" not grep -q DISCONTINUITY "$TMP/list"
: >"$TMP/pictures"
while read -r kid init segment; do
	get "$TMP/key" "${url[cbcs]}/key/$kid"
	get "$TMP/one.mp4" "${url[cbcs]}/180p/$init" "${url[cbcs]}/180p/$segment"
	[ "$(xxd -p "$TMP/key")" = "$([ "$kid" = $kid1 ] && echo $key1 || echo $key2)" ] || fail "key/$kid is another"
	shows "$(xxd -p "$TMP/key")" "$TMP/one.mp4" >>"$TMP/pictures" || fail "$segment cannot be decrypted"
done <"$TMP/segments"
at_least "pictures decrypted" "$(wc -l <"$TMP/pictures")" 200
retry 10 listed clear 8
init=$(grep -o 'init-[0-9a-f]*.mp4' "$TMP/clear.m3u8")
# shellcheck disable=SC2046
get "$TMP/clear.mp4" "${url[clear]}/180p/$init" $(sed -n "s|^\([0-9]*\.m4s\)|${url[clear]}/180p/\1|p" "$TMP/clear.m3u8")
shows $key1 "$TMP/clear.mp4" | sort >"$TMP/want"
at_least "of them those of the stream in clear" "$(sort "$TMP/pictures" | comm -12 - "$TMP/want" | wc -l)" 150
read -r kid init segment <"$TMP/segments"
get "$TMP/one.mp4" "${url[cbcs]}/180p/$init" "${url[cbcs]}/180p/$segment"
step "with the other key it is none" not shows "$([ "$kid" = $kid1 ] && echo $key2 || echo $key1)" "$TMP/one.mp4" 2>"$TMP/wrong"
part=$(grep -o '[0-9]*\.0\.m4s' "$TMP/list" | head -1)
get "$TMP/part" "${url[cbcs]}/180p/$part"
get "$TMP/whole" "${url[cbcs]}/180p/${part/.0/}"
step "a part is the segment's own bytes" cmp -n "$(stat -c %s "$TMP/part")" "$TMP/part" "$TMP/whole"
# Up to the last whole segment: behind it there may be the next one's key.
get "$TMP/audio.all" "${url[cbcs]}/audio/index.m3u8"
head -n "$(grep -n '^[0-9]*\.m4s' "$TMP/audio.all" | tail -1 | cut -d: -f1)" "$TMP/audio.all" >"$TMP/audio.m3u8"
init=$(grep -o 'init-[0-9a-f]*.mp4' "$TMP/audio.m3u8" | tail -1)
kid=$(grep -o 'key/[0-9a-f]*' "$TMP/audio.m3u8" | tail -1 | cut -d/ -f2)
get "$TMP/audio.mp4" "${url[cbcs]}/audio/$init" "${url[cbcs]}/audio/$(grep -o '^[0-9]*\.m4s' "$TMP/audio.m3u8" | tail -1)"
step "sound is decrypted too" ffmpeg -nostdin -v error -xerror \
	-decryption_key "$([ "$kid" = $kid1 ] && echo $key1 || echo $key2)" -i "$TMP/audio.mp4" -f null -
get "$TMP/mpd" "${url[cbcs]}/manifest.mpd"
at_least "periods of the MPD" "$(grep -c '<Period' "$TMP/mpd")" 2
step "the MPD names the keys" grep -q 'value="cbcs" cenc:default_KID="00112233-4455-6677-8899-aabbccddeeff"' "$TMP/mpd"
get "$TMP/license" "${url[cbcs]}/license"
step "the license has both" test "$(grep -o '"kty":"oct"' "$TMP/license" | wc -l)" -ge 2
step "  as ClearKey wants them" grep -q '"kid":"ABEiM0RVZneImaq7zN3u_w","k":"ASNFZ4mrze8BI0VniavN7w"' "$TMP/license"
step "an unknown key is 404" test "$(curl -s -o /dev/null -w '%{http_code}' "${url[cbcs]}/key/$key1")" = 404
step "a clear stream has none" test "$(curl -s -o /dev/null -w '%{http_code}' "${url[clear]}/license")" = 404

# ---- AES-128 ----
retry 30 listed aes 4 || fail "no segments"
open() {
	openssl enc -d -aes-128-cbc -K $key1 -iv "$(printf %032x "$1")" -in "$2" -out "$3"
}
init=$(grep -o 'init-[0-9a-f]*.mp4' "$TMP/aes.m3u8")
number=$(sed -n 's/^\([0-9]*\)\.m4s$/\1/p' "$TMP/aes.m3u8" | tail -1)
get "$TMP/init.mp4" "${url[aes]}/180p/$init"
get "$TMP/sealed" "${url[aes]}/180p/$number.m4s"
step "a segment opens" open "$number" "$TMP/sealed" "$TMP/opened"
: >"$TMP/by-parts"
grep -o "$number\.[0-9]*\.m4s" "$TMP/aes.m3u8" >"$TMP/parts"
while read -r part; do
	get "$TMP/sealed" "${url[aes]}/180p/$part"
	open "$number" "$TMP/sealed" "$TMP/part" || fail "part $part does not open"
	cat "$TMP/part" >>"$TMP/by-parts"
done <"$TMP/parts"
step "the parts are the same" cmp "$TMP/opened" "$TMP/by-parts"
step "and pictures" ffmpeg -nostdin -v error -xerror -i "concat:$TMP/init.mp4|$TMP/opened" -f null -
step "ffmpeg plays it as HLS" patiently 30 ffmpeg -nostdin -v error -xerror -i "${url[aes]}/index.m3u8" -t 2 -f null -
for path in manifest.mpd live.mp4 180p/iframes.m3u8; do
	step "no $path" test "$(curl -s -o /dev/null -w '%{http_code}' "${url[aes]}/$path")" = 404
done

# ---- a key server ----
step "without a key there is nothing" test "$(curl -s -o /dev/null -w '%{http_code}' "${url[asked]}/index.m3u8")" = 503
at_least "failures are counted" "$(gauge asked gex_package_key_failures_total)" 1
step "and that it is late" test "$(gauge asked gex_package_key_late)" = 1
spawn server node "$TMP/server.mjs" "$TMP/requests" "$server"
retry 60 ready asked || fail "no stream after the key server came"
step "it is on time then" test "$(gauge asked gex_package_key_late)" = 0
step "asked by the number, with its password" grep -qE '^GET /key/[0-9]+ Bearer s3cret$' "$TMP/requests"
kill9 server
late() {
	[ "$(gauge asked gex_package_key_late)" = 1 ]
}
retry 60 late || fail "the key server is away, and nobody tells"
last() {
	get "$TMP/asked.m3u8" "${url[asked]}/180p/index.m3u8" && grep -o 'key/[0-9a-f]*' "$TMP/asked.m3u8" | tail -1
}
before=$(last)
first=$(sed -n 's/^#EXT-X-MEDIA-SEQUENCE://p' "$TMP/asked.m3u8")
goes_on() {
	last >/dev/null && [ "$(grep -o '^[0-9]*\.m4s' "$TMP/asked.m3u8" | tail -1 | cut -d. -f1)" -ge $((first + 12)) ]
}
retry 60 goes_on || fail "it does not go on"
step "the last key stays" test "$(last)" = "$before"
spawn server node "$TMP/server.mjs" "$TMP/requests" "$server"
on_time() {
	! late
}
retry 120 on_time || fail "the key server is back, and nobody sees"

# ---- secrets ----
for name in cbcs aes asked; do
	step "no key in the log of $name" not grep -qiE "$key1|$key2|s3cret" "$TMP/$name.log"
done
