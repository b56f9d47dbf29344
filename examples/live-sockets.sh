#!/bin/sh
# A live channel as separate processes around one UNIX socket: viewers, a recording and a copy to another platform.
# Any of them can be stopped and started again while the others go on; this script starts one again when it ends.
#
#   SOURCE  the input of gex-transcode                              (default: srt://:9000)
#   SITE    HOST:PORT for the viewers                               (default: :8080)
#   RUN     folder for the socket                                   (default: /run/gex)
#   DVR     folder for recordings                                   (default: /var/lib/gex)
#   TARGET  where the copy goes, an rtmp:// or srt:// URL           (default: no copy)
set -u

RUN=${RUN:-/run/gex} DVR=${DVR:-/var/lib/gex}
mkdir -p "$RUN" "$DVR"

# keep COMMAND...: runs it until this script is told to end.
keep() {
	trap 'ended=1; kill "$child" 2>/dev/null' TERM INT
	ended='' child=''
	while [ -z "$ended" ]; do
		"$@" &
		child=$!
		wait "$child"
		[ -n "$ended" ] || sleep 0.2
	done
	wait "$child"
}

stages=''
trap 'kill $stages 2>/dev/null; wait; exit 0' TERM INT

keep gex-transcode -i "${SOURCE:-srt://:9000}" -r 360p -r 240p -r 144p -o "unix:$RUN/live.sock" &
stages="$stages $!"
keep gex-package -i "unix:$RUN/live.sock" -l "http://${SITE:-:8080}" &
stages="$stages $!"
keep gex-record -i "unix:$RUN/live.sock" -d "$DVR" &
stages="$stages $!"
if [ -n "${TARGET:-}" ]; then
	keep gex-restream -i "unix:$RUN/live.sock" -r 360p -o "$TARGET" &
	stages="$stages $!"
fi
wait
