#!/bin/bash
# The manual pages: well-formed, and true about every flag and INI key that the tools have.
. "$(dirname "$0")/../lib.sh"
need mandoc
read -ra TOOLS <<<"$(sed -n 's/^TOOLS *:= //p' Makefile)"

clean() {
	mandoc -Tlint -Wwarning man/*.[157]
}

# mdoc without its markup, one word a line.
words() {
	mandoc -Tascii -O width=200 "$@" | sed 's/.\x08//g' | tr -s ' \t' '\n'
}

# Every long flag of --help is in the tool's page.
flags_told() {
	local tool=$1 flag bad=0
	words "man/$tool.1" >"$TMP/words"
	for flag in $("$BUILD/$tool" --help | grep -oE -- '--[a-z][a-z-]+'); do
		grep -qE -- "^[[(]?${flag}[],.;:)]*$" "$TMP/words" || { echo "$tool.1: no $flag"; bad=1; }
	done
	return $bad
}

# Every key of --keys is in the tool's page or in gex.ini(5), and its section too.
keys_told() {
	local tool=$1 key section bad=0
	words "man/$tool.1" man/gex.ini.5 >"$TMP/words"
	while IFS=$'\t' read -r key _; do
		section=${key%%.*} key=${key##*.}
		section=${section%% *}
		grep -qE "^[\"']?${key}[],.;:)\"']*$" "$TMP/words" || { echo "$tool: key $key is in no page"; bad=1; }
		grep -qE "^\[${section}[] ]?" "$TMP/words" || { echo "$tool: section [$section] is in no page"; bad=1; }
	done < <("$BUILD/$tool" --keys)
	return $bad
}

step "mdoc is well-formed" clean
for tool in "${TOOLS[@]}"; do
	step "$tool: flags" flags_told "$tool"
	step "$tool: keys" keys_told "$tool"
done
for page in man/*.[157]; do
	[ "${page##*/}" = "$(sed -n 's/^\.Dt \([^ ]*\) \([0-9]\).*/\1.\2/p' "$page" | tr '[:upper:]' '[:lower:]')" ] ||
		fail "$page: its .Dt names another page"
done
