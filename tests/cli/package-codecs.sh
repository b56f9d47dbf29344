#!/bin/bash
# gex-package takes every codec that gex-transcode makes: init segments and segments as ffprobe reads them, codecs told apart in
# the playlists and the MPD; encrypted by cbcs, ffmpeg decrypts each to the same pictures.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl ffmpeg ffprobe openssl

port=$(free_port tcp)
url=http://127.0.0.1:$port/live
udp=$(free_port udp)

# libx265 3.5 does not give back all it has at its end; the file that says so is read behind the sandbox.
echo 'leak:libx265' >"$TMP/suppressions"
export LSAN_OPTIONS=suppressions=$TMP/suppressions:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}

rung() {
	echo -r "$1=160x90@10,100k,codec=$1,preset=ultrafast"
}
spawn source ffmpeg -hide_banner -nostdin -loglevel warning -re -f lavfi -i testsrc2=s=160x90:r=10 -re -f lavfi -i sine=r=48000 \
	-c:v libx264 -preset ultrafast -tune zerolatency -g 10 -c:a aac -f mpegts -muxdelay 0 -flush_packets 1 \
	"udp://127.0.0.1:$udp?pkt_size=1316"
# shellcheck disable=SC2046
spawn -r transcoder "$BUILD/gex-transcode" -S process.sandbox=no -i "udp://127.0.0.1:$udp" $(rung h264) $(rung hevc) $(rung vp9) $(rung av1) \
	-S audio.codec=opus -o "unix:$TMP/live.sock"
wait_ready transcoder
key=$(openssl rand -hex 16)
echo "$(openssl rand -hex 16):$key" >"$TMP/keys"
chmod 600 "$TMP/keys"
cat >"$TMP/package.ini" <<END
[stream live]
input = unix:$TMP/live.sock
[stream secret]
input = unix:$TMP/live.sock
encryption = cbcs
encryption_keys = $TMP/keys
END
spawn -r packager "$BUILD/gex-package" -c "$TMP/package.ini" -S "http.listen=http://127.0.0.1:$port"
wait_ready packager
ready() {
	curl -sf -o "$TMP/index" "$url/index.m3u8"
}
retry 30 ready || fail "no playlist"

# told NAME CODEC: the multivariant playlist has a variant of NAME with exactly this codec, and Opus beside it.
told() {
	grep -B 1 "^$1/" "$TMP/index" | grep -Eq "CODECS=\"$2,opus\".*AUDIO=\"audio\"" || fail "$1: $(cat "$TMP/index")"
	echo "ok - $1 is told to be $2"
}
told h264 'avc1\.[0-9a-f]{6}'
told hevc 'hvc1\.1\.6\.L30\.90'
told vp9 'vp09\.00\.10\.08'
told av1 'av01\.0\.00M\.08'
step "four sets of video, of sound one" test "$(curl -sf "$url/manifest.mpd" | tee "$TMP/mpd" | grep -c '<AdaptationSet.*"video"')" = 4
step "as players may change between them" grep -q 'adaptation-set-switching:2016" value="0,1,3"' "$TMP/mpd"

# media NAME: its newest whole segment behind its init segment.
media() {
	local list init n
	list=$(curl -sf "$url/$1/index.m3u8")
	init=$(sed -n 's/.*MAP:URI="\([^"]*\)".*/\1/p' <<<"$list" | tail -n 1)
	n=$(grep -Eo '^[0-9]+\.m4s' <<<"$list" | tail -n 1)
	curl -sf "$url/$1/$init" "$url/$1/$n" >"$TMP/$1.mp4"
}

# read NAME CODEC TAG FRAMES: it is what it says, a second of it, begins with a key frame and can be decoded without a word.
read_back() {
	media "$1" || fail "$1: no segment"
	ffprobe -v error -count_packets -show_entries stream=codec_name,codec_tag_string,nb_read_packets -of csv=p=0 "$TMP/$1.mp4" >"$TMP/got" 2>&1
	grep -Eqx "$2,$3,$4" "$TMP/got" || fail "$1: $(cat "$TMP/got")"
	ffprobe -v error -read_intervals '%+#1' -show_entries packet=flags -of csv=p=0 "$TMP/$1.mp4" | grep -q K || fail "$1 begins without a key frame"
	[ -z "$(ffmpeg -nostdin -v error -i "$TMP/$1.mp4" -f null - 2>&1)" ] || fail "$1 cannot be decoded"
	echo "ok - $1: $(cat "$TMP/got")"
}
read_back h264 h264 avc1 10
read_back hevc hevc hvc1 10
read_back vp9 vp9 vp09 10
read_back av1 av1 av01 10
read_back audio opus Opus '(49|50|51)'

# One file with a picture of one codec and sound of another.
patiently 20 curl -sSfN "$url/live.mp4?rendition=vp9" 2>"$TMP/both.log" | head -c 40000 >"$TMP/both.mp4" || true
ffprobe -v error -show_entries stream=codec_name -of csv=p=0 "$TMP/both.mp4" >"$TMP/both" 2>>"$TMP/both.log" ||
	fail "live.mp4, $(stat -c %s "$TMP/both.mp4") bytes: $(tail -n 3 "$TMP/both.log")"
step "live.mp4 has both" test "$(paste -sd ' ' "$TMP/both")" = "vp9 opus"

# ---- encrypted ----
# got FILE STREAM NAME N: segment N behind its init segment.
got() {
	local init
	init=$(curl -sf "http://127.0.0.1:$port/$2/$3/index.m3u8" | sed -n 's/.*MAP:URI="\([^"]*\)".*/\1/p' | tail -n 1)
	curl -sf "http://127.0.0.1:$port/$2/$3/$init" "http://127.0.0.1:$port/$2/$3/$4.m4s" >"$1"
}
# shows FILE OPTION...: what is in it, a sum a frame.
shows() {
	ffmpeg -nostdin -v error -xerror "${@:2}" -i pipe:0 -map 0 -f framemd5 pipe:1 <"$1" | sed '/^#/d'
}
opened() {
	local n
	n=$(curl -sf "http://127.0.0.1:$port/secret/$1/index.m3u8" | grep -Eo '^[0-9]+\.m4s' | tail -n 1 | cut -d. -f1)
	got "$TMP/clear.mp4" live "$1" "$n" && got "$TMP/secret.mp4" secret "$1" "$n" || return 1
	shows "$TMP/clear.mp4" >"$TMP/want" || return 1
	! shows "$TMP/secret.mp4" >"$TMP/locked" 2>/dev/null || ! cmp -s "$TMP/locked" "$TMP/want" || return 1
	shows "$TMP/secret.mp4" -decryption_key "$key" >"$TMP/opened" && [ -s "$TMP/want" ] && cmp -s "$TMP/opened" "$TMP/want"
}
for name in h264 hevc vp9 av1 audio; do
	retry 10 opened $name || fail "$name by cbcs: $(cat "$TMP/opened" "$TMP/want")"
	echo "ok - $name by cbcs is opened by its key, and shows the same $(wc -l <"$TMP/want") frames"
done
