#!/usr/bin/env bash
# Two PostgreSQL servers under Patroni with etcd, all on 127.0.0.1 with ports of their own: what a hub
# meets when the primary dies.
#
#   tests/postgres/cluster.sh start         starts it and prints the URL for both servers
#   tests/postgres/cluster.sh url           prints that URL
#   tests/postgres/cluster.sh kill-primary  SIGKILL for the primary's PostgreSQL and Patroni; prints its name
#   tests/postgres/cluster.sh restart       starts Patroni again where it was killed, waits until it follows
#   tests/postgres/cluster.sh wait          waits until one leads and the other is its synchronous standby
#   tests/postgres/cluster.sh status        who leads and who follows; with --json for programs
#   tests/postgres/cluster.sh stop          stops everything and removes its data
#
# Each takes --dir DIR; without it, start makes a directory under /tmp and the others find it.
# Replication is synchronous, and only the synchronous standby is promoted: what was acknowledged survives.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mark=$here/../../target/postgres/cluster.dir
. "$here/common.sh"

# A dead primary is replaced after `ttl` seconds. Patroni wants ttl >= loop_wait + 2 * retry_timeout.
ttl=10 loop_wait=1 retry_timeout=4
members="pg1 pg2"

usage() { sed -n '2,17s/^# \{0,1\}//p' "$0" >&2; exit 2; }

given_dir=
json=false
command=${1:-}
[ $# -gt 0 ] && shift
while [ $# -gt 0 ]; do
  case $1 in
    --dir) [ $# -ge 2 ] || usage; given_dir=$2; shift 2 ;;
    --json) json=true; shift ;;
    *) usage ;;
  esac
done

need() {
  bin=$(postgres_bin)
  command -v etcd >/dev/null || die "etcd is not installed; on Debian: apt-get install etcd-server"
  command -v patroni >/dev/null || die "Patroni is not installed; on Debian: apt-get install patroni"
  command -v curl >/dev/null || die "curl is not installed"
}

start() {
  if dir=$(known_dir) && [ -f "$dir/url" ] && runs_in "$(pid_in "$dir/etcd.pid")" "$dir/etcd"; then
    cat "$dir/url"
    return
  fi
  need
  # What a kill left behind.
  if [ -z "$given_dir" ] && dir=$(known_dir); then stop_all; fi
  new_dir cluster
  trap 'show_logs; stop_all' EXIT
  local password port_etcd port_peer member
  password=$(random_password)
  start_etcd
  for member in $members; do configure "$member"; done
  . "$dir/ports"
  # The first one initialises, so that which one leads at first is known.
  start_member pg1
  wait_until 90 "pg1 to lead" leads pg1
  create_database
  start_member pg2
  wait_until 90 "pg2 to be the synchronous standby" is_whole
  (umask 077 && printf '%s\n' \
    "postgres://symbolon:$password@127.0.0.1:$port_pg1,127.0.0.1:$port_pg2/symbolon?target_session_attrs=read-write" \
    >"$dir/url")
  trap - EXIT
  cat "$dir/url"
}

start_etcd() {
  local attempt child
  for attempt in 1 2 3 4 5; do
    free_port; port_etcd=$free_port
    free_port; port_peer=$free_port
    rm -rf "$dir/etcd"
    # An unsynced write costs nothing here: etcd itself is not killed.
    (as_daemon "$dir/etcd.log" etcd --name etcd --data-dir "$dir/etcd" --unsafe-no-fsync \
      --listen-client-urls "http://127.0.0.1:$port_etcd" \
      --advertise-client-urls "http://127.0.0.1:$port_etcd" \
      --listen-peer-urls "http://127.0.0.1:$port_peer" \
      --initial-advertise-peer-urls "http://127.0.0.1:$port_peer" \
      --initial-cluster "etcd=http://127.0.0.1:$port_peer") &
    child=$!
    disown
    printf '%s\n' "$child" >"$dir/etcd.pid"
    if wait_until 30 "etcd to answer" etcd_answers_or_ended "$child" && etcd_answers; then return; fi
  done
  die "etcd does not start"
}

etcd_answers() { ask "$port_etcd" /health | grep -q '"true"'; }
etcd_answers_or_ended() { etcd_answers || is_gone "$1"; }

# A member's REST interface or etcd's, briefly.
ask() { curl -s --noproxy '*' --max-time 3 "http://127.0.0.1:$1$2" 2>/dev/null; }

configure() {
  local member=$1 port rest
  free_port; port=$free_port
  free_port; rest=$free_port
  printf 'port_%s=%s\nrest_%s=%s\n' "$member" "$port" "$member" "$rest" >>"$dir/ports"
  mkdir "$dir/$member"
  chmod 700 "$dir/$member"
  (umask 077 && cat >"$dir/$member.yml") <<YML
scope: symbolon
name: $member
restapi: { listen: "127.0.0.1:$rest", connect_address: "127.0.0.1:$rest" }
etcd3: { host: "127.0.0.1:$port_etcd" }
bootstrap:
  dcs:
    ttl: $ttl
    loop_wait: $loop_wait
    retry_timeout: $retry_timeout
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters: { max_connections: 100, max_wal_size: 256MB, wal_keep_size: 64MB, wal_log_hints: "on" }
  initdb: [ encoding: UTF8, locale: C, data-checksums ]
postgresql:
  listen: "127.0.0.1:$port"
  connect_address: "127.0.0.1:$port"
  bin_dir: $bin
  data_dir: $dir/$member/data
  pgpass: $dir/$member/pgpass
  basebackup: { checkpoint: fast }
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  parameters: { unix_socket_directories: "$dir/$member" }
  pg_hba: [ "host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256" ]
  authentication:
    superuser: { username: postgres, password: "$password" }
    replication: { username: replicator, password: "$password" }
YML
  give_to_postgres "$dir/$member" "$dir/$member.yml"
}

