#!/bin/bash
# What all six tools have in common: help, version, exit statuses, one-line errors.
. "$(dirname "$0")/../lib.sh"
read -ra TOOLS <<<"$(sed -n 's/^TOOLS *:= //p' Makefile)"

# one_line PATTERN: what `refuse` caught is a single line that matches.
one_line() {
	[ "$(grep -vc '^Try ' "$TMP/refused")" = 1 ] || fail "not one line: $(cat "$TMP/refused")"
	grep -qE -- "$1" "$TMP/refused" || fail "no $1 in: $(cat "$TMP/refused")"
}

printf '[tunnel]\nkey_file = k\nnonsense\n' >"$TMP/damaged.ini"
head -c 3000 /dev/urandom >"$TMP/random.ini"
printf '# a comment\n\n[nosuch]\nkey = 1\n' >"$TMP/section.ini"

for tool in "${TOOLS[@]}"; do
	bin=$BUILD/$tool
	step "$tool --help" "$bin" --help >"$TMP/help"
	grep -q "^usage: $tool" "$TMP/help" || fail "$tool --help has no usage line"
	[ "$("$bin" -V)" = "$tool $(sed -n 's/^VERSION := //p' Makefile)" ] || fail "$tool -V says $("$bin" -V)"
	step "$tool --keys" "$bin" --keys >"$TMP/keys"
	grep -qE $'^[a-z]+( \\*)?\\.[a-z_]+\t' "$TMP/keys" || fail "$tool --keys lists no key"

	refuse "$tool: unknown flag" 64 "$bin" --no-such-flag
	refuse "$tool: stray operand" 64 "$bin" stray
	one_line '^'"$tool"': error: unexpected argument: stray$'
	refuse "$tool: nothing given" 64 "$bin"
	one_line "^$tool: error: "
	refuse "$tool: override of no key" 64 "$bin" -S nosuch.key=1
	one_line '\[nosuch\]'

	refuse "$tool: no such file" 78 "$bin" -c "$TMP/none.ini"
	one_line "none.ini: No such file or directory$"
	refuse "$tool: a folder as file" 78 "$bin" -c "$TMP"
	refuse "$tool: unknown section" 78 "$bin" -c "$TMP/section.ini"
	one_line 'section.ini:3: unknown section \[nosuch\]$'
	refuse "$tool: damaged file" 78 "$bin" -c "$TMP/damaged.ini"
	one_line 'damaged.ini:[123]: '
	refuse "$tool: binary file" 78 "$bin" -c "$TMP/random.ini"
	one_line 'random.ini:[0-9]+: '
done
