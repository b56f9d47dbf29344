#!/bin/bash
# Shell scripts, by shellcheck.
. "$(dirname "$0")/../lib.sh"
need shellcheck

all_scripts() {
	grep -rlE --include='*' '^#!(/bin/|/usr/bin/env )(ba)?sh' tests examples .ci
	find tests examples -name '*.sh' ! -perm -u+x
}

mapfile -t scripts < <(all_scripts | sort -u)
[ "${#scripts[@]}" -gt 5 ] || fail "only ${#scripts[@]} scripts found"
step "shellcheck of ${#scripts[@]} scripts" shellcheck -x -P SCRIPTDIR -S warning -e SC1091,SC2034,SC2178,SC2128 "${scripts[@]}"
