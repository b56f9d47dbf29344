#!/bin/bash
# timeout: 3000
# Each fuzzer for a few seconds (FUZZ_SECONDS), from its seed corpus. `make fuzz SECONDS=600` runs them for longer.
#
# tests/fuzz/corpus/NAME holds the seeds of fuzz_NAME: files as they are, or *.hex, hexadecimal digits with comments from #.
. "$(dirname "$0")/../lib.sh"

SECONDS_EACH=${FUZZ_SECONDS:-3}
shopt -s nullglob
programs=(tests/fuzz/fuzz_*.c)
[ "${#programs[@]}" -gt 0 ] || fail "no fuzzers"

# seeds NAME: copies the corpus to the scratch folder, hex turned into bytes.
seeds() {
	local f out=$TMP/corpus/$1
	mkdir -p "$out"
	for f in tests/fuzz/corpus/"$1"/*; do
		case $f in
		*.hex) sed 's/#.*//' "$f" | tr -d ' \t\n' | sed 's/../\\x&/g' | xargs -0 printf '%b' >"$out/${f##*/}" ;;
		*) cp "$f" "$out/" ;;
		esac
	done
}

fuzz() {
	local name=$1
	"build/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$SECONDS_EACH" -timeout=120 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$TMP/$name-" "$TMP/corpus/$name" >"$TMP/$name.out" 2>&1 || {
		tail -n 30 "$TMP/$name.out"
		return 1
	}
}

for source in "${programs[@]}"; do
	name=${source##*/fuzz_} name=${name%.c}
	[ -x "build/fuzz/tests/fuzz/fuzz_$name" ] || fail "fuzz_$name has not been built: make fuzz-programs"
	seeds "$name"
	step "fuzz_$name" fuzz "$name"
	at_least "fuzz_$name: inputs run, the seeds and more" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' "$TMP/$name.out")" "$(find "$TMP/corpus/$name" -type f | wc -l)"
done
