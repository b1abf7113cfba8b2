#!/usr/bin/env bash
# Runs a command with database and Redis addresses in its environment, and ends with the command's exit code:
#
#   scripts/with-backing.sh go test ./...
#
#   GATEHOUSE_TEST_MONGODB_URI           MongoDB: the embedded one, unless the caller names a server here
#   GATEHOUSE_TEST_REDIS_URL             a real redis-server, unless the caller names one here
#   GATEHOUSE_TEST_INPROCESS_REDIS_URL   the in-process Redis of the development binary
#   GATEHOUSE_TEST_BACKING_BINARY        services/gatehouse/cmd/backing, built unless the caller names a binary here
#
# Everything runs on free ports of the loopback interface, keeps its data in a temporary directory and ends with the
# command. It also ends when this script is killed: what it started watches a pipe that this script holds open.
#
# GATEHOUSE_REDIS_SERVER names a redis-server that is not in the PATH. Without any, GATEHOUSE_TEST_REDIS_URL stays unset.
set -uo pipefail

if [ $# -eq 0 ]; then
  echo "usage: $0 COMMAND [ARGUMENT...]" >&2
  exit 2
fi

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/gatehouse-XXXXXX") || exit 1
backing_pid=
redis_pid=

die() {
  echo "with-backing: $*" >&2
  exit 1
}

# finish ends what was started, by closing the pipe and then waiting.
finish() {
  exec 9>&-
  local pid
  for pid in $backing_pid $redis_pid; do
    kill -TERM "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The pipe. Descriptor 9 is its writing end and must not be inherited by anything that is started.
mkfifo "$work/alive" || exit 1
exec 9<>"$work/alive"

# alive PID NAME LOG fails with the log if the process has ended.
alive() {
  kill -0 "$1" 2>/dev/null && return
  cat "$3" >&2
  die "$2 ended before it was ready"
}

start_backing() {
  local arguments=(--env-file "$work/env" --exit-with-stdin --data-dir "")
  arguments+=(--mongodb-address 127.0.0.1:0 --redis-address 127.0.0.1:0)
  if [ -n "${GATEHOUSE_TEST_MONGODB_URI:-}" ]; then
    arguments+=(--redis-only)
  fi
  "$GATEHOUSE_TEST_BACKING_BINARY" "${arguments[@]}" <"$work/alive" 9>&- >"$work/backing.log" 2>&1 &
  backing_pid=$!
}

await_backing() {
  local name value
  while [ ! -e "$work/env" ]; do
    alive "$backing_pid" backing "$work/backing.log"
    sleep 0.05
  done
  while IFS='=' read -r name value; do
    case $name in
      GATEHOUSE_MONGODB_URI) export GATEHOUSE_TEST_MONGODB_URI=$value ;;
      GATEHOUSE_REDIS_URL) export GATEHOUSE_TEST_INPROCESS_REDIS_URL=$value ;;
    esac
  done <"$work/env"
}

# start_redis runs redis-server until the pipe closes or it is told to end. A port that is taken ends the server, and
# another one is tried; a port that answers is not enough, because another server may be behind it.
start_redis() {
  local server=$1 port attempt
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    (
      "$server" --bind 127.0.0.1 --port "$port" --save '' --appendonly no --daemonize no --dir "$work" \
        >"$work/redis.log" 2>&1 </dev/null &
      server_pid=$!
      trap 'kill -TERM "$server_pid" 2>/dev/null; wait "$server_pid"; exit' TERM
      (read -r _; kill -TERM "$server_pid") <"$work/alive" 2>/dev/null &
      watch_pid=$!
      wait "$server_pid"
      kill -TERM "$watch_pid" 2>/dev/null
    ) 9>&- &
    redis_pid=$!
    while kill -0 "$redis_pid" 2>/dev/null; do
      if grep -q 'Ready to accept connections' "$work/redis.log" 2>/dev/null; then
        export GATEHOUSE_TEST_REDIS_URL="redis://127.0.0.1:$port/0"
        return
      fi
      sleep 0.05
    done
    wait "$redis_pid" 2>/dev/null
    redis_pid=
  done
  cat "$work/redis.log" >&2
  die "redis-server does not start"
}

if [ -z "${GATEHOUSE_TEST_BACKING_BINARY:-}" ]; then
  (cd "$repository/services/gatehouse" && GOWORK=off go build -o "$work/backing" ./cmd/backing) || die "build of cmd/backing"
  export GATEHOUSE_TEST_BACKING_BINARY=$work/backing
fi
start_backing
if [ -z "${GATEHOUSE_TEST_REDIS_URL:-}" ]; then
  if redis_server=$(command -v "${GATEHOUSE_REDIS_SERVER:-redis-server}"); then
    start_redis "$redis_server"
  else
    echo "with-backing: no redis-server found; tests against a real one will fail" >&2
  fi
fi
await_backing
alive "$backing_pid" backing "$work/backing.log"

"$@" 9>&-
