#!/bin/bash
# First start of the database: a login for each service, which owns its own schema and sees no other.
set -euo pipefail
run() { psql --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"; }

run --command 'REVOKE ALL ON SCHEMA public FROM PUBLIC' --command "REVOKE ALL ON DATABASE $POSTGRES_DB, postgres, template1 FROM PUBLIC"
for service in backend notification mail; do
  password=$(printenv "${service^^}_PASSWORD")
  run --set service="$service" --set role="galaxy_$service" --set password="$password" --set database="$POSTGRES_DB" <<'SQL'
CREATE ROLE :"role" LOGIN PASSWORD :'password';
GRANT CONNECT ON DATABASE :"database" TO :"role";
CREATE SCHEMA :"service" AUTHORIZATION :"role";
ALTER ROLE :"role" IN DATABASE :"database" SET search_path = :"service";
SQL
done
