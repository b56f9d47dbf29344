#!/bin/bash
# How the page chooses a rendition where each frame comes as it is made: on lines of our making.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need node

patiently 5 node "$(dirname "$0")/adapt.mjs" "$(dirname "$0")/../../web"
