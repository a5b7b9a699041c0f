"""The device key store: who is signed in on this machine, under which profile, with which key.

One folder per profile, so that several players can share a machine; the private key never leaves its file. Cursors of
the event stream lie beside it. What gateways are trusted is kept by `gateway_keys`, for all profiles together.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client import files
from client.errors import ProfileUnusable

DEFAULT_PROFILE = "default"
FORMAT = 1
_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def home(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of all profiles: GALAXY_HOME, else the platform's own place for settings."""
    given = (os.environ if environment is None else environment).get("GALAXY_HOME")
    return Path(given) if given else platformdirs.user_config_path("galaxy", appauthor=False)


@dataclass(frozen=True)
class Identity:
    """One signed-in device: where, as whom, and the key that speaks for it."""

    gateway_url: str
    edge_url: str
    email: str
    user_id: str
    device_session_id: str
    device_name: str
    private_key: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"Identity({self.email!r} at {self.gateway_url!r}, session {self.device_session_id})"


class KeyStore:
    """The files of one profile."""

    def __init__(self, home: Path, profile: str = DEFAULT_PROFILE) -> None:
        if not _PROFILE_NAME.fullmatch(profile):
            raise ProfileUnusable(
                f"'{profile}' is no profile name: up to 64 letters, digits, dots, dashes and underscores."
            )
        self.profile = profile
        self.folder = home / "profiles" / profile

    def load(self) -> Identity | None:
        """Return the identity of this profile, or None where nobody is signed in."""
        kept = files.read_json(self.folder / "identity.json", secret=True)
        if kept is None:
            return None
        try:
            if kept["format"] != FORMAT:
                raise ProfileUnusable(
                    f"{self.folder} was written by another version of galaxy; sign in again."
                )
            return Identity(
                gateway_url=kept["gateway_url"],
                edge_url=kept["edge_url"],
                email=kept["email"],
                user_id=kept["user_id"],
                device_session_id=kept["device_session_id"],
                device_name=kept["device_name"],
                private_key=Ed25519PrivateKey.from_private_bytes(base64.b64decode(kept["private_key"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProfileUnusable(f"{self.folder} is damaged; sign in again.") from error

    def save(self, identity: Identity) -> None:
        """Keep an identity; the former one of this profile and its cursors are forgotten."""
        self.forget_cursors()
        files.write_json(
            self.folder / "identity.json",
            {
                "format": FORMAT,
                "gateway_url": identity.gateway_url,
                "edge_url": identity.edge_url,
                "email": identity.email,
                "user_id": identity.user_id,
                "device_session_id": identity.device_session_id,
                "device_name": identity.device_name,
                "private_key": base64.b64encode(identity.private_key.private_bytes_raw()).decode(),
            },
        )

    def forget(self) -> None:
        """Forget the identity and its key; harmless where there is none."""
        self.forget_cursors()
        (self.folder / "identity.json").unlink(missing_ok=True)

    def cursors(self) -> dict[str, str]:
        """Return where the event stream was left, by lane."""
        kept: Any = files.read_json(self.folder / "cursors.json")
        return {str(lane): str(cursor) for lane, cursor in kept.items()} if isinstance(kept, dict) else {}

    def save_cursors(self, cursors: Mapping[str, str]) -> None:
        """Keep where the event stream stands."""
        files.write_json(self.folder / "cursors.json", dict(cursors))

    def forget_cursors(self) -> None:
        """Begin the event stream anew next time."""
        (self.folder / "cursors.json").unlink(missing_ok=True)
