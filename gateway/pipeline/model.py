"""What a signed request is, whichever call it came by, and what is learnt about it on its way."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from galaxy.edge.v1 import signing
from gateway.sessions.model import Session


class Call(StrEnum):
    """The two calls of the edge."""

    EXECUTE_COMMAND = "ExecuteCommand"
    SUBSCRIBE_EVENTS = "SubscribeEvents"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it arrived; nothing in it is true until its stage has passed."""

    call: Call
    protocol_version: str
    device_session_id: str
    message_type: str
    timestamp_ms: int
    request_id: str
    payload_bytes: bytes
    payload_hash: bytes
    signature: bytes
    idempotency_key: str = ""
    traceparent: str = ""

    def signed_message(self) -> bytes:
        """Return the bytes that the device signed. The envelope must have passed."""
        return signing.request_message(
            self.protocol_version,
            self.device_session_id,
            self.message_type,
            self.timestamp_ms,
            self.request_id,
            self.idempotency_key,
            self.payload_hash,
        )


class SessionWatch(Protocol):
    """Who must not miss a revocation while the session is being looked up."""

    def before_lookup(self, device_session_id: str) -> None:
        """Hear which session is about to be looked up, by whomever. May raise a Refusal."""

    def found(self, session: Session) -> None:
        """Hear of the session in the moment the lookup ends, with nothing awaited in between."""

    def admitted(self) -> None:
        """Hear that the request is the session's own and within its rates. May raise a Refusal."""


@dataclass(slots=True)
class Passage:
    """One request on its way through the stages."""

    request: SignedRequest
    client_address: str
    """Where it came from, proxies looked through."""
    watch: SessionWatch | None = None
    looked_up: Session | None = None
    held: ExitStack = field(default_factory=ExitStack)
    """Gives back what the stages lent for the time of the request; to be closed by whoever began the passage."""

    @property
    def session(self) -> Session:
        """Return the session; only behind the session stage."""
        assert self.looked_up is not None, "the session stage has not passed"
        return self.looked_up
