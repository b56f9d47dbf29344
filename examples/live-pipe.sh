#!/bin/sh
# A live channel as one pipeline, for one machine and one packager. It ends when the source has ended and the
# players have had time to finish.
#
#   SOURCE  where the stream comes from: any input of gex-url(7)   (default: wait for an encoder by SRT on port 9000)
#   SITE    where the viewers come: HOST:PORT                      (default: port 8080 of all addresses)
#   NAME    the stream's name in its URL: http://SITE/NAME/        (default: live)
set -eu

gex-transcode -i "${SOURCE:-srt://:9000}" -r 360p -r 240p -r 144p -o - |
	gex-package -i - -l "http://${SITE:-:8080}" -n "${NAME:-live}"
