"""Registering, enabling and finding engine versions."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from backend.cache import TableCache
from backend.engine_versions.errors import VersionExists, VersionInvalid, VersionNotFound
from backend.engine_versions.model import EngineVersion, is_semver, precedence
from backend.engine_versions.options import find_fault, is_usable
from backend.engine_versions.storage import VersionStorage
from backend.leadership.ports import Transactions
from kit.logs import get_logger
from kit.postgres import Connection

_log = get_logger("engine_versions")
Audit = Callable[[Connection], Awaitable[None]]
"""Writes down who did it, in the transaction that does it."""


class EngineVersions:
    """The registry; reads come from the cache."""

    def __init__(
        self, transactions: Transactions, storage: VersionStorage, cache: TableCache[str, EngineVersion]
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._cache = cache

    def find(self, semver: str) -> EngineVersion | None:
        """Return a version, or None."""
        return self._cache.find(semver)

    def is_enabled(self, semver: str) -> bool:
        """Tell whether games may start on a version."""
        found = self._cache.find(semver)
        return found is not None and found.enabled

    def find_option_fault(self, semver: str, options: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the first option that engines of a version do not take, and why; None where all fit or none has run."""
        found = self._cache.find(semver)
        if found is None or found.options_schema is None:
            return None
        return find_fault(found.options_schema, options)

    def default_version(self) -> str | None:
        """Return the newest enabled version, or None."""
        enabled = [row.semver for row in self._cache if row.enabled]
        return max(enabled, key=precedence, default=None)

    def list(self) -> list[EngineVersion]:
        """Return every version, newest first."""
        return sorted(self._cache, key=lambda row: precedence(row.semver), reverse=True)

    async def register(
        self, semver: str, image: str, digest: str | None, *, enabled: bool = True, audit: Audit | None = None
    ) -> EngineVersion:
        """Register a version; the same again gives the registered one. Raises VersionInvalid, VersionExists."""
        if not is_semver(semver):
            raise VersionInvalid(version=semver)
        async with self._transactions.write() as connection:
            registered = await self._storage.insert(connection, semver, image, digest, enabled)
            if registered is None:
                registered = await self._locked(connection, semver)
                if (registered.image, registered.digest) != (image, digest):
                    raise VersionExists(version=semver, image=registered.image)
            elif audit is not None:
                await audit(connection)
        self._cache.put(registered)
        return registered

    async def set_enabled(self, semver: str, enabled: bool, audit: Audit | None = None) -> EngineVersion:
        """Let new games use a version, or not any more. Raises VersionNotFound."""
        if not is_semver(semver):
            raise VersionNotFound(version=semver)
        async with self._transactions.write() as connection:
            await self._locked(connection, semver)
            changed = await self._storage.set_enabled(connection, semver, enabled)
            if audit is not None:
                await audit(connection)
        self._cache.put(changed)
        return changed

    async def learn_options(self, semver: str, schema: Any) -> None:
        """Keep what an engine of a version declares; what is no schema is told in the log and changes nothing."""
        known = self._cache.find(semver)
        if known is None or known.options_schema == schema:
            return
        if not is_usable(schema):
            _log.warning("engine_options_undeclared", engine_version=semver)
            return
        async with self._transactions.write() as connection:
            learned = await self._storage.set_options_schema(connection, semver, schema)
        if learned is not None:
            self._cache.put(learned)
            _log.info("engine_options_learned", engine_version=semver)

    async def forget_options(self, semver: str, audit: Audit | None = None) -> EngineVersion:
        """Judge by no schema until an engine of the version declares one again. Raises VersionNotFound."""
        if not is_semver(semver):
            raise VersionNotFound(version=semver)
        async with self._transactions.write() as connection:
            known = await self._locked(connection, semver)
            forgotten = await self._storage.set_options_schema(connection, semver, None) or known
            if audit is not None:
                await audit(connection)
        self._cache.put(forgotten)
        return forgotten

    async def bootstrap(self, semver: str, image: str) -> None:
        """Register the installation's own version unless it is known; whatever was registered under it stays."""
        if not semver or self.find(semver) is not None:
            return
        await self.register(semver, image or f"galaxy/game:{semver}", None)
        _log.info("engine_version_bootstrapped", engine_version=semver, image=image)

    async def _locked(self, connection: Connection, semver: str) -> EngineVersion:
        found = await self._storage.lock(connection, semver)
        if found is None:
            raise VersionNotFound(version=semver)
        return found
