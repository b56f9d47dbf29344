#!/bin/bash
# timeout: 3600
# The accelerator beside its peers: one table, one line a figure, what it must reach and whether it does.
#
#   tests/bench/accel.sh [-r ROW,...] [-l LINK,...] [-p PEER,...] [-n RUNS]
#
# Rows:  bulk fetch tcp-echo udp-echo
# Links: L1 ... L5, see links_ in accel/bed.sh.   Peers: gex bbr cubic haproxy kcptun.
# -n: so many runs of each measurement, of which the median is printed (1).
# A figure that falls short is said so and ends nothing; the exit status is 1 only where one could not be measured.
# `load` is how many threads wanted a core meanwhile: where it is far above what the row itself uses, look again.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../net/netlib.sh"
. "$(dirname "$0")/accel/table.sh"
. "$(dirname "$0")/accel/bed.sh"
. "$(dirname "$0")/accel/peers.sh"

ALL_ROWS=(bulk fetch tcp-echo udp-echo)
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

bed_up
table_head
for row in "${ROWS[@]}"; do
	"row_${row//-/_}"
done
table_foot
