"""Loading and using the signer."""

import re
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from galaxy.edge.v1 import signing
from gateway.keys.model import KeyStatus, PublishedKey

_PEM_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class SignerKeyUnusable(Exception):
    """A key file cannot be read or holds something else; the text names the file."""


class Signer:
    """Signs as the gateway."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key().public_bytes_raw()
        self.key_id = signing.key_id_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self._private_key.sign(message)


def load_signer(path: str) -> Signer:
    """Read the signing key, PKCS#8 PEM without a passphrase. Raises SignerKeyUnusable."""
    try:
        key = load_pem_private_key(Path(path).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SignerKeyUnusable(f"the signer key {path} cannot be loaded: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SignerKeyUnusable(f"the signer key {path} is no Ed25519 key")
    return Signer(key)


def load_retired(path: str) -> list[bytes]:
    """Read the public keys that signed before, PEM blocks one after the other. Raises SignerKeyUnusable."""
    if not path:
        return []
    try:
        blocks = _PEM_BLOCK.findall(Path(path).read_bytes())
        keys = [load_pem_public_key(block) for block in blocks]
    except (OSError, ValueError) as error:
        raise SignerKeyUnusable(f"the retired keys {path} cannot be loaded: {error}") from error
    if not keys or not all(isinstance(key, Ed25519PublicKey) for key in keys):
        raise SignerKeyUnusable(f"the retired keys {path} must be Ed25519 public keys in PEM, at least one")
    return [key.public_bytes_raw() for key in keys if isinstance(key, Ed25519PublicKey)]


def published_keys(signer: Signer, retired: Sequence[bytes]) -> list[PublishedKey]:
    """Return every key that clients may verify with, the active one first, none twice."""
    active = PublishedKey(signer.key_id, signer.public_key, KeyStatus.ACTIVE)
    old = {signing.key_id_of(key): key for key in retired if key != signer.public_key}
    return [active, *(PublishedKey(key_id, key, KeyStatus.RETIRED) for key_id, key in old.items())]
