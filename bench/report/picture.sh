#!/usr/bin/env bash
# The page of a run as a picture: bench/report/picture.sh REPORT.html PICTURE.png [HEIGHT [WIDTH [light|dark]]]
# A WIDTH below 500, as a phone has, is that of a frame: the browser has no narrower window.
#
# Needs chromium (Debian: chromium). It runs without a network, in a profile of its own that is removed.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,5p' "$0" >&2; exit 2; }
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || { echo "picture.sh: chromium is missing: apt-get install chromium" >&2; exit 2; }
page=$(realpath "$1")
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
height=${3:-1850} width=${4:-1320} scheme=1
[ "${5:-light}" = light ] || scheme=0
if [ "$width" -lt 500 ]; then
  printf '<style>body{margin:0}iframe{border:0;width:%dpx;height:%dpx}</style><iframe src="file://%s"></iframe>' "$width" "$height" "$page" >"$profile/frame.html"
  page=$profile/frame.html width=500
fi
"$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$profile" --host-resolver-rules='MAP * ~NOTFOUND' \
  --allow-file-access-from-files --blink-settings=preferredColorScheme="$scheme" --window-size="$width,$height" --screenshot="$2" "file://$page" >"$profile/log" 2>&1 || { cat "$profile/log" >&2; exit 1; }
[ -s "$2" ] || { cat "$profile/log" >&2; exit 1; }
