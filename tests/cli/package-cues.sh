#!/bin/bash
# Cues and ID3 of a source's MPEG-TS, through gex-transcode to gex-package: date ranges in every media playlist, told once and
# ended by their way back in; messages in the chunks of video, at the same instants; and both as others read them.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg ffprobe node

port=$(free_port tcp)
url=http://127.0.0.1:$port/live
mkfifo "$TMP/clean" "$TMP/cued"
spawn encoder ffmpeg -hide_banner -nostdin -loglevel warning -y -re -f lavfi -i testsrc2=s=160x90:r=30 -re -f lavfi -i sine=r=48000 \
	-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -c:a aac -f mpegts -muxdelay 0 -flush_packets 1 "$TMP/clean"
spawn cues bash -c 'exec "$0" <"$1" >"$2"' "$BUILD/tests/media/cue-source" "$TMP/clean" "$TMP/cued"
spawn -r transcoder "$BUILD/gex-transcode" -S process.sandbox=no -i "$TMP/cued" -r 90p=160x90@30,100k,preset=ultrafast -o "unix:$TMP/live.sock"
wait_ready transcoder
spawn -r packager "$BUILD/gex-package" -i "unix:$TMP/live.sock" -l "http://127.0.0.1:$port" -m 127.0.0.1:0 -v \
	-S package.dvr="$TMP/dvr"
wait_ready packager

get() {
	curl -sf -o "$TMP/$2" "$url/$1"
}
ended() {
	get 90p/index.m3u8 list && grep -q 'ID="1.*SCTE35-IN=' "$TMP/list" && get audio/index.m3u8 sound
}
retry 30 ended || fail "no range that has ended: $(cat "$TMP/list")"
range=$(grep 'ID="1.*SCTE35-IN=' "$TMP/list" | head -n 1)
id=$(sed 's/.*ID="\([^"]*\)".*/\1/' <<<"$range")
step "how long it was, and was to be" grep -q ',DURATION=1.500,PLANNED-DURATION=1.500,SCTE35-OUT=0xFC30.*,SCTE35-IN=0xFC30' <<<"$range"
step "it is told once, though the cue came twice" test "$(grep -c "ID=\"$id\"" "$TMP/list")" = 1
told_of_sound() {
	get audio/index.m3u8 sound && grep -qxF "$range" "$TMP/sound"
}
step "and the same in the playlist of sound" retry 5 told_of_sound
programme() {
	get 90p/index.m3u8 list && grep -Eq 'ID="2[0-9]*-10-.*,SCTE35-CMD=0xFC30' "$TMP/list"
}
step "a programme that begins" retry 15 programme
get manifest.mpd mpd
step "the MPD announces cues" grep -q '<InbandEventStream schemeIdUri="urn:scte:scte35:2013:bin" value=""/>' "$TMP/mpd"
step "and ID3, once each" test "$(grep '<InbandEventStream' "$TMP/mpd" | sort | uniq -c | grep -c ' 1 .*\(scte35\|ID3\)')" = 2

# The messages of all segments listed, beside the ranges; both have the same sections for the same instants.
cat >"$TMP/check.mjs" <<'END'
import fs from 'node:fs';
const [url, id] = process.argv.slice(2);
const fetched = async (path) => Buffer.from(await (await fetch(`${url}/90p/${path}`)).arrayBuffer());
const list = (await fetched('index.m3u8')).toString();
const cues = [], tags = new Map();
for (const [name] of list.matchAll(/^\d+\.m4s$/gm)) {
	const b = await fetched(name);
	for (let at = 0; at < b.length; at += b.readUInt32BE(at)) {
		if (b.toString('latin1', at + 4, at + 8) !== 'emsg')
			continue;
		const m = b.subarray(at, at + b.readUInt32BE(at)), end = m.indexOf(0, 32);
		const scheme = m.toString('latin1', 32, end), data = m.subarray(m.indexOf(0, end + 1) + 1);
		const time = Number(m.readBigUInt64BE(16)) / m.readUInt32BE(12);
		if (scheme === 'urn:scte:scte35:2013:bin')
			cues.push({ time, hex: data.toString('hex').toUpperCase() });
		else if (scheme === 'https://aomedia.org/emsg/ID3' && data.toString('latin1').startsWith('ID3') && data.includes('mark'))
			tags.set(m.readUInt32BE(28), time);
		else
			throw Error(`a message of ${scheme}`);
	}
}
const range = list.split('\n').find((l) => l.includes(`ID="${id}"`));
const start = Date.parse(/START-DATE="([^"]*)"/.exec(range)[1]) / 1000, out = /OUT=0x([0-9A-F]*)/.exec(range)[1];
const same = cues.filter((c) => c.hex === out);
if (!same.length || same.some((c) => Math.abs(c.time - start) > 0.0011))
	throw Error(`${out} at ${start}, messages ${JSON.stringify(cues)}`);
