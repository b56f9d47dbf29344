# shellcheck shell=bash
# lib.sh: what every shell test stands on. Source it first: . "$(dirname "$0")/../lib.sh"
#
# $BUILD   where the binaries are (absolute)      $TMP   the scratch directory of this test
#
# A command that fails ends the test (set -e), and so does an unset variable. Waiting is polling with a limit,
# never a sleep of a fixed length. What spawn started is ended by pid when the test ends, in reverse order.
#
# Limits (of retry, wait_..., stop, patiently) are seconds of a quiet machine; PATIENCE times as long is waited, so that
# no test fails where the cores have other work. What is asserted has to be so at any speed; how fast it was is a
# `figure`.

set -eEuo pipefail

BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
export BUILD
if [ -n "${GEX_TMP-}" ]; then
	TMP=$GEX_TMP
else
	mkdir -p "$BUILD/tmp"
	TMP=$(mktemp -d "$BUILD/tmp/${0##*/}.XXXXXX")
fi

PATIENCE=${GEX_PATIENCE:-8}

# Where fail speaks: retry and step may have turned standard error away.
exec {ERR_FD}>&2

declare -A PID=()   # name -> pid of what spawn started and nobody has ended
declare -a ORDER=() # those names in the order of their start
declare -a AT_EXIT=()
declare -a CRASHED=()
# shellcheck disable=SC2034 # for the test
STATUS=0 # exit status of the process that stop, kill9 or wait_exit last saw end

# ---- verdicts ----

# fail TEXT: ends the test as failed. The tails of the processes' logs come first and the verdict last: people, and
# machines that keep the end of a long account only, see the end.
fail() {
	local name
	trap - ERR
	exec 2>&"$ERR_FD"
	for name in "${ORDER[@]}"; do
		echo "---- $name: $TMP/$name.log" >&2
		tail -n 15 "$TMP/$name.log" | sed 's/^/| /' >&2 || true
	done
	echo "FAIL: $*" >&2
	exit 1
}

# skip REASON: ends the test as skipped.
skip() {
	echo "SKIP: $*"
	exit 77
}

# need COMMAND...: skips the test where one of them is not installed.
need() {
	local c
	for c; do command -v "$c" >/dev/null || skip "needs $c"; done
}

# step TEXT COMMAND...: runs the command; it has to succeed.
step() {
	local text=$1
	shift
	"$@" || {
		local rc=$? what="$*"
		fail "$text: \`${what:0:200}\` gave $rc"
	}
	echo "ok - $text"
}

# refuse TEXT STATUS COMMAND...: the command has to end with that exit status; its output is in $TMP/refused.
refuse() {
	local text=$1 want=$2 got=0
	shift 2
	"$@" >"$TMP/refused" 2>&1 </dev/null || got=$?
	[ "$got" = "$want" ] || fail "$text: status $got, not $want: $(tail -n 3 "$TMP/refused")"
	echo "ok - $text"
}

# at_least TEXT VALUE MIN, at_most TEXT VALUE MAX: compare numbers, fractions too, and print them.
at_least() {
	awk -v v="$2" -v m="$3" 'BEGIN { exit !(v == v + 0 && v >= m) }' || fail "$1: $2, at least $3 wanted"
	echo "ok - $1: $2 (>= $3)"
}

at_most() {
	awk -v v="$2" -v m="$3" 'BEGIN { exit !(v == v + 0 && v <= m) }' || fail "$1: $2, at most $3 wanted"
	echo "ok - $1: $2 (<= $3)"
}

# figure TEXT VALUE at_least|at_most NUMBER: speed, delay, loss in real time: what depends on the machine and on what else
# it does. Prints the figure and what is required of it. Only with GEX_FIGURES=1, as on a quiet machine (make
# bench-figures), does the test fail when it falls short.
figure() {
	local sign='>='
	[ "$3" = at_least ] || sign='<='
	if awk -v v="$2" -v o="$sign" -v m="$4" 'BEGIN { exit !(v == v + 0 && (o == ">=" ? v >= m : v <= m)) }'; then
		echo "figure: $1: $2 ($sign $4)"
	elif [ -n "${GEX_FIGURES-}" ]; then
		fail "$1: ${2:-nothing}, $3 $4 wanted"
	else
		echo "figure: $1: ${2:-nothing}, SHORT of $sign $4"
	fi
}

