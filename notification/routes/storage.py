"""Routes in Postgres; claims are kit.outbox's part of the same table."""

from collections.abc import Sequence

from kit.ids import NewId, uuid7
from kit.outbox import Claim
from kit.postgres import Connection
from kit.sql import load_queries
from notification.routes.model import NewRoute, RoutePayload, RouteState


class RouteStorage:
    """Reads and writes the room's tables; whoever calls opens the transaction."""

    def __init__(self, new_id: NewId = uuid7) -> None:
        self._queries = load_queries(__package__)
        self._new_id = new_id

    async def insert(self, connection: Connection, routes: Sequence[tuple[str, NewRoute]]) -> None:
        """Insert routes, each with the id of its record."""
        if not routes:
            return
        await connection.execute(
            self._queries["insert_routes"],
            [self._new_id() for _ in routes],
            [record_id for record_id, _ in routes],
            [r.route_id for _, r in routes],
            [r.channel.value for _, r in routes],
            [(RouteState.SKIPPED if r.skip_reason else RouteState.PENDING).value for _, r in routes],
            [r.skip_reason.value if r.skip_reason else None for _, r in routes],
            [r.user_id for _, r in routes],
            [r.address for _, r in routes],
            [r.locale for _, r in routes],
            [r.time_zone for _, r in routes],
            [r.display_name for _, r in routes],
            [r.unsubscribe_url for _, r in routes],
            [r.not_before for _, r in routes],
        )

    async def skip_user(self, connection: Connection, user_id: str) -> int:
        """Skip the open routes of a deleted account and forget its address; return how many were open."""
        rows = await connection.fetch(self._queries["skip_routes_of_user"], user_id)
        return sum(1 for row in rows if row["was_open"])

    async def list_payloads(self, connection: Connection, claims: Sequence[Claim]) -> dict[str, RoutePayload]:
        """Return what is needed to publish those of one token's claims that are still ours."""
        rows = await connection.fetch(self._queries["list_payloads"], [c.id for c in claims], claims[0].token)
        return {row["id"]: RoutePayload(**dict(row)) for row in rows}