const times = [...tags.values()].sort((a, b) => a - b);
const steps = times.slice(1).map((t, i) => t - times[i]);
if (times.length < 4 || steps.some((s) => Math.abs(s - 0.5) > 0.1))
	throw Error(`ID3 at ${times}`);
console.log(`${same.length} messages of one cue, ${times.length} tags`);
END
step "messages and ranges agree" patiently 20 node "$TMP/check.mjs" "$url" "$id"

# media: a whole segment that has messages, behind its init segment.
media() {
	local n
	for n in $(grep -Eo '^[0-9]+\.m4s' "$TMP/list"); do
		get "90p/$n" segment && grep -q emsg "$TMP/segment" && break
	done
	get "90p/$(sed -n 's/.*MAP:URI="\([^"]*\)".*/\1/p' "$TMP/list" | tail -n 1)" init && cat "$TMP/init" "$TMP/segment" >"$TMP/one.mp4"
}
step "a segment with messages" media
step "ffmpeg decodes it without a word" test -z "$(ffmpeg -nostdin -v error -i "$TMP/one.mp4" -f null - 2>&1)"

# old: the first range is longer ago than a delta update reaches.
old() {
	get '90p/index.m3u8?_HLS_skip=YES' v1 && get '90p/index.m3u8?_HLS_skip=v2' v2 && get 90p/index.m3u8 list &&
		grep -q SKIPPED-SEGMENTS "$TMP/v2" && grep -q "ID=\"$id\"" "$TMP/v1" && ! grep -q "ID=\"$id\"" "$TMP/v2"
}
step "old ranges are left out of updates of the second version" retry 15 old
step "which name those that went" grep -q '^#EXT-X-SKIP:SKIPPED-SEGMENTS=[0-9]*,RECENTLY-REMOVED-DATERANGES="[^"]*"$' "$TMP/v2"
step "as was offered" grep -q 'CAN-SKIP-UNTIL=6,CAN-SKIP-DATERANGES=YES' "$TMP/list"
metrics=$(sed -n 's|.*\(http://[^ ]*/metrics\).*|\1|p' "$TMP/packager.log")
curl -sf -o "$TMP/metrics" "$metrics"
at_least "cues and tags" "$(sed -n 's/^gex_package_beside_packets_total.* //p' "$TMP/metrics")" 10

# ---- the past ----
kept() {
	get 90p/dvr.m3u8 past && grep -qxF "$range" "$TMP/past"
}
step "the past has the range, as live players were told of it" retry 10 kept
start=$(date -d "$(sed 's/.*START-DATE="\([^"]*\)".*/\1/' <<<"$range")" +%s.%N)
# span NAME FROM TO: the playlist from and to so many seconds after the range's beginning.
span() {
	get "90p/dvr.m3u8?$(awk -v s="$start" -v a="$2" -v b="$3" 'BEGIN { printf "from=%.3f&to=%.3f", s + a, s + b }')" "$1"
}
span touching 0.2 2
step "a span that it lies in has it" grep -qxF "$range" "$TMP/touching"
kill9 packager
get 90p/dvr.m3u8 gone && fail "it is still there"
spawn -r packager "$BUILD/gex-package" -i "unix:$TMP/nothing.sock" -l "http://127.0.0.1:$port" -S package.dvr="$TMP/dvr"
wait_ready packager
step "after kill -9 too" retry 10 kept
span before -3 -1.2
step "a span before it has not" test "$(grep -cF "ID=\"$id\"" "$TMP/before")" = 0