# same_file A B: byte for byte.
same_file() {
	cmp -- "$1" "$2" >&2 || fail "$1 and $2 differ"
	echo "ok - ${1##*/} and ${2##*/} are the same, $(stat -c %s "$1") bytes"
}

# median NUMBER...: the middle one, or the mean of the middle two.
median() {
	printf '%s\n' "$@" | sort -n | awk '{ a[NR] = $1 } END {
		if (!NR) exit 1
		print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}

# ---- time ----

# Milliseconds of the wall clock.
now_ms() {
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# retry SECONDS COMMAND...: until it succeeds; false when the time is up. Its output is kept back.
retry() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * PATIENCE * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# patiently SECONDS [in_a|in_b] COMMAND...: runs a program, which is ended (status 124) when the time is up.
patiently() {
	local limit=$(($1 * PATIENCE)) where=()
	shift
	case $1 in in_*) where=("$1") && shift ;; esac
	"${where[@]}" timeout -k 5 "$limit" "$@"
}

# ---- processes ----

# spawn [-r] [-i FILE] [-o FILE] NAME COMMAND...: starts it in the background, its output in $TMP/NAME.log
# (that of earlier ones of the same name in $TMP/NAME.old.log).
# -i, -o: standard input and output from and to a file or FIFO. -r: gives it `--ready-fd N` for wait_ready.
# COMMAND may be a function that starts its program with $EXEC (as in_a does), so that the pid is the program's.
spawn() {
	local ready='' in=/dev/null out='' opt OPTIND=1
	while getopts ri:o: opt; do
		case $opt in
		r) ready=1 ;;
		i) in=$OPTARG ;;
		o) out=$OPTARG ;;
		*) fail "spawn: bad option" ;;
		esac
	done
	shift $((OPTIND - 1))
	local name=$1
	shift
	[ -z "${PID[$name]-}" ] || fail "spawn $name: there is one already"
	rm -f "$TMP/$name.ready"
	# A second life begins with an empty log, or wait_log would find the lines of the first.
	[ ! -e "$TMP/$name.log" ] || cat "$TMP/$name.log" >>"$TMP/$name.old.log"
	: >"$TMP/$name.log"
	(
		trap - ERR EXIT INT TERM
		exec {ERR_FD}>&-
		exec 2>>"$TMP/$name.log" <"$in" >"${out:-/dev/fd/2}"
		[ -z "$ready" ] || { exec {ready}>"$TMP/$name.ready" && set -- "$@" --ready-fd "$ready"; }
		# shellcheck disable=SC2034 # for functions like in_a
		EXEC="exec"
		case $(type -t "$1") in
		function) "$@" ;;
		*) exec "$@" ;;
		esac
	) &
	PID[$name]=$!
	ORDER+=("$name")
}

# alive NAME: does it still run?
alive() {
	local pid=${PID[$1]-}
	[ -n "$pid" ] && [[ " $(jobs -pr | tr '\n' ' ') " == *" $pid "* ]]
}

gone() {
	! alive "$1"
}

# Takes the ended process out of the books; its exit status goes to STATUS.
# shellcheck disable=SC2034
forget_() {
	local i
	STATUS=0
	wait "${PID[$1]}" 2>/dev/null || STATUS=$?
	case $STATUS in 132 | 134 | 135 | 136 | 139) CRASHED+=("$1 by signal $((STATUS - 128))") ;; esac
	unset "PID[$1]"
	for i in "${!ORDER[@]}"; do
		[ "${ORDER[i]}" != "$1" ] || unset "ORDER[i]"
	done
}

# wait_exit NAME SECONDS: waits until it has ended by itself, and sets STATUS.
wait_exit() {
	retry "$2" gone "$1" || fail "$1 has not ended in $(($2 * PATIENCE)) s"
	forget_ "$1"
}

# stop NAME [SECONDS]: TERM, a bounded wait (of 10 s), then KILL. Sets STATUS; false when it had to be killed.
stop() {
	local ok=0
	[ -n "${PID[$1]-}" ] || fail "stop $1: not started"
	! alive "$1" || kill "${PID[$1]}" 2>/dev/null || true
	if ! retry "${2:-10}" gone "$1"; then
		echo "$1 did not end on SIGTERM" >&2
		kill -KILL "${PID[$1]}" 2>/dev/null || true
		ok=1
	fi
	forget_ "$1"
	return $ok
}

