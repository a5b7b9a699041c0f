"""`Galaxy`: a player's device at one platform, the way into everything else.

async with Galaxy(profile="alice") as galaxy:
    if not galaxy.signed_in:
        await galaxy.sign_in("alice@example.org", code=lambda: input("code: "))
    for game in (await galaxy.lobby.games(mine=True)).items:
        print(game.name, game.state)
    async for event in galaxy.events():
        print(event.event_type, event.payload)
"""

import inspect
import platform
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client import keys
from client.calls.account import AccountCalls, SessionCalls
from client.calls.caller import Caller
from client.calls.lobby import LobbyCalls
from client.calls.play import PlayCalls
from client.clock_skew import SkewedClock
from client.errors import GalaxyError, NotSignedIn
from client.events import EventStream
from client.events.stream import Watchfulness
from client.gateway_keys import GatewayKeys, PinStore, Rotation
from client.public import PublicApi
from client.signing import DeviceSigner
from client.time_zone import local_time_zone
from client.transport import EdgeTransport, Patience
from kit.clock import Clock, SystemClock

DEFAULT_GATEWAY_URL = "http://127.0.0.1:8080"
DEFAULT_EDGE_URL = "http://127.0.0.1:9090"

AskCode = Callable[[], str | Awaitable[str]]


@dataclass(frozen=True)
class SignedIn:
    """What a sign-in brought."""

    identity: keys.Identity
    new_account: bool


@dataclass(frozen=True)
class SentCode:
    """A code that is on its way to a mailbox, and the key of the device that will confirm it."""

    email: str
    challenge_id: str
    mail_delayed: bool
    private_key: Ed25519PrivateKey = field(repr=False)


