#!/bin/bash
# The laws of lib/README.md that the eye would miss: who may include whom.
. "$(dirname "$0")/../lib.sh"

# The order is the Makefile's.
read -ra MODULES <<<"$(sed -n 's/^MODULES := //p' Makefile)"
[ "${#MODULES[@]}" -gt 10 ] || fail "no MODULES in the Makefile"

# A module includes only itself and those before it.
modules_in_order() {
	local allowed='' m bad=0 line
	for m in "${MODULES[@]}"; do
		allowed="$allowed|$m"
		while IFS= read -r line; do
			echo "$line: $m may not include that"
			bad=1
		done < <(grep -rnE '^#include "[a-z]+/' "lib/$m" 2>/dev/null | grep -vE "\"(${allowed#|})/")
	done
	return $bad
}

modules_listed() {
	local d bad=0
	for d in lib/*/; do
		d=$(basename "$d")
		[[ " ${MODULES[*]} " == *" $d "* ]] || { echo "lib/$d is not in MODULES"; bad=1; }
		grep -q "^| $d |" lib/README.md || { echo "lib/$d has no line in lib/README.md"; bad=1; }
		[ -f "lib/$d/$d.h" ] || { echo "lib/$d/$d.h is missing"; bad=1; }
	done
	return $bad
}

# only PATTERN FOLDER...: nobody else includes such a header.
only() {
	local pattern=$1 line bad=0 f
	shift
	while IFS= read -r line; do
		for f; do
			case $line in "$f"/*) continue 2 ;; esac
		done
		echo "$line: only $* may include that"
		bad=1
	done < <(grep -rnE "^#include <$pattern" lib cmd)
	return $bad
}

# No tool reaches into another.
tools_apart() {
	! grep -rnE '^#include "\.\./' cmd lib
}

# Pure modules read no clock and open nothing.
pure() {
	! grep -nE '\b(clock_gettime|gettimeofday|os_(mono|utc)_us|socket|fopen|open|uv_[a-z]+) *\(' \
		lib/{base,buf,metrics,net,fan,tunnel}/*.c lib/cmaf/{hls,dash}*.c lib/http/parse*.c
}

step "each module has its header and its line in lib/README.md" modules_listed
step "modules include only those before them" modules_in_order
step "libinih only in conf" only 'ini\.h' lib/conf
step "OpenSSL only in crypt" only 'openssl/' lib/crypt
step "libisal only in tunnel" only 'isa-l' lib/tunnel
step "FFmpeg, zimg and FreeType only in media" only '(libav|libsw|zimg|ft2build)' lib/media
step "libsrt only in srtsock" only 'srt/' lib/srtsock
step "nghttp2 and compression only in http" only '(nghttp2/|libdeflate|brotli/|zlib)' lib/http
step "libuv only where sockets live" only 'uv\.h' lib/loop lib/carrier lib/stream lib/http
step "tools do not include each other" tools_apart
step "pure modules are pure" pure