start_member() {
  local member=$1
  (as_daemon "$dir/$member.log" patroni "$dir/$member.yml") &
  printf '%s\n' "$!" >"$dir/$member.pid"
  disown
}

create_database() {
  (export PGPASSWORD=$password PGCONNECT_TIMEOUT=5
    exec "$bin/psql" -X -q -w -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port_pg1" -U postgres -d postgres \
      -c "create role symbolon login createdb password '$password'" \
      -c 'create database symbolon owner symbolon')
}

rest_of() { local name=rest_$1; printf '%s\n' "${!name}"; }

# Patroni answers 200 to each of these exactly when it is so.
holds() { [ "$(code "$1" "$2")" = 200 ]; }
code() {
  curl -s --noproxy '*' --max-time 3 -o /dev/null -w '%{http_code}' \
    "http://127.0.0.1:$(rest_of "$1")$2" 2>/dev/null || true
}
leads() { holds "$1" /primary; }
leader() {
  local member
  for member in $members; do
    if leads "$member"; then printf '%s\n' "$member"; return; fi
  done
  return 1
}
other_than() { local member; for member in $members; do [ "$member" = "$1" ] || printf '%s\n' "$member"; done; }
is_whole() { local first; first=$(leader) && holds "$(other_than "$first")" /synchronous; }

open_cluster() {
  dir=$(known_dir) && [ -f "$dir/url" ] || die "no cluster was started"
  . "$dir/ports"
}

# The whole tree below a process, itself first.
tree() {
  local child
  printf '%s\n' "$1"
  for child in $(ps -o pid= --ppid "$1"); do tree "$child"; done
}

# Stops each before any dies, so that nobody notices and nobody new is started meanwhile.
kill_member() {
  local member=$1 patroni postmaster all
  patroni=$(pid_in "$dir/$member.pid")
  postmaster=$(pid_in "$dir/$member/data/postmaster.pid")
  all=
  if runs_in "$patroni" "$dir/$member.yml"; then
    kill -STOP "$patroni"
    all=$(tree "$patroni")
  fi
  if runs_in "$postmaster" "$dir/$member/data"; then
    kill -STOP "$postmaster"
    all="$all $(tree "$postmaster")"
  fi
  [ -n "$all" ] || return 0
  # shellcheck disable=SC2086
  kill -KILL $all 2>/dev/null || true
  local pid
  for pid in $all; do wait_until 10 "process $pid to end" is_gone "$pid"; done
}

kill_primary() {
  local first
  first=$(leader) || die "nobody leads"
  kill_member "$first"
  printf '%s\n' "$first"
}

restart() {
  local member started=
  for member in $members; do
    runs_in "$(pid_in "$dir/$member.pid")" "$dir/$member.yml" && continue
    start_member "$member"
    started="$started $member"
  done
  [ -n "$started" ] || say "nobody was killed"
  wait_until 120 "both to be in step" is_whole || { show_logs; exit 1; }
}

status() {
  local member role first=
  if $json; then printf '{'; fi
  for member in $members; do
    if ! runs_in "$(pid_in "$dir/$member.pid")" "$dir/$member.yml"; then role=killed
    elif leads "$member"; then role=primary
    elif holds "$member" /synchronous; then role=synchronous-standby
    elif holds "$member" /replica; then role=replica
    else role=starting; fi
    if $json; then printf '%s"%s":"%s"' "$first" "$member" "$role"; first=,
    else printf '%s %s\n' "$member" "$role"; fi
  done
  if $json; then printf '}\n'; fi
}

show_logs() {
  local log
  for log in "$dir"/*.log; do
    if [ -f "$log" ]; then printf '== %s\n' "$log" >&2; tail -n 15 "$log" >&2; fi
  done
}

# No order is needed: the data goes with it.
stop_all() {
  local member etcd
  for member in $members; do kill_member "$member" || true; done
  etcd=$(pid_in "$dir/etcd.pid")
  if runs_in "$etcd" "$dir/etcd"; then
    kill -KILL "$etcd"
    wait_until 10 "etcd to end" is_gone "$etcd" || true
  fi
  forget_dir
}

case $command in
  start) start ;;
  stop) if dir=$(known_dir); then stop_all; fi ;;
  url) open_cluster; cat "$dir/url" ;;
  kill-primary) open_cluster; kill_primary ;;
  restart) open_cluster; restart ;;
  wait) open_cluster; wait_until 120 "both to be in step" is_whole || { show_logs; exit 1; } ;;
  status) open_cluster; status ;;
  *) usage ;;
esac
