"""What other rooms need of the outbox."""

from typing import Protocol

from backend.outbox.model import Intent, MailCommand, SessionEvent
from kit.postgres import Connection


class Outbox(Protocol):
    """Takes entries inside the transaction that causes them; they leave only if it commits."""

    async def add_intent(self, connection: Connection, intent: Intent) -> bool:
        """Record an intent; tell whether it is new (False: its type and key are known already)."""

    async def add_mail(self, connection: Connection, command: MailCommand) -> bool:
        """Record a mail command; tell whether it is new."""

    async def add_session_event(self, connection: Connection, event: SessionEvent) -> None:
        """Record a session's state where a session stream is configured; otherwise do nothing."""
