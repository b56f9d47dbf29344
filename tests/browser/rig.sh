# shellcheck shell=bash
# What the tests with a browser share. Sourced after lib.sh.
need ffmpeg node chromium curl
[ -e "${GEX_NPM:-$(dirname "$0")/../../build/npm/node_modules}/playwright-core" ] || skip "needs make npm"

# Chromium's sockets want a short path.
export TMPDIR
TMPDIR=$(mktemp -d /tmp/gex-watch.XXXXXX)
at_exit "rm -rf $TMPDIR"
