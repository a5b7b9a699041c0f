"""What is made inside the stores before the services start; each step may be repeated on what is already there."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from deploy.embedded.postgres import run_sql

# Networks reserved for documentation, so that no real address is ever said to be somewhere.
_DOCUMENTATION_NETWORKS: Mapping[str, str] = {
    "192.0.2.0/24": "DE",
    "198.51.100.0/24": "FR",
    "203.0.113.0/24": "JP",
    "2001:db8::/32": "BR",
}


def close_maintenance_databases(admin_dsn: str) -> None:
    """Keep everybody but superusers out of the databases that every server has. For servers that are ours alone."""
    run_sql(admin_dsn, "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;")


def provision_database(admin_dsn: str, database: str, logins: Mapping[str, tuple[str, str]]) -> None:
    """Make the database and, for each schema, a login that owns it and sees no other.

    `logins` maps schema → (role, password); roles that exist get the password set again. Raises StackError.
    """
    roles = ", ".join(role for role, _ in logins.values())
    run_sql(admin_dsn, "".join(_role(role, password) for role, password in logins.values()))
    known = run_sql(admin_dsn, f"SELECT 1 FROM pg_database WHERE datname = '{database}';")  # noqa: S608 - our own names
    if not known:
        run_sql(admin_dsn, f"CREATE DATABASE {database};")
    run_sql(
        admin_dsn,
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;GRANT CONNECT ON DATABASE {database} TO {roles};",
    )
    run_sql(
        admin_dsn,
        "REVOKE ALL ON SCHEMA public FROM PUBLIC;"
        + "".join(_schema(database, schema, role) for schema, (role, _) in logins.items()),
        database=database,
    )


def drop_database(admin_dsn: str, database: str, logins: Mapping[str, tuple[str, str]]) -> None:
    """Remove the database and its logins, open sessions notwithstanding."""
    run_sql(admin_dsn, f"DROP DATABASE IF EXISTS {database} WITH (FORCE);")
    run_sql(admin_dsn, "".join(f"DROP ROLE IF EXISTS {role};" for role, _ in logins.values()))


def write_geoip_fixture(path: Path) -> None:
    """Write a country database over the documentation networks, unless there is one."""
    if path.exists():
        return
    # Imported here: they are needed once in the life of a folder, and the launcher stays small.
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    writer = MMDBWriter(6, "GeoIP2-Country", ipv4_compatible=True, description="Galaxy fixture")
    for network, country in _DOCUMENTATION_NETWORKS.items():
        writer.insert_network(IPSet([str(ipaddress.ip_network(network))]), {"country": {"iso_code": country}})
    draft = path.with_name(path.name + ".part")
    writer.to_db_file(str(draft))
    draft.replace(path)


def _role(role: str, password: str) -> str:
    # A role of that name may stand from an earlier start; CREATE ROLE knows no IF NOT EXISTS.
    return (
        f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n"
        f"ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}';\n"
    )


def _schema(database: str, schema: str, role: str) -> str:
    return (
        f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role};\n"
        f"ALTER SCHEMA {schema} OWNER TO {role};\n"
        f"ALTER ROLE {role} IN DATABASE {database} SET search_path = {schema};\n"
    )
