#!/bin/bash
# What comes from outside opens nothing: playlists, lists of files and references in MOV under a name that ends in .ts, which
# point to a FIFO and to a port of this machine. Whoever opened one of them would be seen there.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ffmpeg ffprobe perl curl

# The bait: an open of the FIFO, or a call of the port, ends its process.
mkfifo "$TMP/bait.ts"
spawn fifo dd if=/dev/null of="$TMP/bait.ts" status=none
port=$(free_port)
spawn port ffmpeg -nostdin -v error -f data -i "tcp://127.0.0.1:$port?listen=1" -map 0 -f null -
wait_bound tcp "$port"
untouched() {
	alive fifo && alive port
}

# One file of each kind, with every way to say it.
printf '#EXTM3U\n#EXT-X-TARGETDURATION:3\n' >"$TMP/m3u8.ts"
printf 'ffconcat version 1.0\n' >"$TMP/ffconcat.ts"
printf '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">' >"$TMP/mpd.ts"
printf 'v=0\nc=IN IP4 127.0.0.1\nm=video %s RTP/AVP 33\n' "$port" >"$TMP/sdp.ts"
for to in "$TMP/bait.ts" "file:$TMP/bait.ts" "http://127.0.0.1:$port/x.ts" "concat:$TMP/bait.ts" \
	"subfile,,start,0,end,100,,:$TMP/bait.ts" "crypto:$TMP/bait.ts" "tcp://127.0.0.1:$port" "async:file:$TMP/bait.ts"; do
	printf '#EXT-X-KEY:METHOD=AES-128,URI="%s"\n#EXTINF:3,\n%s\n' "$to" "$to" >>"$TMP/m3u8.ts"
	printf "file '%s'\n" "$to" >>"$TMP/ffconcat.ts"
	printf '<BaseURL>%s</BaseURL>' "$to" >>"$TMP/mpd.ts"
done
echo '#EXT-X-ENDLIST' >>"$TMP/m3u8.ts"
echo '</MPD>' >>"$TMP/mpd.ts"
for kind in m3u8 ffconcat mpd sdp; do
	refuse "$kind" 65 "$BUILD/gex-transcode" -i "$TMP/$kind.ts" -r 144p -o "$TMP/never.nut"
	grep -q 'not a media stream' "$TMP/refused" || fail "$(cat "$TMP/refused")"
	[ "$(wc -l <"$TMP/refused")" = 1 ] || fail "not one line: $(cat "$TMP/refused")"
done
refuse "gex-record: m3u8" 65 "$BUILD/gex-record" -i "$TMP/m3u8.ts" -d "$TMP/dvr"
refuse "gex-restream: ffconcat" 65 "$BUILD/gex-restream" -i "$TMP/ffconcat.ts" -o "srt://127.0.0.1:$port"
step "neither was the FIFO opened nor the port called" untouched

# MOV: the data of each track is said to be in another file (QuickTime File Format, "Data Reference Atoms": an alias with an
# absolute path).
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x90:r=25 -t 2 -c:v libx264 -g 25 -bf 0 -movflags frag_keyframe+empty_moov \
	-f mov "$TMP/plain.mov"
BAIT=$TMP/bait.ts perl -0777 -pe '
	my $p = $ENV{BAIT};
	my $alias = pack("x10 C a27 x12 C a63 x16 n n x16 n n a* n n", 1, "/", 7, "bait.ts", 1, 1, 2, length $p,
		$p . (length($p) % 2 ? "\0" : ""), 0xffff, 0);
	my $entry = pack("N a4 N", 12 + length $alias, "alis", 0) . $alias;
	my $at = index($_, "url \0\0\0\1") - 4;
	die "no data reference" if $at < 0;
	substr($_, $at, 12, $entry);
	for my $box ("moov", "trak", "mdia", "minf", "dinf", "dref") {
		my $i = index($_, $box) - 4;
		substr($_, $i, 4, pack("N", unpack("N", substr($_, $i, 4)) + length($entry) - 12));
	}' "$TMP/plain.mov" >"$TMP/mov.ts"
grep -aq "alis.*bait.ts" "$TMP/mov.ts" || fail "the alias is not there"
"$BUILD/gex-transcode" -i "$TMP/mov.ts" -r 144p -o "$TMP/mov.nut" >"$TMP/mov.log" 2>&1 || true
step "nor for MOV" untouched

# What the process is confined by is told once, and can be turned off.
mport=$(free_port)
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x90:r=25 -t 2 -c:v libx264 -g 25 "$TMP/in.ts"
# told NUMBER OPTION...: so many lines of the log are about the sandbox; the metric says the same.
told() {
	local want=$1
	shift
	spawn -r tool "$BUILD/gex-transcode" -v -i "$TMP/in.ts?realtime=1&loop=1" -r 144p -o "$TMP/told.nut" \
		-m "127.0.0.1:$mport" "$@"
	wait_ready tool
	curl -sf --max-time 20 "http://127.0.0.1:$mport/metrics" | sed -n 's/^gex_transcode_sandbox //p' >"$TMP/abi"
	stop tool
	[ "$(grep -c 'andlock' "$TMP/tool.log")" = "$want" ]
}
step "it is told" told 1
at_least "Landlock" "$(cat "$TMP/abi")" 0
step "and turned off" told 0 -S process.sandbox=no
step "is none then" test "$(cat "$TMP/abi")" = 0
