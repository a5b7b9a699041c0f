"""What becomes of the entries of `mail:delivery_commands`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kit.logs import get_logger
from kit.postgres import Connection
from kit.streams import Entry
from mail.commands.model import Command, Erase, parse_command
from mail.deliveries.model import Inserted, NewDelivery
from mail.deliveries.storage import DeliveryStorage
from mail.templates.renderer import Templates

_log = get_logger("commands")


@dataclass(frozen=True)
class _Result:
    inserted: Inserted | None
    new: Sequence[NewDelivery]
    erased: int


class CommandHandler:
    """Turns commands into deliveries in the transaction that moves the offset on."""

    def __init__(
        self,
        storage: DeliveryStorage,
        templates: Templates,
        wake: Callable[[], None],
        count_malformed: Callable[[], None],
    ) -> None:
        """`wake` tells the workers that something is due."""
        self._storage = storage
        self._templates = templates
        self._wake = wake
        self._count_malformed = count_malformed

    async def prepare(self, entries: Sequence[Entry]) -> list[Command]:
        """Understand the entries. Raises Malformed for the first that cannot be understood."""
        return [parse_command(entry, self._templates) for entry in entries]

    async def handle(self, connection: Connection, _: Sequence[Entry], prepared: Any) -> _Result:
        """Insert deliveries, then erase users: an erase wins over a send in the same batch, whichever came first."""
        commands: list[Command] = prepared
        new = [command for command in commands if isinstance(command, NewDelivery)]
        inserted = await self._storage.insert(connection, new) if new else None
        erased = 0
        for command in commands:
            if isinstance(command, Erase):
                erased += await self._storage.erase_user(connection, command.user_id)
        return _Result(inserted, new, erased)

    async def record_malformed(self, connection: Connection, entry: Entry, reason: str) -> None:
        """Keep a bad command with its raw bytes and stream id."""
        await self._storage.insert_malformed(connection, entry.id, entry.raw(), reason)
        self._count_malformed()

    def committed(self, result: _Result) -> None:
        """Wake the workers at once and write one line a delivery."""
        if result.inserted is not None:
            if result.inserted.created:
                self._wake()
            for delivery in result.new:
                if delivery.delivery_id in result.inserted.created | result.inserted.suppressed:
                    _log.info(
                        "delivery_accepted",
                        delivery_id=delivery.delivery_id,
                        source=delivery.source,
                        template_id=delivery.template_id,
                        suppressed=delivery.delivery_id in result.inserted.suppressed,
                        request_id=delivery.request_id,
                        trace_id=delivery.trace_id,
                    )
            if result.inserted.conflicting:
                _log.warning("command_conflicts", count=result.inserted.conflicting)
        if result.erased:
            _log.info("user_erased", open_deliveries=result.erased)
