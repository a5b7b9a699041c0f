"""Alembic's entry: connects with the DSN it was given and runs each revision in a transaction of its own."""

import asyncio
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        version_table_schema=context.config.attributes["schema"],
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _main() -> None:
    # asyncpg reads `?search_path=` as a server setting, SQLAlchemy takes it for an argument of connect(): move it over.
    parts = urlsplit(context.config.attributes["dsn"])
    server_settings = dict(parse_qsl(parts.query))
    # A migration that cannot get its lock soon must fail rather than stop every query behind it.
    server_settings.update(lock_timeout="5s", statement_timeout="10min", application_name="migrate")
    engine = create_async_engine(
        urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, "", "")),
        poolclass=pool.NullPool,
        connect_args={"server_settings": server_settings},
    )
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_main())
