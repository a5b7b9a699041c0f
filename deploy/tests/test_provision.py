"""What the services find in the stores: a schema of their own, and nothing of anybody else's."""

import secrets

import asyncpg
import geoip2.database
import pytest

from deploy.embedded.provision import drop_database, provision_database, write_geoip_fixture
from deploy.embedded.stack import SCHEMAS, service_dsn
from kit.migrate import migrate


@pytest.fixture
def provisioned(postgres_admin_dsn):
    """A database with a login per service; gives schema → DSN."""
    suffix = "_" + secrets.token_hex(4)
    database = f"galaxy{suffix}"
    logins = {schema: (schema + suffix, secrets.token_hex(8)) for schema in SCHEMAS}
    for _ in range(2):  # the second start finds everything there
        provision_database(postgres_admin_dsn, database, logins)
    yield {schema: service_dsn(postgres_admin_dsn, database, logins[schema], schema) for schema in SCHEMAS}
    drop_database(postgres_admin_dsn, database, logins)


@pytest.mark.stores
async def test_a_login_owns_its_schema_and_sees_no_other(provisioned):
    backend = await asyncpg.connect(provisioned["backend"])
    mail = await asyncpg.connect(provisioned["mail"])
    try:
        await backend.execute("CREATE TABLE secret_games (name text)")
        assert await backend.fetchval("SELECT to_regclass('backend.secret_games') IS NOT NULL")
        for forbidden in (
            "SELECT * FROM backend.secret_games",
            "CREATE TABLE backend.intruder (name text)",
            "CREATE TABLE public.intruder (name text)",
            "CREATE SCHEMA intruder",
            "CREATE ROLE intruder",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await mail.execute(forbidden)
    finally:
        await backend.close()
        await mail.close()


@pytest.mark.stores
async def test_a_service_may_migrate_the_schema_that_it_owns(provisioned, tmp_path):
    (tmp_path / "00001_init.sql").write_text("CREATE TABLE deliveries (id text PRIMARY KEY);")
    (tmp_path / "00001_init.py").write_text(
        "from kit.migrate import run_sql_beside\nrevision, down_revision = '00001', None\n"
        "def upgrade(): run_sql_beside(__file__)\n"
    )
    assert await migrate(provisioned["mail"], "mail", tmp_path) == "00001"
    connection = await asyncpg.connect(provisioned["mail"])
    try:
        assert await connection.fetchval("SELECT count(*) FROM deliveries") == 0
    finally:
        await connection.close()


def test_the_geoip_fixture_knows_documentation_networks_alone(tmp_path):
    """backend-runbook:55-57."""
    path = tmp_path / "geoip.mmdb"
    write_geoip_fixture(path)
    with geoip2.database.Reader(path) as reader:
        assert reader.country("192.0.2.7").country.iso_code == "DE"
        assert reader.country("2001:db8::1").country.iso_code == "BR"
        with pytest.raises(geoip2.errors.AddressNotFoundError):
            reader.country("127.0.0.1")
