"""A lane's connections to the relay: kept while they are useful, at most so many at once."""

import asyncio
import time

from mail.smtp.connection import SmtpConnection
from mail.smtp.model import LaneTimeouts, NotSent, Refused, Relay, SendResult, Stage

_IDLE_SECONDS_MAX = 30.0
_MAILS_PER_SESSION_MAX = 500


class SmtpPool:
    """Lends a connection to each send, the one used last first, so that the rest can go idle and be closed."""

    def __init__(self, relay: Relay, timeouts: LaneTimeouts, connections: int) -> None:
        self.relay = relay
        self.timeouts = timeouts
        self.size = connections
        self._slots = asyncio.Semaphore(connections)
        self._idle: list[tuple[float, SmtpConnection]] = []

    async def send(self, recipient: str, message: bytes) -> SendResult:
        """Send one mail to one recipient; waits for a free connection. Raises nothing that the relay can cause."""
        async with self._slots:
            # One deadline for both tries, or a stale session would stretch the send beyond what its lease allows for.
            dot_by = asyncio.get_running_loop().time() + self.timeouts.until_dot.total_seconds()
            after_dot = self.timeouts.after_dot.total_seconds()
            connection, reused = self._take()
            result = await connection.send(recipient, message, dot_by, after_dot)
            if reused and _session_was_stale(result):
                # The relay had ended the idle session; nothing was said about this mail yet.
                connection.abort()
                connection = SmtpConnection(self.relay)
                result = await connection.send(recipient, message, dot_by, after_dot)
            if not connection.open:
                connection.abort()
            elif connection.used >= _MAILS_PER_SESSION_MAX:
                connection.leave()
            else:
                self._idle.append((time.monotonic(), connection))
            return result

    def _take(self) -> tuple[SmtpConnection, bool]:
        stale_before = time.monotonic() - _IDLE_SECONDS_MAX
        while self._idle and self._idle[0][0] < stale_before:
            self._idle.pop(0)[1].abort()
        while self._idle:
            _, connection = self._idle.pop()
            if connection.open:
                return connection, True
            connection.abort()
        return SmtpConnection(self.relay), False

    async def close(self) -> None:
        """End all idle sessions politely; those in use end with their sends."""
        idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.leave()
        await asyncio.sleep(0)  # let them be written


def _session_was_stale(result: SendResult) -> bool:
    match result:
        case NotSent("smtp_connection_lost", error):
            return error.startswith(Stage.MAIL.value)
        case Refused(Stage.MAIL, 421, _):
            return True
        case _:
            return False
