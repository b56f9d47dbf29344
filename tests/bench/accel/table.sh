# shellcheck shell=bash
# table.sh: collects figures and prints the lines of the table.
#
#   got KEY PEER VALUE            one measurement; `-` where there is none
#   figure NAME LINK '<= 110' UNIT KEY   the line: the median of each peer, and gex's verdict
#   plain NAME LINK UNIT KEY      the same for what nothing is asked of

declare -A GOT=()
MISSING=0 SHORT=0 MET=0 IDLE=0 IDLE_WAS=0 ALL_WAS=0

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
	elif has none "${values[@]}"; then
		echo none
	else
		median "${values[@]}" | awk '{ printf(($1 >= 1000 ? "%.0f" : ($1 < 10 ? "%.2f" : "%.1f")), $1) }'
	fi
}

# verdict_ VALUE MUST: ok or SHORT; MUST is `<= 10`, `>= 10` or `10..20`.
verdict_() {
	awk -v v="$1" -v must="$2" 'BEGIN {
		if (split(must, m, "[.][.]") == 2)
			ok = (v + 0 >= m[1] + 0 && v + 0 <= m[2] + 0)
		else if (split(must, m, " ") && m[1] == "<=")
			ok = (v + 0 <= m[2] + 0)
		else
			ok = (v + 0 >= m[2] + 0)
		print(v != "none" && ok ? "ok" : "SHORT") }'
}

# The share of the cores that nobody used since it was asked last, in percent.
idle_percent_() {
	local _ user nice system idle wait rest all
	read -r _ user nice system idle wait rest </proc/stat
	all=$((user + nice + system + idle + wait + ${rest// /+}))
	idle=$((idle + wait))
	IDLE=$((100 * (idle - IDLE_WAS) / (all - ALL_WAS + 1)))
	IDLE_WAS=$idle ALL_WAS=$all
}

table_head() {
	local peer
	idle_percent_
	printf '%-26s %-4s %-6s %9s' figure link unit must
	for peer in "${PEERS[@]}"; do printf ' %7s' "$peer"; done
	printf '  verdict\n'
}

# line_ NAME LINK MUST UNIT KEY
line_() {
	local name=$1 link=$2 must=$3 unit=$4 key=$5 peer v word=
	printf '%-26s %-4s %-6s %9s' "$name" "$link" "$unit" "$must"
	for peer in "${PEERS[@]}"; do
		v=$(middle_ "$key" "$peer")
		printf ' %7s' "${v/#./}"
		[ "$v" != - ] || MISSING=$((MISSING + 1))
		[ "$peer" = gex ] && [ -n "$must" ] || continue
		case $v in -) word=missing ;; .) ;; *) word=$(verdict_ "$v" "$must") ;; esac
	done
	case $word in ok) MET=$((MET + 1)) ;; SHORT) SHORT=$((SHORT + 1)) ;; esac
	printf '  %s\n' "$word"
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

# Between two rows: how much of the machine was left over meanwhile.
table_row_end() {
	idle_percent_
	[ "$IDLE" -ge 20 ] || echo "  ($1: only $IDLE % of the cores were idle)"
}

table_foot() {
	echo "$MET reached, $SHORT short, $MISSING could not be measured; each the median of $RUNS, in ${SECONDS} s"
	[ "$MISSING" = 0 ] || exit 1
}
