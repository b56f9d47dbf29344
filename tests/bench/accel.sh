#!/bin/bash
# timeout: 3600
# The accelerator beside its peers: one table, one line a figure, what it must reach and whether it does.
#
#   tests/bench/accel.sh [-r ROW,...] [-l LINK,...] [-p PEER,...] [-n RUNS]
#
# Rows:  line bulk fetch tcp-echo udp-echo mixed fair queue loopback rtt failover resume idle connects flows
# Links: L1 ... L5, see accel/bed.sh.   Peers: gex bbr cubic haproxy kcptun.
# -n: so many runs of each measurement, of which the median is printed (1).
# BENCH_FIRST=1: all of this goes before what else the machine does, by the scheduler's real-time class.
# A figure that falls short is said so and ends nothing; the exit status is 1 only where one could not be measured.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../net/netlib.sh"
. "$(dirname "$0")/accel/table.sh"
. "$(dirname "$0")/accel/bed.sh"
. "$(dirname "$0")/accel/peers.sh"

ALL_ROWS=(line bulk fetch tcp-echo udp-echo mixed fair queue loopback rtt failover resume idle connects flows)
RUNS=1
LINKS=(L1 L2 L3 L4 L5)
PEERS=(gex bbr cubic haproxy kcptun)
ROWS=("${ALL_ROWS[@]}")

usage() {
	sed -n '/^#   tests/,/^# -n/s/^# *//p' "$0" >&2
	exit 64
}

while getopts r:l:p:n: opt; do
	case $opt in
	r) IFS=, read -ra ROWS <<<"$OPTARG" ;;
	l) IFS=, read -ra LINKS <<<"$OPTARG" ;;
	p) IFS=, read -ra PEERS <<<"$OPTARG" ;;
	n) RUNS=$OPTARG ;;
	*) usage ;;
	esac
done
[ "$OPTIND" -gt $# ] || usage
[[ $RUNS =~ ^[1-9][0-9]*$ ]] || usage
for row in "${ROWS[@]}"; do
	[[ " ${ALL_ROWS[*]} " == *" $row "* ]] || usage
	# shellcheck source=/dev/null
	. "$(dirname "$0")/accel/$row.sh"
done

need haproxy kcptun-client kcptun-server iperf3
[ -z "${BENCH_FIRST-}" ] || chrt -r -p 1 $$
bed_up
table_head
for row in "${ROWS[@]}"; do
	"row_${row//-/_}"
	table_row_end "$row"
done
table_foot
