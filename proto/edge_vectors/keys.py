"""Who signs and for whom: keys from fixed seeds, sessions, users, and spellings of public keys."""

import base64
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from galaxy.edge.v1.signing import key_id_of


@dataclass(frozen=True)
class TestKey:
    """A key pair that anybody can make again from its name."""

    name: str

    @property
    def seed(self) -> bytes:
        """Return the 32 bytes of the private key."""
        return sha256(f"galaxy edge test key: {self.name}".encode()).digest()

    @property
    def private(self) -> Ed25519PrivateKey:
        """Return the private key."""
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def public(self) -> bytes:
        """Return the 32 bytes of the public key."""
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        """Return the id under which a gateway would publish it."""
        return key_id_of(self.public)


DEVICE = TestKey("device")
OTHER_DEVICE = TestKey("other device")
GATEWAY = TestKey("gateway")
RETIRED_GATEWAY = TestKey("retired gateway")
STRANGER = TestKey("stranger")

SESSION = "01920000-0000-7000-8000-000000000001"
OTHER_SESSION = "01920000-0000-7000-8000-000000000002"
USER = "01920000-0000-7000-8000-0000000000aa"
OTHER_USER = "01920000-0000-7000-8000-0000000000bb"
REQUEST_ID = "q83vEjRWeJCrze8SNFZ4kA"
OTHER_REQUEST_ID = "AAECAwQFBgcICQoLDA0ODw"
NOW = 1760000000123


def public_keys() -> list[dict[str, str]]:
    """Return spellings of public keys; only canonical standard base64 of 32 bytes is a key."""
    good = base64.b64encode(DEVICE.public).decode()
    # 32 bytes end in two bits that mean nothing; a second spelling of the same key must not pass for another one.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = good[:-2] + alphabet[alphabet.index(good[-2]) | 1] + "="
    high = base64.b64encode(bytes([0xFB, 0xEF, 0xFF]) + DEVICE.public[3:]).decode()
    cases = [
        ("canonical", "standard alphabet, padded", good, ""),
        ("trailing_bits", "decodes to the same 32 bytes, but is not how they are written", twin, "x"),
        ("unpadded", "the padding is missing", good.rstrip("="), "x"),
        ("double_padding", "one padding character too many", good + "=", "x"),
        ("base64url", "the alphabet of URLs", high.replace("+", "-").replace("/", "_"), "x"),
        ("whitespace", "a line break at the end", good + "\n", "x"),
        ("hex", "hex instead of base64", DEVICE.public.hex(), "x"),
        ("short", "31 bytes", base64.b64encode(DEVICE.public[:31]).decode(), "x"),
        ("long", "33 bytes", base64.b64encode(DEVICE.public + b"\0").decode(), "x"),
        ("empty", "nothing", "", "x"),
    ]
    return [
        {"name": name, "why": why, "text": text, "verdict": "invalid" if bad else "valid"}
        for name, why, text, bad in cases
    ]
