#!/bin/bash
# Keys of several listeners: names in the log and in the metrics, services for each, wrong ones, taken away ones.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

hex() {
	openssl rand -hex 32
}
# keys FILE LINE...: a key file that only we can read.
keys() {
	local file=$1
	shift
	(umask 077 && printf '%s\n' "$@" >"$file")
}
SEOUL=$(hex) TOKYO=$(hex)
keys "$TMP/key" "# who may come" "seoul $SEOUL web  gone" "tokyo $TOKYO"
keys "$TMP/seoul" "seoul $SEOUL"
keys "$TMP/tokyo" "tokyo $TOKYO"
keys "$TMP/paris" "paris $(hex)"
keys "$TMP/false" "seoul $(hex)"

T=$(free_port both)
M=$(free_port)
B=$(free_port)
spawn -r back "$PEER" serve echo 127.0.0.1 "$B"
wait_ready back
endpoint endpoint "$T" -b "web=tcp:127.0.0.1:$B" -b "game=tcp:127.0.0.1:$B" -m "127.0.0.1:$M"
wait_log endpoint 'key seoul may use service "gone", which is not here'

# from NAME KEYFILE ARGS...: a listener with that key.
from() {
	local name=$1 file=$2
	shift 2
	spawn -r "$name" "$BUILD/gex-listen" -e "127.0.0.1:$T" -k "$file" "$@"
	wait_ready "$name"
}
read -r SW SG TG <<<"$(free_port) $(free_port) $(free_port)"
from seoul "$TMP/seoul" -l "tcp:127.0.0.1:$SW=web" -l "tcp:127.0.0.1:$SG=game"
from tokyo "$TMP/tokyo" -l "tcp:127.0.0.1:$TG=game"
wait_log endpoint 'key seoul: up'
wait_log endpoint 'key tokyo: up'

step "a key with a list may use what is in it" works "$SW"
refuse "and nothing else" 1 works "$SG"
wait_log endpoint 'key seoul: the key may not use service "game"'
step "a key without a list may use all" works "$TG"
at_least "tunnels by key" "$(metric "$M" 'gex_endpoint_key_tunnels{key="seoul"}')" 1
at_least "opened by key" "$(metric "$M" 'gex_endpoint_key_opened_total{key="tokyo"}')" 2
at_least "denied by key" "$(metric "$M" 'gex_endpoint_key_denied_total{key="seoul"}')" 1

# Wrong keys: who it was is in the log.
from paris "$TMP/paris" -l tcp:127.0.0.1:0=web
wait_log endpoint '127.0.0.1:[0-9]+, key paris: wrong key, there is none of that name here'
wait_log paris 'key refused'
stop paris
from false "$TMP/false" -l tcp:127.0.0.1:0=web
wait_log endpoint '127.0.0.1:[0-9]+, key seoul: wrong key, the one of that name here is another' 12
stop false
# A listener with two keys: the second when the first is refused.
keys "$TMP/two" "old $(hex)" "tokyo $TOKYO"
from two "$TMP/two" -l tcp:127.0.0.1:0=web
wait_log two 'key refused by .*; the next one of the file is tried'
wait_log two 'up after'
stop two
refuse "no key appears in a log" 1 grep -qE "$SEOUL|$TOKYO" "$TMP"/*.log

# Noise at the door, and a key that goes: its tunnels end, the other's do not notice.
for i in $(seq 300); do
	printf '\x16\xfe\xff\0\0\0\0\0\0\0\0\0\4\1junk%d' "$i" >"/dev/udp/127.0.0.1/$T"
	head -c 60 /dev/urandom >"/dev/udp/127.0.0.1/$T"
done
keys "$TMP/key" "tokyo $TOKYO"
kill -HUP "${PID[endpoint]}"
wait_log endpoint 'key seoul: ends, as its key was taken away'
wait_log seoul 'closed by the endpoint: the key was taken away'
wait_log endpoint 'key seoul: wrong key, there is none'
step "the other key's tunnel is untouched" works "$TG"
at_most "times that tokyo came up" "$(grep -c 'key tokyo.*: up' "$TMP/endpoint.log")" 2
at_most "seoul's tunnels" "$(metric "$M" 'gex_endpoint_key_tunnels{key="seoul"}')" 0
# It comes back when its key does.
keys "$TMP/key" "tokyo $TOKYO" "seoul $SEOUL"
kill -HUP "${PID[endpoint]}"
wait_log seoul 'up after.*' 10
step "a key that is back is good again" retry 10 works "$SG"
stop seoul
stop tokyo
stop endpoint
