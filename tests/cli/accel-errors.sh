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
printf '[tunnel]\nlisten = 127.0.0.1:%s\nkey_file = %s\n[service web]\n' "$T" "$TMP/key" >"$TMP/none.ini"
refuse "an INI file without a service" 78 "$BUILD/gex-endpoint" -c "$TMP/none.ini"
one_line 'service web. has no backend'

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

# A wrong key: said clearly on both sides; clients are reset in time; the right key works on beside it.
B=$(free_port)
spawn -r back "$PEER" serve echo 127.0.0.1 "$B"
wait_ready back
endpoint endpoint "$T" -b "web=tcp:127.0.0.1:$B"
spawn -r wrong "$BUILD/gex-listen" -l "tcp:127.0.0.1:$L=web" -e "127.0.0.1:$T" -k "$TMP/other" -S tunnel.wait=500ms
wait_ready wrong
wait_log wrong "error: .*key refused by 127.0.0.1:$T"
wait_log endpoint 'wrong key'
[ "$(timeout 10 "$PEER" ending 127.0.0.1 "$L")" = reset ] || fail "a client without a tunnel is not reset"
wait_log wrong 'web\] client reset: no tunnel in time'
stop wrong
[ "$STATUS" = 0 ] || fail "gex-listen without a tunnel ended with $STATUS"
listener right "$T" -l "tcp:127.0.0.1:$L=web"
step "the right key" timeout 10 "$PEER" many 127.0.0.1 "$L" 1 1000

# The examples are configurations.
for tool in listen endpoint; do
	refuse "examples/$tool.ini" 0 "$BUILD/gex-$tool" -c "examples/$tool.ini" -S "tunnel.key_file=$TMP/key" -t
done
