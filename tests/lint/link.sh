#!/bin/bash
# What the binaries are linked to: one flavour of libsrt a process (two of them crash at exit), and FFmpeg only in
# the live tools.
. "$(dirname "$0")/../lib.sh"
need ldd
read -ra TOOLS <<<"$(sed -n 's/^TOOLS *:= //p' Makefile)"

srt_flavours() {
	ldd "$BUILD/$1" | grep -oE 'libsrt[a-z-]*\.so' | sort -u
}

for tool in "${TOOLS[@]}"; do
	at_most "$tool: flavours of libsrt" "$(srt_flavours "$tool" | grep -c . || true)" 1
	! srt_flavours "$tool" | grep -qv gnutls || fail "$tool: not the GnuTLS flavour of libsrt"
done
for tool in gex-listen gex-endpoint; do
	! ldd "$BUILD/$tool" | grep -q libav || fail "$tool is linked to FFmpeg"
done
