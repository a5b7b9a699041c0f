"""Engine versions in Postgres."""

from collections.abc import Mapping
from typing import Any

from backend.engine_versions.model import EngineVersion
from kit.postgres import Connection
from kit.sql import load_queries


class VersionStorage:
    """Rows of `engine_versions`."""

    def __init__(self) -> None:
        self._queries = load_queries(__package__)

    async def list(self, connection: Connection) -> list[EngineVersion]:
        """Return every version, in no promised order."""
        return [_version(row) for row in await connection.fetch(self._queries["list"])]

    async def insert(
        self, connection: Connection, semver: str, image: str, digest: str | None, enabled: bool
    ) -> EngineVersion | None:
        """Insert a version; None where it is there already."""
        row = await connection.fetchrow(self._queries["insert"], semver, image, digest, enabled)
        return _version(row) if row else None

    async def lock(self, connection: Connection, semver: str) -> EngineVersion | None:
        """Return a version that nobody else can change until the transaction ends."""
        row = await connection.fetchrow(self._queries["lock"], semver)
        return _version(row) if row else None

    async def set_enabled(self, connection: Connection, semver: str, enabled: bool) -> EngineVersion:
        """Enable or disable a locked version."""
        return _version(await connection.fetchrow(self._queries["set_enabled"], semver, enabled))

    async def set_options_schema(
        self, connection: Connection, semver: str, schema: Mapping[str, Any] | None
    ) -> EngineVersion | None:
        """Note what a version declares, or that nobody knows; None where that is noted already."""
        row = await connection.fetchrow(self._queries["set_options_schema"], semver, schema)
        return _version(row) if row else None


def _version(row: Any) -> EngineVersion:
    return EngineVersion(
        row["version"],
        row["image"],
        row["digest"],
        row["enabled"],
        row["registered_at"],
        row["options_schema"],
        row["revision"],
    )
