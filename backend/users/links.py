"""The token of one-click unsubscribe links: who it speaks for, and proof that we made it."""

import base64
import hashlib
import hmac
import uuid

_PROOF_BYTES = 16
_DOMAIN = b"galaxy-unsubscribe-v1"


class UnsubscribeTokens:
    """Stateless tokens of a user: the user's id and a truncated HMAC over it.

    A token only ever switches mails off, so it need not run out: old mails keep a link that works.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, user_id: str) -> str:
        """Return the user's token, 43 characters of base64url."""
        raw = uuid.UUID(user_id).bytes
        return base64.urlsafe_b64encode(raw + self._proof(raw)).decode().rstrip("=")

    def read(self, token: str) -> str | None:
        """Return whose token it is, or None for one that we did not make."""
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        user, proof = raw[:16], raw[16:]
        if len(user) != 16 or not hmac.compare_digest(proof, self._proof(user)):
            return None
        return str(uuid.UUID(bytes=user))

    def _proof(self, user: bytes) -> bytes:
        return hmac.new(self._key, _DOMAIN + user, hashlib.sha256).digest()[:_PROOF_BYTES]
