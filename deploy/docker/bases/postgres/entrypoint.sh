#!/bin/bash
# First start: makes the cluster from POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, and runs the .sql and .sh files
# of /docker-entrypoint-initdb.d. Every start: runs the given command as the user postgres.
set -euo pipefail
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" && chown postgres:postgres "$PGDATA" && chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?a first start needs POSTGRES_PASSWORD}"
  initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-host=scram-sha-256 --auth-local=trust
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  # Without a TCP listener a health check over TCP fails until the files have run.
  pg_ctl start -w -o "-c listen_addresses='' -k /tmp"
  if [ "$database" != postgres ]; then createdb -h /tmp -U "$user" "$database"; fi
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) PGHOST=/tmp bash "$file" ;;
      *.sql) psql -h /tmp -U "$user" -d "$database" -v ON_ERROR_STOP=1 -f "$file" ;;
    esac
  done
  pg_ctl stop -w -m fast
fi
if [ "${1:-}" = postgres ]; then
  shift
  exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
fi
exec "$@"
