#!/bin/bash
# gex-package is held against every rule of LL-HLS and LL-DASH that a client can see (conform.mjs, rules.mjs); and so is a
# broken origin for each of the rules (spoil.mjs), to show that they are seen. Rules of time are left to `make conform`.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg node curl
here=$(dirname "$0")
export GEX_SLACK_MS=15000

udp=$(free_port udp)
port=$(free_port tcp)
url=http://127.0.0.1:$port/live/index.m3u8

ready() {
	curl -sf -o /dev/null "$url"
}

spawn -r packager "$BUILD/gex-package" -i "udp://127.0.0.1:$udp" -l "http://127.0.0.1:$port"
wait_ready packager
spawn encoder ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=192x108:r=30 \
	-re -f lavfi -i sine=r=48000 -c:v libx264 -preset ultrafast -tune zerolatency -g 30 -keyint_min 30 -sc_threshold 0 \
	-b:v 200k -c:a aac -b:a 64k -f mpegts -muxdelay 0 -flush_packets 1 "udp://127.0.0.1:$udp?pkt_size=1316"
retry 60 ready || fail "no playlist"

node "$here/conform.mjs" --seconds 8 "$url" >"$TMP/good" || {
	cat "$TMP/good"
	fail "$(grep -c '^broken' "$TMP/good") rules are broken"
}
grep -Eq ' segments=[1-9].* broken=0' "$TMP/good" || fail "nothing was seen: $(cat "$TMP/good")"
echo "ok - none is broken: $(tail -n 1 "$TMP/good")"

spawn spoil node "$here/spoil.mjs" "http://127.0.0.1:$port" "$TMP/port"
retry 20 test -e "$TMP/port" || fail "no broken origin"
spoilt=http://127.0.0.1:$(cat "$TMP/port")

# see FAULT...: all at once; each has to be seen as what it is.
see() {
	local f urls=()
	for f; do urls+=("$spoilt/$f/live/index.m3u8"); done
	node "$here/conform.mjs" --names --seconds 5 "${urls[@]}" >"$TMP/names" 2>&1 || true
	for f; do
		grep -Eq "/$f/live/index.m3u8 (.* )?$f( |\$)" "$TMP/names" ||
			fail "the fault $f is not seen: $(grep "/$f/" "$TMP/names" || tail -n 3 "$TMP/names")"
	done
}

mapfile -t faults < <(node "$here/spoil.mjs" --list)
for ((i = 0; i < ${#faults[@]}; i += 23)); do
	see "${faults[@]:i:23}"
done
echo "ok - ${#faults[@]} faults are seen, each as what it is"
