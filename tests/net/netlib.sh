# shellcheck shell=bash
# netlib.sh: the network test bed for shell tests. Source it after lib.sh.
#
# Two namespaces, joined by the userspace link of wan-link.c. `a` is the region of the users, `b` the core region
# of the backends. They have no way out, so ports in them may be fixed. All of it goes when the test ends.
#
#   net_up                                  makes the namespaces; skips the test where that is not allowed
#   link_up --delay 50ms --loss 1%          joins them: a is 10.77.0.1 and fd77::1, b is 10.77.0.2 and fd77::2
#   spawn -r server in_b "$BUILD/gex-endpoint" ...    the pid of spawn is the program's own
#   in_a curl http://10.77.0.2:8080/
#   link_outage on; ...; link_outage off; link_set --loss 5%; link_stat a_dropped_loss
#
# Up to 9 more links join the same two namespaces: link_up -n 1 ... has 10.77.1.1 and 10.77.1.2, fd77:0:0:1::1
# and so on; the other commands take -n too. Delay, loss and rate are those of one direction: a round trip of
# 100 ms is --delay 50ms. Queue: 100 ms of the rate unless --queue says otherwise.

NET_A=gexA-${GEX_TEST_ID:-$$}
NET_B=gexB-${GEX_TEST_ID:-$$}

# in_a, in_b COMMAND...: runs a program in that namespace.
in_a() {
	${EXEC-} ip netns exec "$NET_A" "$@"
}

in_b() {
	${EXEC-} ip netns exec "$NET_B" "$@"
}

net_up() {
	local ns out
	need ip
	[ "$(id -u)" = 0 ] || skip "network namespaces need root"
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	at_exit net_down
	for ns in "$NET_A" "$NET_B"; do
		out=$(ip netns add "$ns" 2>&1) || skip "no network namespaces: ${out##*$'\n'}"
		out=$(ip -n "$ns" link set lo up 2>&1) || skip "no loopback in a namespace: $out"
		out=$(ip netns exec "$ns" true 2>&1) || skip "can't enter a namespace: $out"
		ip netns exec "$ns" sh -c 'cd /proc/sys/net
			# Only what a test sends shall be on the link: no router solicitation or multicast report.
			echo 1 >ipv6/conf/default/addr_gen_mode
			echo 0 >ipv6/conf/default/accept_ra
			# A kernel TCP shall fill the link, and not remember the last one.
			echo "4096 131072 67108864" >ipv4/tcp_rmem
			echo "4096 131072 67108864" >ipv4/tcp_wmem
			echo 1 >ipv4/tcp_no_metrics_save' 2>/dev/null || true
	done
	# The limits of socket buffers belong to the machine: said, and not changed.
	[ "$(cat /proc/sys/net/core/rmem_max)" -ge 4000000 ] ||
		echo "note: net.core.rmem_max is $(cat /proc/sys/net/core/rmem_max), figures may suffer"
}

# Takes -n N off the arguments: sets LINK to N and ARGS to the rest.
link_args_() {
	LINK=0
	[ "${1-}" != -n ] || { LINK=$2 && shift 2; }
	ARGS=("$@")
}

link_up() {
	local dev ns host
	link_args_ "$@"
	dev=wan$LINK
	spawn -r "link$LINK" "$BUILD/tests/net/wan-link" --netns-a "$NET_A" --netns-b "$NET_B" \
		--dev "$dev" --control "$TMP/$dev.control" --stats "$TMP/$dev.stats" "${ARGS[@]}"
	if ! retry 5 link_answers_ "$LINK" || ! alive "link$LINK"; then
		wait_exit "link$LINK" 5
		[ "$STATUS" != 77 ] || skip "$(sed -n 's/^SKIP: *//p' "$TMP/link$LINK.log")"
		cat "$TMP/link$LINK.log" >&2
		fail "the link did not start"
	fi
	for host in 1 2; do
		ns=$NET_A
		[ $host = 1 ] || ns=$NET_B
		ip -n "$ns" address add "10.77.$LINK.$host/24" dev "$dev"
		ip -n "$ns" address add "fd77:0:0:$LINK::$host/64" dev "$dev" nodad 2>/dev/null || true
		ip -n "$ns" link set "$dev" up
	done
}

link_answers_() {
	[ -s "$TMP/link$1.ready" ] || gone "link$1"
}

# link_down: takes the link away; link_up may follow.
link_down() {
	link_args_ "$@"
	stop "link$LINK" 5
	rm -f "$TMP/wan$LINK.control" "$TMP/wan$LINK.stats"
}

# Writes a line to the link's control FIFO. Opened for reading too, so that it never waits for a reader.
link_tell_() {
	alive "link$1" || fail "link $1 is not running"
	echo "$2" 1<>"$TMP/wan$1.control"
}

# Has the link write its statistics to $TMP/wanN.stats. What was told before has been done then.
link_stats_() {
	local file=$TMP/wan$1.stats
	rm -f "$file"
	link_tell_ "$1" stats
	retry 5 test -e "$file" || fail "link $1 gives no statistics"
	grep -qx 'bad_controls=0' "$file" || fail "link $1 was told something wrong: ${2-}"
}

# link_set [-n N] OPTIONS: changes the running link; the options that are not named stay.
link_set() {
	link_args_ "$@"
	link_tell_ "$LINK" "${ARGS[*]}"
	link_stats_ "$LINK" "${ARGS[*]}"
}

# link_outage [-n N] on|off: in an outage nothing enters the link; what is on its way arrives.
link_outage() {
	link_args_ "$@"
	link_set -n "$LINK" --cut "${ARGS[0]}"
}

# link_stat [-n N] KEY: one of the counters of wan-link, as of now.
link_stat() {
	link_args_ "$@"
	link_stats_ "$LINK"
	sed -n "s/^${ARGS[0]}=//p" "$TMP/wan$LINK.stats"
}

# link_reset [-n N]: the counters start again at zero.
# shellcheck disable=SC2120
link_reset() {
	link_args_ "$@"
	link_tell_ "$LINK" reset
	link_stats_ "$LINK"
}

# Takes everything away; processes in the namespaces must have ended (finish_ of lib.sh sees to that).
net_down() {
	local ns
	for ns in "$NET_A" "$NET_B"; do
		[ ! -e "/run/netns/$ns" ] || ip netns del "$ns"
	done
}
