#!/usr/bin/env bash
# Draws over RESP, drawd beside Redis, with Redis's own load generator: the same command shape, the same users, durable on
# both sides (drawd always syncs before it answers; Redis with appendfsync always). A B A B, so that the machine's moods meet
# both. Prints one line for each run and the medians.
#
#   bench/peers/redis/compare.sh [PAIRS [REQUESTS]]
#
# Needs redis-server and redis-benchmark (Debian: redis-server, redis-tools) and Go. Everything is on loopback, in a temporary
# directory, and is stopped and removed at the end.
set -euo pipefail
cd "$(dirname "$0")/../../.."

pairs=${1:-5}
requests=${2:-100000}
for tool in redis-server redis-cli redis-benchmark; do
  command -v "$tool" >/dev/null || { echo "compare.sh: $tool is missing: apt-get install redis-server redis-tools" >&2; exit 2; }
done

dir=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap stop EXIT

free_port() { # of the ports that nothing listens on
  local port
  for port in $(shuf -i 20000-40000 -n 50); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  exit 1
}

go build -o "$dir/drawd" ./cmd/drawd
api=$(free_port) admin=$(free_port) resp=$(free_port) redis=$(free_port)
"$dir/drawd" serve --data "$dir/data" --api "127.0.0.1:$api" --admin "127.0.0.1:$admin" --resp "127.0.0.1:$resp" --log-level warn >"$dir/drawd.log" 2>&1 &
pids+=($!)
mkdir "$dir/redis"
redis-server --port "$redis" --bind 127.0.0.1 --dir "$dir/redis" --appendonly yes --appendfsync always --save '' >"$dir/redis.log" 2>&1 &
pids+=($!)
for port in "$resp" "$redis"; do
  until redis-cli -p "$port" PING >/dev/null 2>&1; do kill -0 "${pids[@]}" || { cat "$dir"/*.log >&2; exit 1; }; done
done
"$dir/drawd" campaign publish -f bench/peers/redis/campaign.yaml --admin-url "http://127.0.0.1:$admin" >/dev/null
script=$(redis-cli -p "$redis" -x SCRIPT LOAD <bench/peers/redis/draw.lua)
for prize in 1 2 3 4 5 6 7 8; do redis-cli -p "$redis" HSET peer:stock "$prize" 1000000000 >/dev/null; done

# rate PORT PIPELINE COMMAND… : requests a second
rate() {
  local port=$1 pipeline=$2
  shift 2
  redis-benchmark -p "$port" -n "$requests" -c 50 -P "$pipeline" -r 1000000000 --csv "$@" 2>/dev/null | tail -n 1 | awk -F '","' '{print $2}' | tr -d '"'
}
median() { sort -n | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

echo "$(nproc) cores, $(redis-server --version | grep -o 'v=[^ ]*'), $(go version | cut -d' ' -f3); 50 connections, $requests draws a run, both sync before they answer"
for pipeline in 1 16; do
  : >"$dir/drawd.rates"; : >"$dir/redis.rates"
  for ((i = 1; i <= pairs; i++)); do
    a=$(rate "$resp" "$pipeline" DRAW peer u:__rand_int__ k)
    b=$(rate "$redis" "$pipeline" EVALSHA "$script" 1 peer u:__rand_int__ k)
    echo "pipeline $pipeline, pair $i: drawd $a/s, Redis $b/s"
    echo "$a" >>"$dir/drawd.rates"; echo "$b" >>"$dir/redis.rates"
  done
  a=$(median <"$dir/drawd.rates") b=$(median <"$dir/redis.rates")
  echo "pipeline $pipeline: drawd $a/s, Redis $b/s, drawd ÷ Redis $(awk "BEGIN {printf \"%.2f\", $a / $b}")"
done
