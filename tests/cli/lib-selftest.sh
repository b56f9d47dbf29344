#!/bin/bash
# The test ground tests itself: spawn, stop, retry, assertions, and what tests/run says of bad tests.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# ---- processes ----
spawn one sleep 100
step "a spawned process runs" alive one
step "stop ends it" stop one
step "its status is that of SIGTERM" test "$STATUS" = 143
step "and it is gone" gone one

# shellcheck disable=SC2016
spawn stubborn bash -c 'trap "" TERM; echo up; while :; do sleep 0.1; done'
wait_log stubborn '^up$' 5
rc=0
PATIENCE=1 stop stubborn 1 || rc=$?
step "a process that ignores TERM is killed, and that is told" test "$rc $STATUS" = "1 137"

spawn quick sh -c 'exit 7'
wait_exit quick 5
step "the exit status of a process is known" test "$STATUS" = 7

printf 'some text\n' >"$TMP/in"
spawn -i "$TMP/in" -o "$TMP/out" copy cat
wait_exit copy 5
same_file "$TMP/in" "$TMP/out"

# A tool with --ready-fd N, as a script: the option and its value come last.
# shellcheck disable=SC2016
printf '#!/bin/bash\n[ "$1" = --ready-fd ] && echo >&"$2" && exec sleep 100\n' >"$TMP/tool"
chmod +x "$TMP/tool"
spawn -r tool "$TMP/tool"
wait_ready tool 5
step "kill9" kill9 tool
step "its status is that of SIGKILL" test "$STATUS" = 137

# ---- numbers and ports ----
step "median of three" test "$(median 9 1 5)" = 5
step "median of four" test "$(median 4 1 3 2)" = 2.5
at_least "a fraction" 1.5 1.25
at_most "a negative number" -3 -2.5
port=$(free_port udp)
at_least "a port" "$port" 1024
rc=0
PATIENCE=1 retry 1 false || rc=$?
step "retry gives up" test $rc = 1

# ---- verdicts, in tests of their own ----
# verdict NAME WANTED-STATUS WANTED-TEXT: runs the script on standard input by tests/run.
verdict() {
	local rc=0
	{
		echo '#!/bin/bash'
		echo ". '$PWD/tests/lib.sh'"
		cat
	} >"$TMP/$1.sh"
	chmod +x "$TMP/$1.sh"
	mkdir -p "$TMP/build/tests"
	ln -sfn "$BUILD/tests/net" "$TMP/build/tests/net"
	GEX_FIGURES='' BUILD=$TMP/build tests/run "$TMP/$1.sh" >"$TMP/$1.verdict" 2>&1 || rc=$?
	grep -Eq -- "$3" "$TMP/$1.verdict" || fail "$1: no \`$3\` in: $(cat "$TMP/$1.verdict")"
	[ "$rc" = "$2" ] || fail "$1: tests/run gave $rc"
	echo "ok - verdict: $1"
}

verdict passes 0 '^1 passed, 0 failed, 0 skipped$' <<<'step "true" true'
verdict fails 1 '^not ok fails: .* status 1$' <<<'fail "on purpose"'
verdict unseen-failure 1 'FAIL: .*false. gave 1' <<<'false'
verdict fails-in-retry 1 "FAIL: heard" <<<'f() { fail heard; }; retry 1 f'
verdict skips 1 '^skip skips: no such thing$' <<<'skip "no such thing"'
verdict misses-figure 1 'FAIL: figure: 1, at least 2 wanted' <<<'at_least figure 1 2'
verdict not-a-number 1 'FAIL: figure: ' <<<'at_least figure "" 2'
verdict short-figure 0 '^1 passed' <<<'figure speed 1 at_least 2; figure delay "" at_most 2'
verdict good-figure 0 '^1 passed' <<<'GEX_FIGURES=1; figure speed 2.5 at_least 2; figure delay 1.5 at_most 2'
verdict bad-figure 1 'FAIL: speed: 1, at_least 2 wanted' <<<'GEX_FIGURES=1; figure speed 1 at_least 2'
verdict no-figure 1 'FAIL: delay: nothing, at_most 2 wanted' <<<'GEX_FIGURES=1; figure delay "" at_most 2'
grep -qx 'figure: speed: 1, SHORT of >= 2' "$TMP/build/log/short-figure.log" || fail "a figure that is short is not told"
verdict impatient 1 'FAIL: too long: .* gave 124' <<<'PATIENCE=1; step "too long" patiently 1 sleep 98761'
verdict crashes 1 "FAIL: crashed: boom by signal 11" <<<'spawn boom bash -c "kill -SEGV \$\$"; wait_exit boom 5'
verdict sanitizer 1 "FAIL: a sanitizer speaks" <<<'spawn s echo "x.c:1:2: runtime error: overflow"; wait_exit s 5'
verdict leaves-process 1 'LEFT: pid [0-9]+: sleep 98765' <<<'sleep 98765 &'
verdict leaves-daemon 1 'LEFT: pid [0-9]+: sleep 98764' <<<'env -i setsid -f sleep 98764'
verdict leaves-file 1 "LEFT: file ./left-by-selftest" <<<"touch left-by-selftest"
rm -f left-by-selftest
if [ "$(id -u)" = 0 ] && ip netns list >/dev/null 2>&1; then
	# shellcheck disable=SC2016
	verdict leaves-namespace 1 "(LEFT: network namespace|SKIP)" <<<'ip netns add "gexA-$GEX_TEST_ID" || skip "not allowed"'
fi
verdict out-of-time 1 'out of time' <<<'# timeout: 1
spawn s sleep 98763; sleep 98762'
for s in 98765 98764 98763 98762 98761; do
	rc=0
	pgrep -xf "sleep $s" >/dev/null || rc=$?
	step "no sleep $s is left" test $rc = 1
done

# What the runner shows of a failure ends with the verdict, whatever the processes have logged and however much.
verdict wordy 1 '^FAILED wordy, status 1: FAIL: the third step$' <<'EOF'
spawn wordy bash -c 'for i in {1..60}; do echo "ok - word $i"; done'
wait_exit wordy 5
for i in 1 2 3; do spawn "wordy$i" bash -c 'for i in {1..60}; do echo "ok - word $i"; done; exec sleep 100'; done
for i in 1 2 3; do wait_log "wordy$i" "word 60"; done
step "the first step" true
echo "note: a remark"
fail "the third step"
EOF
printf '%s\n' "  > ok - the first step" "  > note: a remark" "  > FAIL: the third step" \
	"FAILED wordy, status 1: FAIL: the third step" "0 passed, 1 failed, 0 skipped" >"$TMP/wanted"
tail -n 5 "$TMP/wordy.verdict" | diff "$TMP/wanted" - || fail "the account does not end with the verdict"
echo "ok - the account ends with the verdict"
step "and has the tails of the logs" grep -q '| ok - word 60' "$TMP/wordy.verdict"

# ---- a group beside, in folders where nothing has run yet ----
for d in here beside; do
	mkdir -p "$TMP/$d/tests"
	ln -sfn "$BUILD/tests/net" "$TMP/$d/tests/net"
done
rc=0
BUILD=$TMP/here tests/run "$TMP/passes.sh" "@$TMP/beside" "$TMP/passes.sh" "$TMP/fails.sh" >"$TMP/beside.verdict" 2>&1 || rc=$?
step "what ran beside is counted" test "$rc $(tail -n 1 "$TMP/beside.verdict")" = "1 2 passed, 1 failed, 0 skipped"
step "and named at the end" test "$(tail -n 2 "$TMP/beside.verdict" | head -n 1)" = "FAILED fails@beside, status 1: FAIL: on purpose"
