#!/bin/bash
# Formatting, by clang-format with the tree's own rules; and the size of files and lines that nobody wants to read.
. "$(dirname "$0")/../lib.sh"

formatter=$(command -v clang-format-14 || command -v clang-format) || skip "needs clang-format"

mapfile -t sources < <(find lib cmd tests -name '*.[ch]' | sort)
[ "${#sources[@]}" -gt 20 ] || fail "only ${#sources[@]} sources found"
step "clang-format of ${#sources[@]} sources" "$formatter" -n -Werror "${sources[@]}"

no_long_files() {
	! wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 800 { print; f = 1 } END { exit !f }'
}
step "no source over 800 lines" no_long_files

nothing_left_undone() {
	! grep -nwE 'TODO|FIXME|XXX' "${sources[@]}"
}
step "nothing marked as left undone" nothing_left_undone
