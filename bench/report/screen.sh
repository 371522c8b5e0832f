#!/usr/bin/env bash
# The terminal screen of a load test as text: bench/report/screen.sh SECONDS COLUMNS COMMAND…
#
# Runs the command in a terminal of so many columns and writes what stands there after so many seconds of load. Needs tmux (Debian: tmux).
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
command -v tmux >/dev/null || { echo "screen.sh: tmux is missing: apt-get install tmux" >&2; exit 2; }
seconds=$1 columns=$2
shift 2
socket=drawd-screen-$$
tmux() { command tmux -L "$socket" "$@"; }
ended() { # Ctrl-C, so that the command takes its daemons with it
  tmux send-keys C-c 2>/dev/null || return 0
  for _ in $(seq 100); do tmux list-sessions >/dev/null 2>&1 || return 0; sleep 0.1; done
  tmux kill-server 2>/dev/null || true
}
trap ended EXIT
tmux -f /dev/null new-session -d -x "$columns" -y 30 "$*"
for _ in $(seq 600); do # a minute for the daemon and the generator's measurement
  shown=$(tmux capture-pane -p 2>/dev/null) || { echo "screen.sh: the command ended before the screen came" >&2; exit 1; }
  if grep -Eq "^drawd bench [a-z-]+ .* $seconds(\.[0-9]+)? s of" <<<"$shown"; then
    printf '%s\n' "$shown" | sed -e 's/[[:space:]]*$//' -e '/^$/d'
    exit 0
  fi
  sleep 0.1
done
echo "screen.sh: no screen of second $seconds came" >&2
exit 1