# kill9 NAME: KILL, and waits until it is gone.
kill9() {
	[ -n "${PID[$1]-}" ] || fail "kill9 $1: not started"
	! alive "$1" || kill -KILL "${PID[$1]}" 2>/dev/null || true
	forget_ "$1"
}

# wait_ready NAME [SECONDS]: until it has written its newline to the descriptor that `spawn -r` gave it.
wait_ready() {
	local end=$((${EPOCHREALTIME/[.,]/} + ${2:-10} * PATIENCE * 1000000))
	until [ -s "$TMP/$1.ready" ]; do
		alive "$1" || fail "$1 ended before it was ready"
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || fail "$1 is not ready after $((${2:-10} * PATIENCE)) s"
		sleep 0.02
	done
}

# wait_log NAME REGEX [SECONDS]: until a line of its log matches (grep -E).
wait_log() {
	local end=$((${EPOCHREALTIME/[.,]/} + ${3:-10} * PATIENCE * 1000000)) last=
	until grep -Eq -- "$2" "$TMP/$1.log" 2>/dev/null; do
		# One more look after its end: the line may have been its last.
		[ -z "$last" ] || fail "$1 ended without a line like $2"
		alive "$1" || last=1
		[ "${EPOCHREALTIME/[.,]/}" -lt "$end" ] || fail "$1 wrote no line like $2 in $((${3:-10} * PATIENCE)) s"
		sleep 0.05
	done
}

# at_exit COMMAND: run (eval) when the test ends, after the processes have been ended; last in, first out.
at_exit() {
	AT_EXIT=("$1" "${AT_EXIT[@]}")
}

# A crash or a sanitizer report fails the test, whether it looked or not.
crashes_() {
	local i ok=0 report="(ERROR|WARNING): [A-Za-z]+Sanitizer|: runtime error: "
	for i in "${CRASHED[@]}"; do
		echo "FAIL: crashed: $i" >&2
		ok=1
	done
	for i in "$TMP"/*.log; do
		grep -Eq -- "$report" "$i" 2>/dev/null || continue
		echo "FAIL: a sanitizer speaks in $i" >&2
		grep -E -A 25 -- "$report" "$i" | head -n 60 >&2
		ok=1
	done
	return $ok
}

finish_() {
	local status=$? i names=("${ORDER[@]}") PATIENCE=2
	trap '' INT TERM
	trap - ERR EXIT
	set +e
	exec 1>&"$ERR_FD" 2>&1
	for ((i = ${#names[@]} - 1; i >= 0; i--)); do
		stop "${names[i]}" 5
	done
	for i in "${AT_EXIT[@]}"; do eval "$i"; done
	crashes_ || case $status in 0 | 77) status=1 ;; esac
	[ -n "${GEX_TMP-}" ] || [ "$status" != 0 ] || rm -rf "$TMP"
	exit "$status"
}
trap finish_ EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'fail "${BASH_SOURCE[0]##*/}:$LINENO: \`$BASH_COMMAND\` gave $?"' ERR

# ---- ports ----

# free_port [tcp|udp|both]: a port that the kernel has just chosen; see free-port.c on its race.
free_port() {
	"$BUILD/tests/net/free-port" "${1:-tcp}"
}

# wait_port [in_a|in_b] HOST PORT [SECONDS]: until a TCP connection to it succeeds. It makes a real connection.
wait_port() {
	local where=()
	case $1 in in_*) where=("$1") && shift ;; esac
	# shellcheck disable=SC2016
	retry "${3:-10}" "${where[@]}" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" ||
		fail "nothing answers at $1 port $2"
}

# wait_bound [in_a|in_b] tcp|udp PORT [SECONDS]: until a socket listens (tcp) or is bound (udp) there.
# Touches nothing, so use it where a connection would be taken for a client.
wait_bound() {
	local ns=''
	case $1 in in_*) ns=$1 && shift ;; esac
	retry "${3:-10}" bound_ "$ns" "$1" "$2" || fail "nobody has taken $1 port $2"
}

bound_() {
	local state=07 hex
	[ "$2" != tcp ] || state=0A
	hex=$(printf '%04X' "$3")
	$1 cat "/proc/net/$2" "/proc/net/${2}6" 2>/dev/null |
		awk -v p=":$hex" -v s=$state 'substr($2, length($2) - 4) == p && $4 == s { f = 1 }
			END { exit !f }'
}
