"""Redis (or Valkey): one client a process, password always, bounded waits, our own failure type."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from pydantic import Field, SecretStr
from redis import exceptions as refusals
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from kit.absence import StoreAway
from kit.duration import Duration
from kit.logs import get_logger
from kit.settings import CommaList, Group

_log = get_logger("redis")


class RedisUnavailable(StoreAway):
    """Redis cannot be reached, is loading, or refuses writes; the work may be tried again after a moment."""


AWAY: tuple[type[Exception], ...] = (
    refusals.ConnectionError,
    refusals.TimeoutError,
    refusals.BusyLoadingError,
    refusals.ReadOnlyError,
    OSError,
)
"""Client errors that mean "not there just now"."""

_NO_START: tuple[type[Exception], ...] = (*AWAY, refusals.AuthenticationError)


class RedisSettings(Group):
    """How to reach Redis; traffic is password-protected and in clear by policy."""

    master_addr: str = Field(description="host:port of the Redis master")
    password: SecretStr = Field(description="connection password")
    replica_addrs: CommaList = Field((), description="read replicas; reserved, not used yet")
    db: int = Field(0, ge=0, description="database number")
    key_prefix: str = Field("", description="put before every key and stream name")
    operation_timeout: Duration = Field(timedelta(seconds=2), description="longest wait for one answer")

    def key(self, name: str) -> str:
        """Return `name` as it is spelled in this deployment."""
        return self.key_prefix + name


RETIRED_REDIS = {
    "REDIS_TLS_ENABLED": "is retired: Redis traffic is password-protected and not encrypted; remove it",
    "REDIS_USERNAME": "is retired: only the password is used; remove it",
}
"""Retired variables of every service, without its prefix."""


def retired_redis_variables(prefix: str) -> dict[str, str]:
    """Spell the retired Redis variables out for one service's prefix."""
    return {prefix + name: sentence for name, sentence in RETIRED_REDIS.items()}


def redis_client(settings: RedisSettings, *, max_connections: int = 32) -> "Redis":
    """Build a client that has not connected yet, for parts that wait for Redis by themselves.

    It does not retry inside a call: the callers own their backoff.
    """
    host, _, port = settings.master_addr.rpartition(":")
    return Redis(
        host=host or "127.0.0.1",
        port=int(port),
        db=settings.db,
        password=settings.password.get_secret_value(),
        socket_timeout=settings.operation_timeout.total_seconds(),
        socket_connect_timeout=settings.operation_timeout.total_seconds(),
        retry=Retry(NoBackoff(), 0),
        max_connections=max_connections,
        protocol=2,
    )


@asynccontextmanager
async def open_redis(settings: RedisSettings, *, max_connections: int = 32) -> AsyncIterator["Redis"]:
    """Open the process's client after one bounded PING; a Redis that would forget is told of in the log.

    Raises RedisUnavailable when there is no answer or the password is refused.
    """
    client = redis_client(settings, max_connections=max_connections)
    try:
        try:
            await client.ping()
        except _NO_START as error:
            raise RedisUnavailable(f"{settings.master_addr}: {error}") from error
        await tell_durability(client)
        yield client
    finally:
        await client.aclose()


async def tell_durability(client: "Redis") -> None:
    """Look whether Redis keeps an append-only file, and say so in the log where it does not. Raises RedisUnavailable.

    Without one a crash of Redis loses all that was handed over since its last snapshot, if there is any: intents, events
    and mails that nobody had read yet. That will do for trying things out, and not for players.
    """
    try:
        info = await client.info("persistence")
    except AWAY as error:
        raise RedisUnavailable(str(error)) from error
    except refusals.ResponseError as error:
        _log.warning("redis_durability_unknown", reason=str(error))
        return
    if info.get("aof_enabled") != 1:
        _log.error("redis_not_durable", wanted="appendonly yes, appendfsync everysec or always")
