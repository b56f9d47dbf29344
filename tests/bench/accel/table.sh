# shellcheck shell=bash
# table.sh: collects figures and prints the lines of the table.
#
#   got KEY PEER VALUE            one measurement; `-` where there is none
#   figure NAME LINK '<= 110' UNIT KEY   the line: the median of each peer, and gex's verdict
#   plain NAME LINK UNIT KEY      the same for what nothing is asked of

declare -A GOT=()
MISSING=0 SHORT=0 MET=0

has() {
	local want=$1 i
	shift
	for i; do [ "$i" != "$want" ] || return 0; done
	return 1
}

got() {
	GOT["$1/$2"]+=" $3"
}

# value NAME FILE: of a `name=value` line, or `-`.
value() {
	local v
	v=$(sed -n "s/^$1=//p" "$2" 2>/dev/null | tail -n 1)
	echo "${v:--}"
}

# The median of what has been got; `-` where a run has none.
middle_() {
	local values
	read -ra values <<<"${GOT["$1/$2"]-}"
	if [ ${#values[@]} = 0 ]; then
		echo .
	elif has - "${values[@]}"; then
		echo -
	else
		median "${values[@]}" | awk '{ printf(($1 >= 1000 ? "%.0f" : ($1 < 10 ? "%.2f" : "%.1f")), $1) }'
	fi
}

# verdict VALUE '<= 10': ok or SHORT.
verdict_() {
	awk -v v="$1" -v must="$2" 'BEGIN {
		split(must, m, " ")
		if (m[1] == "<=") ok = (v <= m[2]); else ok = (v >= m[2])
		print(ok ? "ok" : "SHORT") }'
}

table_head() {
	local peer
	printf '%-30s %-4s %-7s %9s' figure link unit must
	for peer in "${PEERS[@]}"; do printf ' %8s' "$peer"; done
	printf ' %6s  %s\n' load verdict
}

# line_ NAME LINK MUST UNIT KEY
line_() {
	local name=$1 link=$2 must=$3 unit=$4 key=$5 peer v word=
	printf '%-30s %-4s %-7s %9s' "$name" "$link" "$unit" "$must"
	for peer in "${PEERS[@]}"; do
		v=$(middle_ "$key" "$peer")
		printf ' %8s' "$v"
		case $v in -) MISSING=$((MISSING + 1)) ;; esac
		[ "$peer" = gex ] && [ -n "$must" ] || continue
		word=missing
		case $v in -) ;; .) word= ;; *) word=$(verdict_ "$v" "$must") ;; esac
	done
	case $word in ok) MET=$((MET + 1)) ;; SHORT) SHORT=$((SHORT + 1)) ;; esac
	printf ' %6s  %s\n' "$(cut -d' ' -f1 /proc/loadavg)" "$word"
}

figure() {
	line_ "$@"
}

plain() {
	line_ "$1" "$2" '' "$3" "$4"
}

note() {
	echo "  $*"
}

table_foot() {
	echo "$MET reached, $SHORT short, $MISSING could not be measured; medians of $RUNS"
	[ "$MISSING" = 0 ] || exit 1
}
