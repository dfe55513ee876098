# What server.sh and cluster.sh share. Sourced, not run.
#
# PostgreSQL refuses to run as root, so root runs it as the user that Debian's package makes. Data lies
# in a directory of its own under /tmp (or the one given with --dir), because that user may not be able
# to reach this checkout.

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# The newest server of Debian's packages; they are not on PATH.
postgres_bin() {
  local found
  found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -n "$found" ] && [ -x "$found/postgres" ] ||
    die "PostgreSQL's server is not installed; on Debian: apt-get install postgresql"
  printf '%s\n' "$found"
}

# Runs a program as the user of the database. It takes the place of the shell it is called in, so that
# in the background its process id is the program's.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid postgres --regid postgres --init-groups --reset-env \
      env PATH="$PATH" LC_ALL=C.UTF-8 "$@"
  fi
  exec env LC_ALL=C.UTF-8 "$@"
}

# The same for a server that outlives this script, in a session of its own, with its words in a file. What
# the caller has open besides, a lock perhaps, does not stay open with it.
as_daemon() {
  local log=$1 open
  shift
  exec >>"$log" 2>&1 </dev/null
  for open in /proc/self/fd/*; do
    open=${open##*/}
    if [ "$open" -gt 2 ]; then eval "exec $open>&-"; fi
  done
  as_postgres setsid "$@"
}

give_to_postgres() {
  if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$@"; fi
}

# A port of 127.0.0.1 on which nothing listens. Whoever takes it may still be too late.
free_port() {
  local port attempt
  for attempt in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    case " ${taken_ports:-} " in *" $port "*) continue ;; esac
    if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      taken_ports="${taken_ports:-} $port"
      free_port=$port
      return
    fi
  done
  die "no free port after $attempt attempts"
}

# wait_until SECONDS WHAT COMMAND...: asks again until the command succeeds.
wait_until() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { say "waited in vain: $what"; return 1; }
    sleep 0.2
  done
}

is_running() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null && ! is_zombie "$1"; }
is_gone() { ! is_running "$1"; }
is_zombie() { [ "$(ps -o stat= -p "$1" 2>/dev/null | cut -c1)" = Z ]; }

# A process id from a file's first line; nothing if there is none.
pid_in() { head -n 1 "$1" 2>/dev/null || true; }

# Whether a process is the one that was started: numbers are used again.
runs_in() { is_running "$1" && tr '\0' '\n' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$2"; }

# The directory of a server that was started before, from --dir or from the mark under target/.
known_dir() {
  local dir=${given_dir:-$(cat "$mark" 2>/dev/null || true)}
  [ -n "$dir" ] && [ -d "$dir" ] || return 1
  printf '%s\n' "$dir"
}

# Makes the directory: a new one, or the one that was given, which must be empty and within reach.
new_dir() {
  if [ -n "$given_dir" ]; then
    mkdir -p "$given_dir"
    dir=$(cd "$given_dir" && pwd)
    [ -z "$(ls -A "$dir")" ] || die "$dir is not empty"
  else
    dir=$(mktemp -d "${TMPDIR:-/tmp}/symbolon-$1.XXXXXX")
    mkdir -p "$(dirname "$mark")"
    printf '%s\n' "$dir" >"$mark"
  fi
  chmod 700 "$dir"
  give_to_postgres "$dir"
  (as_postgres test -w "$dir") || die "the user postgres cannot write to $dir; give another --dir"
}

forget_dir() {
  rm -rf "$dir"
  if [ -z "$given_dir" ]; then rm -f "$mark"; fi
}

random_password() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
