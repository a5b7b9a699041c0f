"""What operators do with deliveries: look, and send again."""

from collections.abc import Callable

from kit.ids import is_uuid
from kit.logs import get_logger
from kit.postgres import Database
from mail.deliveries.errors import AlreadySent, BeingSent, CodeOver, DeliveryNotFound, DeliverySuppressed
from mail.deliveries.model import Attempt, DeadLetter, Delivery, DeliveryState
from mail.deliveries.storage import DeliveryStorage

_log = get_logger("deliveries")


class Deliveries:
    """The operator's view of the room."""

    def __init__(self, database: Database, storage: DeliveryStorage, wake: Callable[[], None]) -> None:
        """`wake` tells the workers that something is due."""
        self._database = database
        self._storage = storage
        self._wake = wake

    async def list_page(
        self, state: DeliveryState | None, limit: int, offset: int
    ) -> tuple[list[Delivery], int]:
        """Return deliveries, newest first, and how many there are."""
        async with self._database.connection() as connection:
            return await self._storage.list_page(connection, state, limit, offset)

    async def get(self, delivery_id: str) -> Delivery:
        """Return one delivery. Raises DeliveryNotFound."""
        async with self._database.connection() as connection:
            found = await self._storage.find(connection, delivery_id) if is_uuid(delivery_id) else None
        if found is None:
            raise DeliveryNotFound
        return found

    async def list_attempts(self, delivery_id: str) -> list[Attempt]:
        """Return every attempt of a delivery, resends included, by number. Raises DeliveryNotFound."""
        await self.get(delivery_id)
        async with self._database.connection() as connection:
            return await self._storage.list_attempts(connection, delivery_id)

    async def list_dead_letters(self, limit: int, offset: int) -> tuple[list[DeadLetter], int]:
        """Return dead letters, newest first, and how many there are."""
        async with self._database.connection() as connection:
            return await self._storage.list_dead_letters(connection, limit, offset)

    async def resend(self, delivery_id: str) -> Delivery:
        """Arm a delivery for another series of attempts, due at once; its numbers go on.

        Allowed while pending, retrying or dead-lettered. An operator's judgement outweighs what a relay once said: an
        unknown mailbox is tried again. Raises DeliveryNotFound, AlreadySent, BeingSent, DeliverySuppressed, CodeOver.
        """
        if not is_uuid(delivery_id):
            raise DeliveryNotFound
        async with self._database.transaction() as connection:
            locked = await self._storage.lock(connection, delivery_id)
            if locked is None:
                raise DeliveryNotFound
            state, hashed, over = locked
            match state:
                case DeliveryState.SENT:
                    raise AlreadySent
                case DeliveryState.SENDING:
                    raise BeingSent
                case DeliveryState.SUPPRESSED:
                    raise DeliverySuppressed
                case DeliveryState.PENDING | DeliveryState.RETRYING | DeliveryState.DEAD_LETTERED:
                    if over:
                        raise CodeOver
            await self._storage.delete_suppression(connection, hashed)
            await self._storage.rearm(connection, delivery_id)
            armed = await self._storage.find(connection, delivery_id)
        assert armed is not None
        _log.info("delivery_rearmed", delivery_id=delivery_id, state_before=state)
        self._wake()
        return armed
