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

# A test may be slow where the machine is busy (lib.sh): its limits are patient ones, its own is one for hangs.
mapfile -t tests < <(find tests/browser tests/cli tests/llhls tests/media tests/net -name '*.sh')
in_a_hurry() {
	grep -nE '(^|[^-_a-z])timeout (-k [0-9]+ )?[0-9]+ ' "$@"
	grep -nE '^# timeout: *[0-9]{1,3}$' "$@"
}
found=$(in_a_hurry "${tests[@]}" || true)
[ -z "$found" ] || fail "patiently instead, and no less than 1000 s: $found"
echo "ok - nothing is in a hurry"
