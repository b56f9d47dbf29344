#!/bin/bash
# What operators do wrong: the exit status and the one line that says so.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/accellib.sh"

one_line() { # one_line PATTERN
	[ "$(wc -l <"$TMP/refused")" = 1 ] || fail "not one line: $(cat "$TMP/refused")"
	grep -qE -- "$1" "$TMP/refused" || fail "no $1 in: $(cat "$TMP/refused")"
}

new_key "$TMP/key"
new_key "$TMP/other"
T=$(free_port both)
L=$(free_port)
listen=("$BUILD/gex-listen" -l "tcp:127.0.0.1:$L=web" -e "127.0.0.1:$T")
endpoint=("$BUILD/gex-endpoint" -l "127.0.0.1:$T" -b web=tcp:127.0.0.1:9)

for tool in listen endpoint; do
	declare -n cmd=$tool
	refuse "gex-$tool without a key" 64 "${cmd[@]}"
	one_line 'no key file'
	refuse "gex-$tool: no such key file" 78 "${cmd[@]}" -k "$TMP/nokey"
	one_line "nokey: cannot read the key file: No such file"
	cp "$TMP/key" "$TMP/open"
	chmod 644 "$TMP/open"
	refuse "gex-$tool: others can read the key" 77 "${cmd[@]}" -k "$TMP/open"
	one_line "open: others can read this key file"
	(umask 077 && echo nonsense >"$TMP/bad")
	refuse "gex-$tool: no key in the file" 78 "${cmd[@]}" -k "$TMP/bad"
	one_line "bad:1: not a key"
	refuse "gex-$tool -t" 0 "${cmd[@]}" -k "$TMP/key" -t
	one_line '^configuration OK$'
	refuse "gex-$tool: a bad rate" 64 "${cmd[@]}" -k "$TMP/key" -S tunnel.rate=fast
	one_line 'rate = fast'
done
refuse "a bad listener" 64 "$BUILD/gex-listen" -l tcp:nowhere:80=web -e "127.0.0.1:$T" -k "$TMP/key"
one_line "nowhere"
refuse "a listener without a service" 64 "$BUILD/gex-listen" -l tcp::80 -e "127.0.0.1:$T" -k "$TMP/key"
one_line "not LISTENER=SERVICE"
refuse "a bad backend" 64 "$BUILD/gex-endpoint" -l ":$T" -b web=127.0.0.1:80 -k "$TMP/key"
one_line "does not begin with tcp: or udp:"

printf '[tunnel]\nendpoint = 127.0.0.1:%s\nkey_file = %s\n[listener web]\nlisten = tcp:127.0.0.1:%s\nclass = fast\n' \
	"$T" "$TMP/key" "$L" >"$TMP/class.ini"
refuse "an INI file with a bad class" 78 "$BUILD/gex-listen" -c "$TMP/class.ini"
one_line 'class.ini:6: .*class = fast'
sed -i s/fast/bulk/ "$TMP/class.ini"
refuse "the same put right" 0 "$BUILD/gex-listen" -c "$TMP/class.ini" -t
for pair in redundancy=50 redundancy=500% redundancy=x% deadline=fast deadline=2m; do
	refuse "a bad ${pair%=*}" 64 "${endpoint[@]}" -k "$TMP/key" -S "service.web.$pair"
	one_line "${pair%=*} = ${pair#*=}: not auto, off or"
done
refuse "redundancy and deadline" 0 "${endpoint[@]}" -k "$TMP/key" -S service.web.redundancy=50% -S service.web.deadline=off -t
printf '[tunnel]\nlisten = 127.0.0.1:%s\nkey_file = %s\n[service web]\n' "$T" "$TMP/key" >"$TMP/none.ini"
refuse "an INI file without a service" 78 "$BUILD/gex-endpoint" -c "$TMP/none.ini"
one_line 'service web. has no backend'

