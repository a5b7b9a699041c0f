"""What an error of the RPC layer means: one table for commands and streams."""

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from client.errors import CannotReach, GalaxyError, InvalidRequest, NotSignedIn, SessionRevoked, TooBusy
from galaxy.edge.v1.edge_pb2 import RefusalDetail

_DETAIL = "galaxy.edge.v1.RefusalDetail"
_REVOKED = "device session is revoked"
_TOO_LARGE = "payload_too_large"
# What the RPC library says by itself, here of an answer or on the way there: it will be as large the next time.
_OVERSIZED = "message is larger than configured max"
_NOBODY_THERE = "error sending request"


class Remedy(Enum):
    """What may help after a failed attempt."""

    GIVE_UP = auto()
    REPEAT = auto()  # the same intention again, after a while, under a new request id
    LEARN_TIME = auto()  # the same at once, after the clock was put right


@dataclass(frozen=True)
class Failure:
    """A failed attempt: what may help, and what to raise if nothing does."""

    remedy: Remedy
    error: GalaxyError
    detail: RefusalDetail | None = None

    @property
    def wait_seconds(self) -> float:
        """Return how long the gateway asks to wait, 0 where it does not say."""
        return self.detail.retry_after_ms / 1000 if self.detail else 0.0


def failure(error: ConnectError, edge_url: str) -> Failure:
    """Say what an RPC error means. A cancellation of our own task comes out as what it is."""
    # connectrpc dresses a cancelled task up as an RPC error; asyncio needs the bare one back.
    if isinstance(error.__cause__, asyncio.CancelledError):
        raise error.__cause__
    detail = _refusal_detail(error)
    # What the transport says when nobody listens names sockets and system errors; the cause keeps it for programs.
    why = "." if _NOBODY_THERE in error.message else f": {error.message}"
    away = CannotReach(f"The gateway at {edge_url} does not answer{why}")
    match error.code:
        case Code.UNAUTHENTICATED:
            return Failure(Remedy.GIVE_UP, NotSignedIn("The platform does not know this device any more."))
        case Code.FAILED_PRECONDITION:
            return _precondition(error, detail)
        case Code.RESOURCE_EXHAUSTED:
            return _exhausted(error, detail)
        case Code.INVALID_ARGUMENT | Code.UNIMPLEMENTED | Code.NOT_FOUND | Code.OUT_OF_RANGE:
            return Failure(Remedy.GIVE_UP, InvalidRequest(error.code.value, error.message))
        case _:
            # UNAVAILABLE and DEADLINE_EXCEEDED above all; but INTERNAL too: once is no pattern.
            return Failure(Remedy.REPEAT, away, detail)


def _exhausted(error: ConnectError, detail: RefusalDetail | None) -> Failure:
    if (detail and detail.reason == _TOO_LARGE) or (not detail and _OVERSIZED in error.message):
        return Failure(Remedy.GIVE_UP, InvalidRequest(_TOO_LARGE, error.message))
    wait = detail.retry_after_ms / 1000 if detail else 0.0
    return Failure(Remedy.REPEAT, TooBusy(wait), detail)


def _precondition(error: ConnectError, detail: RefusalDetail | None) -> Failure:
    reason = detail.reason if detail else ""
    if reason == "session_revoked" or error.message == _REVOKED:
        return Failure(Remedy.GIVE_UP, SessionRevoked())
    if reason == "stale_timestamp":
        wrong = CannotReach("This machine's clock is wrong, and the gateway's time could not be learned.")
        return Failure(Remedy.LEARN_TIME, wrong, detail)
    if reason == "replayed_request":
        # Ids are never used twice here: something on the way delivered the request twice, or the gateway's memory of
        # ids is being rebuilt. The idempotency key makes a repetition safe either way.
        return Failure(
            Remedy.REPEAT, CannotReach("The gateway took the request for a replay, repeatedly."), detail
        )
    return Failure(Remedy.GIVE_UP, InvalidRequest(reason or "failed_precondition", error.message))


def _refusal_detail(error: ConnectError) -> RefusalDetail | None:
    for each in error.details:
        if each.type_name == _DETAIL:
            return RefusalDetail.FromString(each.message_bytes)
    return None
