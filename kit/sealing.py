"""Sealed values: short secrets that must rest in tables and streams on their way between two services.

ChaCha20-Poly1305 with a random 96-bit nonce; the associated data binds a sealed value to its place (a delivery id), so it
cannot be moved to another row. Keys rotate: the first of a ring seals, all of them open.
"""

import base64
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


class UnsealError(Exception):
    """The sealed value is damaged, was moved, or was sealed with a key that this ring does not hold."""


class SealRing:
    """One or more 32-byte keys, newest first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError("a seal ring wants one or more keys of 32 bytes")
        self._ciphers = [ChaCha20Poly1305(key) for key in keys]

    @staticmethod
    def from_text(text: str) -> "SealRing":
        """Read base64 keys with commas between them, newest first. Raises ValueError with a sentence."""
        try:
            keys = [base64.b64decode(part.strip(), validate=True) for part in text.split(",") if part.strip()]
        except ValueError as error:
            raise ValueError("seal keys are base64 of 32 bytes each, with commas between them") from error
        return SealRing(keys)

    def seal(self, plain: bytes, bound_to: str) -> str:
        """Return base64 text that only `open` with the same `bound_to` turns back."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, plain, bound_to.encode())
        return base64.b64encode(_VERSION + nonce + sealed).decode()

    def open(self, sealed: str, bound_to: str) -> bytes:
        """Return what was sealed. Raises UnsealError."""
        try:
            raw = base64.b64decode(sealed, validate=True)
        except ValueError as error:
            raise UnsealError("not base64") from error
        if raw[:1] != _VERSION or len(raw) < 1 + _NONCE_BYTES + 16:
            raise UnsealError("unknown form")
        nonce, body = raw[1 : 1 + _NONCE_BYTES], raw[1 + _NONCE_BYTES :]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, body, bound_to.encode())
            except InvalidTag:
                continue
        raise UnsealError("no key of the ring opens it")
