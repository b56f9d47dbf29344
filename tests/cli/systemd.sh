#!/bin/bash
# The units of examples/systemd, run by systemd itself: the first process of namespaces of its own, in which this
# machine's files are seen but cannot be changed. Only where the configuration is, /opt/gex for /etc/gex, is another place.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../media/live.sh"
SYSTEMD=/lib/systemd/systemd
need ffmpeg curl unshare nsenter systemctl openssl
[ -x $SYSTEMD ] || skip "needs $SYSTEMD"
[ "$(id -u)" = 0 ] || skip "needs root"

mkdir "$TMP/etc" "$TMP/bin" "$TMP/units" "$TMP/units/service.d"
cp "$BUILD"/gex-* "$TMP/bin/"
for unit in "$(dirname "$0")"/../../examples/systemd/gex-*; do
	sed 's|/etc/gex/|/opt/gex/|' "$unit" >"$TMP/units/${unit##*/}"
done
cp /etc/passwd /etc/group "$TMP/"
grep -q ^gex: "$TMP/passwd" || echo gex:x:987:987::/:/usr/sbin/nologin >>"$TMP/passwd"
grep -q ^gex: "$TMP/group" || echo gex:x:987: >>"$TMP/group"
openssl rand -hex 32 >"$TMP/etc/key"
chmod 600 "$TMP/etc/key"
cat >"$TMP/units/service.d/test.conf" <<-END
	[Service]
	StandardOutput=append:/run/services.log
	StandardError=append:/run/services.log
	WatchdogSec=${PATIENCE}s
END
for target in test sysinit basic sockets shutdown network-online multi-user; do
	printf '[Unit]\nDefaultDependencies=no\n' >"$TMP/units/$target.target"
done
cat >"$TMP/etc/endpoint.ini" <<-END
	[tunnel]
	listen = 127.0.0.1:7000
	key_file = key
	[service web]
	backend = tcp:127.0.0.1:8080
END
cat >"$TMP/etc/listen.ini" <<-END
	[tunnel]
	endpoint = 127.0.0.1:7000
	key_file = key
	[listener web]
	listen = tcp:127.0.0.1:81
END
cat >"$TMP/etc/transcode-one.ini" <<-END
	[input]
	url = srt://:9000
	[rung 144p]
	size = 256x144
	bitrate = 150k
	[output local]
	url = unix:/run/gex/one.sock
END
cat >"$TMP/etc/package.ini" <<-END
	[package]
	name = one
	input = unix:/run/gex/one.sock
	dvr = /var/lib/gex/dvr
	[http]
	listen = http://:8080
END
printf '[record]\ninput = unix:/run/gex/one.sock\ndir = /srv/gex/one\n' >"$TMP/etc/record-one.ini"
printf '[restream]\ninput = unix:/run/gex/one.sock\nno such line\n' >"$TMP/etc/restream-one.ini"

# None of the machine's own units is seen, and nothing of its files can be changed.
cat >"$TMP/first" <<-END
	set -e
	cd $TMP # which stays what it is when something is mounted over it
	mount --make-rprivate /
	ip link set lo up
	for d in /run /etc/systemd/system /lib/systemd/system /lib/systemd/system-generators /srv /var/lib /usr/local /opt; do
		mount -t tmpfs tmpfs \$d
	done
	mkdir -p /run/systemd/system /run/lock /srv/gex /usr/local/bin /opt/gex
	cp -r units/. /run/systemd/system/
	cp -r etc/. /opt/gex/
	cp bin/* /usr/local/bin/
	for f in passwd group; do mount --bind \$f /etc/\$f; done
	chown gex: /srv/gex
	mount -t tmpfs tmpfs /tmp
	mount -t tmpfs tmpfs /var/tmp
	mount -o remount,bind,ro /
	mount --make-rshared / # among its own, as credentials want it
	echo prepared
	export container=test
	exec $SYSTEMD --system --unit=test.target --log-target=console --show-status=no
END
# unshare waits through a SIGTERM, and a first process has no use for one.
# shellcheck disable=SC2016
spawn systemd bash -c 'unshare --kill-child -pfmCnu --mount-proc bash "$1" &
	trap "kill -KILL $!" TERM
	echo "unshare is $!"
	wait' - "$TMP/first"
retry 10 grep -q prepared "$TMP/systemd.log" || skip "no namespaces like a machine's: $(tail -n 1 "$TMP/systemd.log")"
first=$(pgrep -P "$(sed -n 's/unshare is //p' "$TMP/systemd.log")")
inside() {
	nsenter -t "$first" -a "$@"
}
get() { # UNIT PROPERTY
	inside systemctl show -P "$2" "$1"
}
is() { # UNIT PROPERTY VALUE
	[ "$(get "$1" "$2")" = "$3" ]
}
playlist() { # PORT
	inside curl -fsS --max-time 5 "http://127.0.0.1:$1/one/144p/index.m3u8"
}
newest() {
	playlist 8080 | sed -n 's/^\([0-9]*\)\.m4s$/\1/p' | tail -n 1
}
retry 10 inside systemctl is-active test.target || fail "systemd does not come up"

step "the units are what systemd reads" inside systemd-analyze verify --man=no /run/systemd/system/gex-{listen,endpoint,package}.service \
	/run/systemd/system/gex-{transcode,record,restream}@one.service /run/systemd/system/gex-package.socket
for unit in gex-package.socket gex-transcode@one gex-record@one gex-endpoint gex-listen; do
	patiently 10 nsenter -t "$first" -a systemctl start "$unit" ||
		fail "$unit does not start: $(inside tail -n 3 /run/services.log)"
	echo "ok - $unit starts and is ready"
done
LIVE_SIZE=256x144 LIVE_IN="nsenter -t $first -n" live_source live "srt://127.0.0.1:9000"
step "port 8080, opened by systemd, starts gex-package; 81 is the way through the tunnel" retry 20 playlist 81
step "it is active" retry 5 is gex-package ActiveState active

was=$(newest)
inside kill -KILL "$(get gex-package MainPID)"
step "killed, it is started again" retry 10 is gex-package NRestarts 1
step "and goes on" retry 10 playlist 8080
at_least "with a segment not before" "$(newest)" "$was"
inside kill -STOP "$(get gex-record@one MainPID)"
step "one that does not answer is ended by the watchdog and started again" retry $((PATIENCE + 5)) is gex-record@one NRestarts 1
step "reload" inside systemctl reload gex-package gex-endpoint
refuse "a wrong configuration is a failure to start" 1 inside systemctl start gex-restream@one
step "not one to be tried again" is gex-restream@one NRestarts 0
is gex-restream@one ExecMainStatus 78 || fail "status $(get gex-restream@one ExecMainStatus)"
inside grep "gex-restream.*restream-one.ini:3" /run/services.log
step "files of its own" inside test -n "$(inside find /srv/gex/one /var/lib/gex/dvr -size +0 -user gex -name '*.m*' -print -quit)"
step "all stop" patiently 10 nsenter -t "$first" -a systemctl stop gex-package.socket gex-package gex-listen gex-endpoint gex-record@one gex-transcode@one
for unit in gex-package gex-listen gex-endpoint gex-record@one gex-transcode@one; do
	is "$unit" Result success || fail "$unit: $(get "$unit" Result)"
done
live_stop live
stop systemd
