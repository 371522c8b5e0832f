#!/usr/bin/env bash
# The page of a run as a picture: bench/report/picture.sh REPORT.html PICTURE.png [HEIGHT]
#
# Needs chromium (Debian: chromium). It runs without a network, in a profile of its own that is removed.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || { echo "picture.sh: chromium is missing: apt-get install chromium" >&2; exit 2; }
page=$(realpath "$1")
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
"$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" --host-resolver-rules='MAP * ~NOTFOUND' \
  --window-size="1320,${3:-1850}" --screenshot="$2" "file://$page" >"$profile/log" 2>&1 || { cat "$profile/log" >&2; exit 1; }
[ -s "$2" ] || { cat "$profile/log" >&2; exit 1; }
