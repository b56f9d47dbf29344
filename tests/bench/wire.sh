# shellcheck shell=bash
# wire.sh: a server and its clients as if they were two machines. Source it after lib.sh and netlib.sh.
#
# On loopback a send runs the receiver's half of TCP too, and wakes him, before it returns: the players' machines are on the
# account of the server's core, and the server's on theirs. No network does so. Here each side has a namespace, and a veth
# pair joins them, whose ends have what a network card has: packets of 1500 bytes on the wire, segmented and merged by the card
# (TSO, GRO), and a queue with NAPI, whose thread stands for the interrupt: on its own side's core, before everything else there,
# WIRE_GATHER_NS after what it took before, as a card gathers what it interrupts for (ethtool -c rx-usecs).
#
# So the server's core has: the server; its system calls, TCP and IP down to the device; and all that the players send,
# requests and acknowledgements, from the card's queue on. The players' core has the same of theirs. A driver's work with
# descriptors is not there; a timer and a thread's wakeup for each gathering are, which a card does by itself.
# TCP is that of a kernel as it comes: CUBIC, whatever this machine is set to (BBR without sch_fq paces each connection by
# a timer of its own).
#
#   wire_up SERVER_CORE CLIENT_CORE     joins them: in_b, the server's side, is 10.77.0.2; in_a, the clients', 10.77.0.1 and all
#                                       of 10.78.0.0/16, for clients that are many
#   wire_busy CORE                      how busy it has been so far, in hundredths of a second, by whomever

WIRE_GATHER_NS=50000

# card_ NAMESPACE DEVICE CORE
card_() {
	local thread
	ip -n "$1" link set "$2" up
	ip -n "$1" link set "$2" mtu 65535
	ip netns exec "$1" ethtool -K "$2" gro on tso off
	ip netns exec "$1" sh -c "cd /sys/class/net/$2 && echo $WIRE_GATHER_NS >gro_flush_timeout && echo 2 >napi_defer_hard_irqs &&
		echo 1 >threaded" || skip "no NAPI threads here"
	thread=$(grep -l "^napi/$2-" /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3 || true)
	[ -n "$thread" ] || skip "no NAPI thread for $2"
	taskset -p -c "$3" "$thread" >/dev/null
	chrt -f -p 2 "$thread"
}

wire_up() {
	need ethtool taskset chrt
	net_up
	ip link add "wa$$" netns "$NET_A" type veth peer name "wb$$" netns "$NET_B"
	ip -n "$NET_A" address add 10.77.0.1/24 dev "wa$$"
	ip -n "$NET_B" address add 10.77.0.2/24 dev "wb$$"
	card_ "$NET_A" "wa$$" "$2"
	card_ "$NET_B" "wb$$" "$1"
	ip -n "$NET_A" route replace 10.77.0.0/24 dev "wa$$" congctl cubic
	ip -n "$NET_A" route add local 10.78.0.0/16 dev lo
	ip -n "$NET_B" route replace 10.77.0.0/24 dev "wb$$" congctl cubic
	ip -n "$NET_B" route add 10.78.0.0/16 via 10.77.0.1 congctl cubic
}

wire_busy() {
	awk -v cpu="cpu$1" '$1 == cpu { print $2 + $3 + $4 + $7 + $8 }' /proc/stat
}