class Galaxy:
    """One profile of this machine, signed in or not. Use as an async context manager.

    `on_rotation` hears of a believed change of the gateway's key; such a change should not go by in silence.
    """

    def __init__(
        self,
        profile: str = keys.DEFAULT_PROFILE,
        *,
        home: Path | None = None,
        gateway_url: str | None = None,
        edge_url: str | None = None,
        patience: Patience | None = None,
        clock: Clock | None = None,
        on_rotation: Callable[[Rotation], None] | None = None,
    ) -> None:
        self._home = home or keys.home()
        self._store = keys.KeyStore(self._home, profile)
        self._gateway_url = gateway_url
        self._edge_url = edge_url
        self._patience = patience
        self._clock = SkewedClock(clock or SystemClock())
        self._on_rotation = on_rotation
        self._stack = AsyncExitStack()
        self._identity: keys.Identity | None = None
        self._transport: EdgeTransport | None = None

    async def __aenter__(self) -> Self:
        identity = self._store.load()
        if identity is not None:
            await self._connect(identity)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def signed_in(self) -> bool:
        """Tell whether this profile holds a session; the platform may have ended it meanwhile."""
        return self._identity is not None

    @property
    def identity(self) -> keys.Identity:
        """Return who is signed in, or raise NotSignedIn."""
        if self._identity is None:
            raise NotSignedIn(f"Nobody is signed in under the profile '{self._store.profile}'.")
        return self._identity

    @property
    def gateway_url(self) -> str:
        """Return the address that sign-in and key look-ups go to."""
        known = self._identity.gateway_url if self._identity else DEFAULT_GATEWAY_URL
        return (self._gateway_url or known).rstrip("/")

    @property
    def edge_url(self) -> str:
        """Return the address that commands and events go to."""
        known = self._identity.edge_url if self._identity else DEFAULT_EDGE_URL
        return (self._edge_url or known).rstrip("/")

    @property
    def account(self) -> AccountCalls:
        """The player's account."""
        return AccountCalls(self.caller)

    @property
    def sessions(self) -> SessionCalls:
        """The player's signed-in devices."""
        return SessionCalls(self.caller)

    @property
    def lobby(self) -> LobbyCalls:
        """Games before and around play."""
        return LobbyCalls(self.caller)

    @property
    def play(self) -> PlayCalls:
        """Orders, turns, reports."""
        return PlayCalls(self.caller)

    @property
    def caller(self) -> Caller:
        """What runs any command by its message type."""
        return Caller(self._connected())

    def events(
        self,
        *,
        resume_after: Mapping[str, str] | None = None,
        watchfulness: Watchfulness | None = None,
        on_interruption: Callable[[GalaxyError], None] | None = None,
    ) -> EventStream:
        """Return the player's event stream, beginning now or behind the given cursors.

        `on_interruption` hears once of each loss of the connection.
        """
        return EventStream(
            self._connected(),
            self.identity.user_id,
            resume_after=resume_after,
            watchfulness=watchfulness,
            on_interruption=on_interruption,
        )

    def kept_cursors(self) -> dict[str, str]:
        """Return the cursors that were kept for this profile."""
        return self._store.cursors()

    def keep_cursors(self, cursors: Mapping[str, str]) -> None:
        """Keep cursors for a later `events(resume_after=galaxy.kept_cursors())`."""
        self._store.save_cursors(cursors)

    async def sign_in(
        self, email: str, code: AskCode, *, device_name: str | None = None, locale: str | None = None
    ) -> SignedIn:
        """Sign this device in: a code goes to the address, `code()` is asked for it, a new key is made and kept.

        `locale` is the language of the code's mail; by default the account's own, English for a new one.
        Pins the gateway's keys on first use. A former session of this profile is forgotten here, not ended there. Where a
        wrong code should be asked for again, use `send_code` and `confirm_code`.
        Raises Refused (wrong code, too many codes), CannotReach, GatewayKeyChanged.
        """
        sent = await self.send_code(email, locale)
        given = code()
        text = await given if inspect.isawaitable(given) else given
        return await self.confirm_code(sent, text, device_name=device_name)

    async def send_code(self, email: str, locale: str | None = None) -> SentCode:
        """Have a code sent to an address, in place of one sent before. Raises as `sign_in` does."""
        public = PublicApi(self.gateway_url)
        await self._gateway_keys(public).pin_first()
        challenge = await public.send_email_code(email, locale)
        return SentCode(
            email,
            challenge["challenge_id"],
            bool(challenge.get("mail_delayed")),
            Ed25519PrivateKey.generate(),
        )

    async def confirm_code(self, sent: SentCode, code: str, *, device_name: str | None = None) -> SignedIn:
        """Sign this device in with a code that was sent.

        May be called again with the same `sent`: after a wrong code while there are tries left (the refusal's
        `details["tries_left"]`), and after a lost answer. Raises as `sign_in` does.
        """
        name = device_name or platform.node() or "galaxy"
        session = await PublicApi(self.gateway_url).confirm_email_code(
            sent.challenge_id,
            code.strip(),
            sent.private_key.public_key().public_bytes_raw(),
            local_time_zone(),
            name,
        )
        identity = keys.Identity(
            gateway_url=self.gateway_url,
            edge_url=self.edge_url,
            email=sent.email,
            user_id=session["user_id"],
            device_session_id=session["device_session_id"],
            device_name=name,
            private_key=sent.private_key,
        )
        self._store.save(identity)
        await self._stack.aclose()
        await self._connect(identity)
        return SignedIn(identity, bool(session.get("new_account")))

    async def sign_out(self) -> None:
        """End this device's session at the platform and forget its key here, in that order."""
        await self.sessions.revoke(self.identity.device_session_id)
        await self.forget()

    async def forget(self) -> None:
        """Forget the key of this profile; the session itself stays until it is revoked or runs out."""
        self._store.forget()
        self._identity = None
        self._transport = None
        await self._stack.aclose()

    def gateway_keys(self) -> GatewayKeys:
        """Return what this machine knows of the gateway's keys."""
        return self._gateway_keys(PublicApi(self.gateway_url))

    def _gateway_keys(self, public: PublicApi) -> GatewayKeys:
        return GatewayKeys(PinStore(self._home, public.gateway_url), public, on_rotation=self._on_rotation)

    async def _connect(self, identity: keys.Identity) -> None:
        self._identity = identity
        transport = EdgeTransport(
            self.edge_url,
            DeviceSigner(identity.device_session_id, identity.private_key),
            self.gateway_keys(),
            self._clock,
            self._patience,
        )
        self._transport = await self._stack.enter_async_context(transport)

    def _connected(self) -> EdgeTransport:
        if self._transport is None:
            _ = self.identity
            raise AssertionError("use Galaxy as an async context manager")
        return self._transport
