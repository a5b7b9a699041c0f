"""The secrets of one installation: made once, kept in files that only their owner may read."""

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.errors import FolderError


def _token() -> str:
    return secrets.token_urlsafe(24)


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _password() -> str:
    """Sixteen characters in four groups, none of them easily mistaken for another."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


_MAKERS: Mapping[str, Callable[[], str]] = {
    "postgres_superuser": lambda: secrets.token_hex(24),
    "postgres_backend": lambda: secrets.token_hex(24),
    "postgres_notification": lambda: secrets.token_hex(24),
    "postgres_mail": lambda: secrets.token_hex(24),
    "redis": lambda: secrets.token_hex(24),
    "token_gateway_backend": _token,
    "token_notification_backend": _token,
    "token_backend_mail": _token,
    "seal_key": _key,
    "auth_hash_key": _key,
    "address_hash_key": _key,
    "operator_password": _password,
}


@dataclass(frozen=True)
class Credentials:
    """All secrets by name, and the gateway's signing key as a file."""

    values: Mapping[str, str]
    signer_key_path: Path

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def __repr__(self) -> str:
        return f"Credentials({', '.join(sorted(self.values))})"


def ensure_credentials(folder: Path) -> Credentials:
    """Read the secrets in `folder`, make whatever is missing (all at first, new ones after an upgrade), return them.

    Raises FolderError when the file is there but cannot be read as what it is.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    path = folder / "secrets.json"
    values = _read(path)
    missing = {name: make() for name, make in _MAKERS.items() if name not in values}
    if missing:
        values |= missing
        write_private(path, (json.dumps(values, indent=2) + "\n").encode())
    signer = folder / "signer.pem"
    if not signer.exists():
        write_private(signer, _signer_key())
    for kept in (path, signer):
        kept.chmod(0o600)
    return Credentials(values, signer)


def write_private(path: Path, content: bytes) -> None:
    """Put a file there whole or not at all, readable by its owner alone from the first byte on."""
    draft = path.with_name(path.name + ".part")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_bytes())
    except ValueError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise FolderError(
            f"The secrets in {path} cannot be read; without them the stored data cannot be opened.",
            remedy="Put back a copy of that file, or remove all data with `make clean-data`.",
        )
    return values


def _signer_key() -> bytes:
    # Imported here: it is needed once in the life of a folder, and the launcher stays small.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
