#!/bin/bash
# A backend that gets more connections a minute than there are ports: those that wait out their minute are used again.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

# A namespace of our own, with few ports and no help from the kernel.
if [ -z "${IN_NETNS:-}" ]; then
	unshare -rn true 2>/dev/null || skip "needs network namespaces"
	IN_NETNS=1 exec unshare -rn "$0" "$@"
fi
ip link set lo up || skip "needs ip(8)"
sysctl -qw net.ipv4.tcp_tw_reuse=0 || skip "cannot set tcp_tw_reuse"

new_key "$TMP/key"
spawn -r echo "$PEER" serve echo 127.0.0.1 2001
wait_ready echo
endpoint endpoint 2002 -b echo=tcp:127.0.0.1:2001
listener listen 2002 -l tcp::2003=echo

# Towards the backend, where gex-endpoint closes first, 20 ports; clients have as many towards each address.
sysctl -qw net.ipv4.ip_local_port_range="40000 40019"
for i in 2 3 4 5 6; do
	step "10 connections to 127.0.0.$i" patiently 20 "$PEER" many "127.0.0.$i" 2003 10 100
done
