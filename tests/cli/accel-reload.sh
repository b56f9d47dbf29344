#!/bin/bash
# SIGHUP: listeners, services and rates come, change and go; connections that are open go on. And SIGTERM: the endpoint
# does not wait for those of a tunnel that is dead.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"
need ss

serve() { # serve NAME MODE PORT
	spawn -r "$1" "$PEER" serve "$2" 127.0.0.1 "$3"
	wait_ready "$1"
}
again() { # again NAME COUNT: so many times the key file was read again, which is last
	[ "$(grep -c 'key file read again' "$TMP/$1.log")" -gt "$2" ]
}
hup() { # hup NAME: it has read its files again
	local before
	before=$(grep -c 'key file read again' "$TMP/$1.log" || true)
	kill -HUP "${PID[$1]}"
	retry 20 again "$1" "$before" || fail "$1 did not read its files again"
}
asks() { # asks PORT: a short conversation there succeeds
	patiently 20 "$PEER" many 127.0.0.1 "$1" 1 100
}
closed() { # closed PORT: nobody listens there
	! patiently 20 "$PEER" many 127.0.0.1 "$1" 1 100 2>/dev/null
}
there() { # there RATE WEB [MORE]: the endpoint's file
	cat >"$TMP/endpoint.ini" <<-END
		[tunnel]
		listen = 127.0.0.1:$T
		key_file = $TMP/key
		rate = $1
		drain = 3600s
		[service source]
		backend = tcp:127.0.0.1:$S
		[service web]
		backend = tcp:127.0.0.1:$2
	END
	[ -z "${3-}" ] || printf '[service more]\nbackend = tcp:127.0.0.1:%s\n' "$3" >>"$TMP/endpoint.ini"
}
here() { # here CLASS WEB [MORE]: the listener's file
	cat >"$TMP/listen.ini" <<-END
		[tunnel]
		endpoint = 127.0.0.1:$T
		key_file = $TMP/key
		[listener source]
		listen = tcp:127.0.0.1:$D
		[listener web]
		listen = tcp:127.0.0.1:$2
		class = $1
	END
	[ -z "${3-}" ] || printf '[listener more]\nlisten = tcp:127.0.0.1:%s\n' "$3" >>"$TMP/listen.ini"
}

new_key "$TMP/key"
T=$(free_port both) S=$(free_port) D=$(free_port) A=$(free_port) B=$(free_port) L=$(free_port) M=$(free_port) N=$(free_port)
serve source source "$S"
serve a echo "$A"
serve b echo "$B"
there 1M "$A"
here auto "$L"
spawn -r endpoint "$BUILD/gex-endpoint" -c "$TMP/endpoint.ini"
wait_ready endpoint
spawn -r listen "$BUILD/gex-listen" -c "$TMP/listen.ini"
wait_ready listen
wait_log listen 'tunnel.*: up after'
step "a conversation" asks "$L"

# A download that takes six minutes at 1 Mbit/s, through all that follows.
patiently 45 "$PEER" pull 127.0.0.1 "$D" 45000000 >"$TMP/pull" &
pull=$!
there 1M "$A" "$B"
hup endpoint
here bulk "$L" "$M"
hup listen
step "a new listener of a new service" asks "$M"
step "the old one, of another class" asks "$L"

there 1M "$B"
hup endpoint
stop a
step "another backend" asks "$L"
wait_log listen 'listening on tcp:127.0.0.1:'"$M"
here auto "$N"
hup listen
step "another port" asks "$N"
step "the one before is closed" closed "$L"
step "a listener that is gone" closed "$M"

here auto "$B"
hup listen
wait_log listen "cannot listen on tcp:127.0.0.1:$B.*; the listeners after it stay as they were"
step "a port that is taken changes nothing" asks "$N"

there 1M "$B"
sed -i "s/^listen = .*/listen = 127.0.0.1:$L/" "$TMP/endpoint.ini"
hup endpoint
wait_log endpoint 'listen in \[tunnel\] is another: that takes a restart'
here auto "$N"
sed -i "s/^endpoint = .*/endpoint = 127.0.0.1:$L/" "$TMP/listen.ini"
hup listen
wait_log listen 'endpoint in \[tunnel\] is another: that takes a restart'
echo 'nonsense' >"$TMP/endpoint.ini"
kill -HUP "${PID[endpoint]}"
wait_log endpoint 'the configuration stays as it was'
step "the tunnel is where it was" asks "$N"

kill -0 "$pull" || fail "the download had its end before the rate was another"
there auto "$B"
hup endpoint
wait "$pull" || fail "a download did not outlive the reloads, or the new rate was not taken"
[ "$(grep -c 'up after' "$TMP/listen.log")" = 1 ] || fail "there was another tunnel"

patiently 45 "$PEER" pull 127.0.0.1 "$D" 1000000000000 >/dev/null 2>&1 &
pull=$!
busy() {
	grep -q . "/proc/$pull/stat" && [ "$(ss -Htn state established "sport = :$S" | wc -l)" -gt 0 ]
}
retry 20 busy || fail "no download"
kill9 listen
wait "$pull" || true
stop endpoint 30
[ "$STATUS" = 0 ] || fail "gex-endpoint ended with $STATUS after SIGTERM with a dead tunnel"
