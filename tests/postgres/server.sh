#!/usr/bin/env bash
# A PostgreSQL of its own for tests and benchmarks, on 127.0.0.1 and a port of its own.
#
#   tests/postgres/server.sh start [--dir DIR] [--durable]   starts one and prints its URL
#   tests/postgres/server.sh url   [--dir DIR]               prints the URL of the one that runs
#   tests/postgres/server.sh stop  [--dir DIR]               stops it and removes its data
#
#   export SYMBOLON_TEST_POSTGRES=$(tests/postgres/server.sh start)
#
# Without --durable nothing is synced to disk: that survives the kill of any process, not of the machine.
# Benchmarks take --durable.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mark=$here/../../target/postgres/server.dir
. "$here/common.sh"

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }

given_dir=
durable=off
command=${1:-}
[ $# -gt 0 ] && shift
while [ $# -gt 0 ]; do
  case $1 in
    --dir) [ $# -ge 2 ] || usage; given_dir=$2; shift 2 ;;
    --durable) durable=on; shift ;;
    *) usage ;;
  esac
done

postmaster() { pid_in "$dir/data/postmaster.pid"; }

runs() { runs_in "$(postmaster)" "$dir/data"; }

start() {
  if dir=$(known_dir) && [ -f "$dir/url" ] && runs; then
    cat "$dir/url"
    return
  fi
  bin=$(postgres_bin)
  # What a kill left behind.
  if [ -z "$given_dir" ] && dir=$(known_dir); then forget_dir; fi
  new_dir postgres
  trap 'stop_quietly' EXIT
  local attempt
  prepare
  for attempt in 1 2 3 4 5; do
    free_port
    port=$free_port
    if launch; then break; fi
    [ "$attempt" != 5 ] || { tail -n 20 "$dir/server.log" >&2; die "it does not start"; }
  done
  create_database
  trap - EXIT
  cat "$dir/url"
}

prepare() {
  password=$(random_password)
  (umask 077 && printf '%s\n' "$password" >"$dir/password")
  give_to_postgres "$dir/password"
  (as_postgres "$bin/initdb" --pgdata "$dir/data" --username postgres --pwfile "$dir/password" \
    --auth scram-sha-256 --encoding UTF8 --locale C --no-sync >"$dir/initdb.log" 2>&1) ||
    { cat "$dir/initdb.log" >&2; die "initdb failed"; }
  cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 200
max_wal_size = 256MB
fsync = $durable
full_page_writes = $durable
CONF
}

launch() {
  : >"$dir/server.log"
  give_to_postgres "$dir/server.log"
  (as_daemon "$dir/server.log" "$bin/postgres" -D "$dir/data" -p "$port") &
  local child=$!
  disown
  wait_until 60 "PostgreSQL to answer" answers_or_ended "$child" && answers
}

answers() { as_admin -c 'select 1' >/dev/null 2>&1; }
answers_or_ended() { answers || is_gone "$1"; }

as_admin() {
  (export PGPASSWORD=$password PGCONNECT_TIMEOUT=5
    exec "$bin/psql" -X -q -w -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d postgres "$@")
}

# The hub needs no superuser. It may create databases here, because each test has one of its own.
create_database() {
  as_admin -c "create role symbolon login createdb password '$password'" \
    -c 'create database symbolon owner symbolon'
  (umask 077 &&
    printf 'postgres://symbolon:%s@127.0.0.1:%s/symbolon\n' "$password" "$port" >"$dir/url")
}

stop_server() {
  local pid
  pid=$(postmaster)
  if runs; then
    # Fast shutdown: open sessions are ended.
    kill -INT "$pid"
    if ! wait_until 30 "PostgreSQL to end" is_gone "$pid"; then
      kill -QUIT "$pid"
      wait_until 10 "PostgreSQL to end at once" is_gone "$pid" || kill -KILL "$pid"
    fi
  fi
}

stop_quietly() {
  stop_server || true
  forget_dir
}

case $command in
  start) start ;;
  url)
    dir=$(known_dir) && [ -f "$dir/url" ] && runs || die "no server was started"
    cat "$dir/url"
    ;;
  stop)
    dir=$(known_dir) || exit 0
    stop_quietly
    ;;
  *) usage ;;
esac
