"""Codes and link tokens: made by the CSPRNG, kept as keyed hashes, compared in constant time."""

import hashlib
import hmac
import secrets

_CODE_DOMAIN = b"galaxy-code-v1\x00"
_LINK_DOMAIN = b"galaxy-link-v1\x00"


class AuthSecrets:
    """Hashes under one key: who reads the tables alone cannot try the million codes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def new_code(self) -> str:
        """Return six digits, each value equally likely."""
        return f"{secrets.randbelow(1_000_000):06d}"

    def new_link_token(self) -> str:
        """Return 43 characters of base64url."""
        return secrets.token_urlsafe(32)

    def code_hash(self, challenge_id: str, code: str) -> bytes:
        """Return the hash of a code, bound to its challenge: equal codes of two challenges differ."""
        return self._hash(_CODE_DOMAIN, f"{challenge_id}:{code}")

    def code_matches(self, challenge_id: str, code: str, stored: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.code_hash(challenge_id, code), stored)

    def link_hash(self, token: str) -> bytes:
        """Return the hash under which a link's token is found."""
        return self._hash(_LINK_DOMAIN, token)

    def _hash(self, domain: bytes, text: str) -> bytes:
        return hmac.new(self._key, domain + text.encode(), hashlib.sha256).digest()
