"""Passwords (argon2id) and authenticator codes (TOTP, RFC 6238)."""

import asyncio
import hmac
from datetime import datetime
from urllib.parse import quote

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_STEP_SECONDS = 30
_HASHES_AT_ONCE = 2


class Passwords:
    """Hashes off the event loop, two at a time: each takes 64 MiB and some tens of milliseconds."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Without `hasher` the library's defaults count (argon2id, RFC 9106 low memory)."""
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(_HASHES_AT_ONCE)
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash with its parameters."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, stored: str | None) -> bool:
        """Compare; with no stored hash take as long and say no, so that unknown logins cannot be told apart."""
        async with self._turns:
            same = await asyncio.to_thread(self._verify, password, stored)
        return same and stored is not None

    def _verify(self, password: str, stored: str | None) -> bool:
        if stored is None:
            # Made at the first need: hashing at the start would hold every start up.
            self._decoy = stored = self._decoy or self._hasher.hash("nobody has this password")
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def new_totp_secret() -> str:
    """Return 160 random bits in base32."""
    return pyotp.random_base32(32)


def provisioning_uri(secret: str, login: str) -> str:
    """Return what an authenticator reads from a QR code."""
    return (
        f"otpauth://totp/Galaxy:{quote(login)}?secret={secret}&issuer=Galaxy&digits=6&period={_STEP_SECONDS}"
    )


def totp_step(secret: str, code: str, now: datetime, after_step: int) -> int | None:
    """Return the step that a code belongs to, one either side of the present one at most; None for no or a used one."""
    totp = pyotp.TOTP(secret, interval=_STEP_SECONDS)
    present = int(now.timestamp()) // _STEP_SECONDS
    found = None
    for step in (present - 1, present, present + 1):
        if hmac.compare_digest(totp.generate_otp(step), code) and step > after_step:
            found = step
    return found
