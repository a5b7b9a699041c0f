"""Which keys of a gateway this device believes: pinned on first use, kept for all profiles of the machine.

The first set of published keys is taken as it comes (trust on first use). After that a signature by an unknown key is
looked at hard, by `judge`: a rotation is believed only where a key that is already pinned is still published beside the
new one, *and* the list came over a way that nobody can sit on (TLS, or this machine itself); everything else raises
GatewayKeyChanged, loudly, until a person accepts the new key (`galaxy trust`).
"""

import asyncio
import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from client import files
from client.errors import Forged, GatewayKeyChanged, Untrusted
from client.public import PublicApi, PublishedKey

FORMAT = 1


def fingerprint(public_key: bytes) -> str:
    """Return the spelling of a key that people compare, as ssh writes it."""
    return "SHA256:" + base64.b64encode(sha256(public_key).digest()).decode().rstrip("=")


class Change(StrEnum):
    """What an unknown key means."""

    ROTATION = "rotation"  # announced, and the announcement can be believed
    NOT_PUBLISHED = "not published"  # the gateway itself does not know the key: a forgery
    PINNED_KEY_GONE = "none of the keys pinned here is published any more"
    UNPROTECTED = "the change was announced over a connection that anybody may sit on"


def judge(
    pinned: Iterable[PublishedKey], published: Iterable[PublishedKey], key_id: str, *, protected: bool
) -> Change:
    """Decide what it means that an answer is signed by `key_id`, which is not pinned."""
    offered = {key.key_id: key.public_key for key in published}
    if key_id not in offered:
        return Change.NOT_PUBLISHED
    if not any(offered.get(key.key_id) == key.public_key for key in pinned):
        return Change.PINNED_KEY_GONE
    # Whoever can change the list can also leave the old key in it, so that alone proves nothing.
    return Change.ROTATION if protected else Change.UNPROTECTED


@dataclass(frozen=True)
class Rotation:
    """A change of keys that was believed; worth telling."""

    gateway_url: str
    former: str
    present: str


class PinStore:
    """The file of one gateway's pinned keys."""

    def __init__(self, home: Path, gateway_url: str) -> None:
        self.gateway_url = gateway_url
        self._path = home / "gateways" / f"{sha256(gateway_url.encode()).hexdigest()[:24]}.json"

    def load(self) -> list[PublishedKey]:
        """Return the pinned keys, none before the first use."""
        kept = files.read_json(self._path)
        if kept is None:
            return []
        try:
            return [
                PublishedKey(entry["key_id"], base64.b64decode(entry["public_key"]), bool(entry["retired"]))
                for entry in kept["keys"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise Untrusted(
                f"{self._path} is damaged; accept the gateway anew with `galaxy trust`."
            ) from error

    def save(self, keys: Iterable[PublishedKey]) -> None:
        """Replace the pinned keys."""
        files.write_json(
            self._path,
            {
                "format": FORMAT,
                "gateway_url": self.gateway_url,
                "keys": [
                    {
                        "key_id": key.key_id,
                        "public_key": base64.b64encode(key.public_key).decode(),
                        "retired": key.retired,
                    }
                    for key in keys
                ],
            },
        )


class GatewayKeys:
    """Answers which public key stands behind a key id, for one gateway."""

    def __init__(
        self, store: PinStore, public: PublicApi, *, on_rotation: Callable[[Rotation], None] | None = None
    ) -> None:
        self._store = store
        self._public = public
        self._on_rotation = on_rotation
        self._pinned: dict[str, PublishedKey] | None = None
        self._lock = asyncio.Lock()

    async def public_key(self, key_id: str) -> bytes:
        """Return the key that `key_id` names, or raise GatewayKeyChanged or Forged."""
        pinned = self._load()
        if key_id not in pinned:
            async with self._lock:
                pinned = self._load()
                if key_id not in pinned:
                    pinned = await self._meet_unknown(pinned, key_id)
        return pinned[key_id].public_key

    async def pin_first(self) -> None:
        """Pin what the gateway publishes now if nothing is pinned; else see that it is still the same gateway."""
        async with self._lock:
            pinned = self._load()
            active = self._active(await self._public.keys())
            if active.key_id not in pinned:
                await self._meet_unknown(pinned, active.key_id)

    async def accept(self) -> tuple[list[PublishedKey], list[PublishedKey]]:
        """Pin what the gateway publishes now, whatever was pinned; return both sets. For a person who has checked."""
        former = self._store.load()
        published = await self._public.keys()
        self._active(published)
        self._keep(published)
        return former, published

    async def _meet_unknown(self, pinned: dict[str, PublishedKey], key_id: str) -> dict[str, PublishedKey]:
        published = await self._public.keys()
        if not pinned:
            if key_id not in {key.key_id for key in published}:
                raise Forged("The answer is signed by a key that the gateway does not publish.")
            return self._keep(published)
        change = judge(pinned.values(), published, key_id, protected=self._public.protected)
        if change is Change.NOT_PUBLISHED:
            raise Forged("The answer is signed by a key that the gateway does not publish.")
        former = _newest(pinned.values())
        offered = next(key for key in published if key.key_id == key_id)
        if change is not Change.ROTATION:
            raise GatewayKeyChanged(
                self._public.gateway_url,
                fingerprint(former.public_key),
                fingerprint(offered.public_key),
                change.value,
            )
        if self._on_rotation:
            self._on_rotation(
                Rotation(
                    self._public.gateway_url, fingerprint(former.public_key), fingerprint(offered.public_key)
                )
            )
        return self._keep(published)

    @staticmethod
    def _active(published: list[PublishedKey]) -> PublishedKey:
        active = next((key for key in published if not key.retired), None)
        if active is None:
            raise Untrusted("The gateway publishes no key that it signs with.")
        return active

    def _load(self) -> dict[str, PublishedKey]:
        if self._pinned is None:
            self._pinned = {key.key_id: key for key in self._store.load()}
        return self._pinned

    def _keep(self, published: list[PublishedKey]) -> dict[str, PublishedKey]:
        self._store.save(published)
        self._pinned = {key.key_id: key for key in published}
        return self._pinned


def _newest(keys: Iterable[PublishedKey]) -> PublishedKey:
    known = list(keys)
    return next((key for key in known if not key.retired), known[-1])