# Carriers and paths.
refuse "a bad carrier" 64 "${listen[@]}" -k "$TMP/key" -S tunnel.carrier=tcp
one_line 'carrier = tcp: not auto, udp, tls or srt'
refuse "bad carriers" 64 "${endpoint[@]}" -k "$TMP/key" -S tunnel.carriers=udp,quic
one_line 'carriers = quic: not udp or tls'
refuse "no carriers" 64 "${endpoint[@]}" -k "$TMP/key" -S tunnel.carriers=
one_line 'carriers in \[tunnel\] names none'
refuse "a path by nothing" 64 "${listen[@]}" -k "$TMP/key" -S path.dsl.local=256.0.0.1/8
one_line 'local = 256.0.0.1/8: not an address'
refuse "a path to nowhere" 64 "${listen[@]}" -k "$TMP/key" -S path.dsl.endpoint=nowhere
one_line 'endpoint = nowhere: not HOST:PORT'
refuse "a path of two families" 64 "${listen[@]}" -k "$TMP/key" -S path.dsl.local=::1 -S "path.dsl.endpoint=127.0.0.1:$T"
one_line 'path dsl.: local and endpoint are not of one family'
nine=()
for i in 1 2 3 4 5 6 7 8 9; do nine+=(-S "path.p$i.carrier=udp"); done
refuse "nine paths" 64 "${listen[@]}" -k "$TMP/key" "${nine[@]}"
one_line 'more than 8 paths'
refuse "eight paths" 0 "${listen[@]}" -k "$TMP/key" "${nine[@]:0:16}" -t
one_line '^configuration OK$'

spawn -r holder "$PEER" serve echo 127.0.0.1 "$L"
wait_ready holder
refuse "gex-listen: port in use" 69 "${listen[@]}" -k "$TMP/key"
one_line "cannot listen on tcp:127.0.0.1:$L: Address already in use"
stop holder || true
spawn -r holder "$PROBE" echo 127.0.0.1 "$T"
wait_ready holder
refuse "gex-endpoint: port in use" 69 "${endpoint[@]}" -k "$TMP/key"
one_line "cannot listen on udp:127.0.0.1:$T: Address already in use"
stop holder || true
spawn -r holder "$PEER" serve echo 127.0.0.1 "$T"
wait_ready holder
refuse "gex-endpoint: its TCP port in use" 69 "${endpoint[@]}" -k "$TMP/key"
one_line "cannot listen on tls:127.0.0.1:$T: Address already in use"
stop holder || true

# A wrong key: said clearly on both sides; clients are reset in time; the right key works on beside it.
B=$(free_port)
spawn -r back "$PEER" serve echo 127.0.0.1 "$B"
wait_ready back
endpoint endpoint "$T" -b "web=tcp:127.0.0.1:$B"
spawn -r wrong "$BUILD/gex-listen" -l "tcp:127.0.0.1:$L=web" -e "127.0.0.1:$T" -k "$TMP/other" -S tunnel.wait=500ms
wait_ready wrong
wait_log wrong "error: .*key refused by 127.0.0.1:$T"
wait_log endpoint 'wrong key'
[ "$(patiently 10 "$PEER" ending 127.0.0.1 "$L")" = reset ] || fail "a client without a tunnel is not reset"
wait_log wrong 'web\] client reset: no tunnel in time'
stop wrong
[ "$STATUS" = 0 ] || fail "gex-listen without a tunnel ended with $STATUS"
listener right "$T" -l "tcp:127.0.0.1:$L=web"
step "the right key" patiently 10 "$PEER" many 127.0.0.1 "$L" 1 1000

# The examples are configurations.
refuse "examples/listen-two-lines.ini" 0 "$BUILD/gex-listen" -c examples/listen-two-lines.ini -S "tunnel.key_file=$TMP/key" -t
for tool in listen endpoint; do
	refuse "examples/$tool.ini" 0 "$BUILD/gex-$tool" -c "examples/$tool.ini" -S "tunnel.key_file=$TMP/key" -t
done
