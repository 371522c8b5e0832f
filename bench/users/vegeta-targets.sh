#!/usr/bin/env bash
# Targets for vegeta's JSON format, each draw with a key of its own:
#   bench/users/vegeta-targets.sh COUNT | vegeta attack -format=json -rate=2000/s -duration=10s | vegeta report
# URL, CAMPAIGN and KEY (an API key) come from the environment.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,4p' "$0" >&2; exit 2; }
run=$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
auth=""
[ -z "${KEY:-}" ] || auth=",\"Authorization\":[\"Bearer $KEY\"]"
target="${URL:-http://127.0.0.1:7070}/v1/campaigns/${CAMPAIGN:-users}/draws"
seq 0 $(($1 - 1)) | awk -v url="$target" -v run="$run" -v auth="$auth" '
  # Base64 of a body of letters, digits and punctuation, because the format wants it; awk needs no process for each line.
  BEGIN { set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"; for (i = 1; i < 128; i++) code[sprintf("%c", i)] = i }
  function encode(s, out, i, v, left) {
    for (i = 1; i <= length(s); i += 3) {
      left = length(s) - i + 1
      v = code[substr(s, i, 1)] * 65536 + (left > 1 ? code[substr(s, i + 1, 1)] * 256 : 0) + (left > 2 ? code[substr(s, i + 2, 1)] : 0)
      out = out substr(set, int(v / 262144) + 1, 1) substr(set, int(v / 4096) % 64 + 1, 1) (left > 1 ? substr(set, int(v / 64) % 64 + 1, 1) : "=") (left > 2 ? substr(set, v % 64 + 1, 1) : "=")
    }
    return out
  }
  { printf "{\"method\":\"POST\",\"url\":\"%s\",\"header\":{\"Content-Type\":[\"application/json\"],\"Idempotency-Key\":[\"%s-%d\"]%s},\"body\":\"%s\"}\n", url, run, $1, auth, encode("{\"user\":\"u" $1 % 1000000 "\"}") }'
