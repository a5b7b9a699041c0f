"""Writes galaxy/edge/v1/vectors.json: what every implementation of the edge's signatures must accept and refuse.

Run `python proto/make_vectors.py` after a change of the wire; `--check` writes nothing and fails when the file differs.
The output depends on nothing but this file and `signing.py`: keys come from fixed seeds, and Ed25519 signatures are
deterministic. The keys are known to everybody and sign nothing but these examples.
"""

import base64
import json
import sys
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from galaxy.edge.v1.signing import (
    PROTOCOL_VERSION,
    SERVER_TIME_EVENT_TYPE,
    SUBSCRIBE_MESSAGE_TYPE,
    canonical,
    key_id_of,
)

VECTORS = Path(__file__).parent / "galaxy" / "edge" / "v1" / "vectors.json"

# The order of the group that Ed25519 works in, for the malleated signature.
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493

ABOUT = (
    """
Examples of the signatures of galaxy.edge.v1, for implementations in any language. Bytes are hex, public keys base64 as the
platform publishes them, timestamps decimal text (they do not fit a JavaScript number). Each vector shows fields as they
arrived, the bytes a verifier builds from them (`canonical`), the signature that came along, and the verdict.

A verifier does these checks in this order and stops at the first that fails; `fails_at` names it:
"size" (payload_hash has 32 bytes, signature 64), "payload_hash" (it is SHA-256 of the payload), "request_id" (responses
alone: it answers what was asked), "key" (requests: the session's; all others: key_id is a published key's), "signature".

Requests are verified with the key of `sessions[device_session_id]`. Responses, events and refusals are verified with the
published key under their `key_id`; what the client asked stands in `asked`. `signed` is there where other bytes than
`canonical` were signed, to show how the mistake was made.
""".strip()
    .replace("\n\n", "\u2029")
    .replace("\n", " ")
    .replace("\u2029", "\n")
)


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

Fields = dict[str, Any]

# Under each kind of signature: its domain and the fields in order. `request_payload_hash` comes from what was asked.
LAYOUT: dict[str, tuple[str, tuple[str, ...]]] = {
    "request": (
        "galaxy-request-v1",
        (
            "protocol_version",
            "device_session_id",
            "message_type",
            "timestamp_ms",
            "request_id",
            "idempotency_key",
            "payload_hash",
        ),
    ),
    "response": (
        "galaxy-response-v1",
        (
            "protocol_version",
            "device_session_id",
            "request_id",
            "request_payload_hash",
            "timestamp_ms",
            "result_code",
            "payload_hash",
            "key_id",
        ),
    ),
    "event": (
        "galaxy-event-v1",
        ("user_id", "event_type", "event_id", "cursor", "timestamp_ms", "payload_hash", "key_id"),
    ),
    "server_time_event": (
        "galaxy-event-v1",
        (
            "device_session_id",
            "event_type",
            "event_id",
            "request_id",
            "timestamp_ms",
            "payload_hash",
            "key_id",
        ),
    ),
    "refusal": (
        "galaxy-refusal-v1",
        ("device_session_id", "request_id", "reason", "server_time_ms", "key_id"),
    ),
}


@dataclass(frozen=True)
class Vector:
    """One example before it is written: fields as they arrive, and what was signed."""

    kind: str
    name: str
    why: str
    fields: Fields
    asked: Fields = field(default_factory=dict)
    payload: bytes | None = None
    key: TestKey = DEVICE
    signed: bytes | None = None
    signature: bytes | None = None
    fails_at: str | None = None

    def canonical(self) -> bytes:
        """Build the bytes that a verifier builds from what arrived."""
        domain, names = LAYOUT[self.kind]
        # What the client asked wins: a verifier signs its own question into the answer, never the answer's word for it.
        known = {**self.fields, **self.asked}
        if self.kind == "response":
            known["request_payload_hash"] = self.asked["payload_hash"]
            known["payload_hash"] = self.fields["payload_hash"]
            known["request_id"] = self.fields["request_id"]
        return canonical(domain, *(known[name] for name in names))

    def signs(self, domain: str | None = None, **instead: Any) -> "Vector":
        """Return the vector with a signature over other values than those that arrive."""
        own, names = LAYOUT[self.kind]
        known = {**self.fields, **self.asked}
        if self.kind == "response":
            known |= {
                "request_payload_hash": self.asked["payload_hash"],
                "payload_hash": self.fields["payload_hash"],
            }
        return replace(self, signed=canonical(domain or own, *({**known, **instead}[n] for n in names)))

    def as_json(self) -> dict[str, Any]:
        """Write the example as it stands in the file."""
        message = self.canonical()
        signature = (
            self.signature if self.signature is not None else self.key.private.sign(self.signed or message)
        )
        out: dict[str, Any] = {"name": self.name, "why": self.why}
        if self.asked:
            out["asked"] = _written(self.asked)
        out["fields"] = _written(self.fields)
        if self.payload is not None:
            out["payload"] = self.payload.hex()
        out["canonical"] = message.hex()
        if self.signed is not None:
            out["signed"] = self.signed.hex()
        out |= {"signature": signature.hex(), "verdict": "invalid" if self.fails_at else "valid"}
        if self.fails_at:
            out["fails_at"] = self.fails_at
        return out


def _written(fields: Fields) -> dict[str, str]:
    return {k: v.hex() if isinstance(v, bytes) else str(v) for k, v in fields.items()}


def _with_payload(vector: Vector, payload: bytes) -> Vector:
    fields = {**vector.fields, "payload_hash": sha256(payload).digest()}
    return replace(vector, payload=payload, fields=fields)


def requests() -> list[Vector]:
    """Return the examples of signed requests, as a gateway meets them."""
    plain = _with_payload(
        Vector(
            "request",
            "command",
            "a command with a payload and an idempotency key",
            {
                "protocol_version": PROTOCOL_VERSION,
                "device_session_id": SESSION,
                "message_type": "lobby.game.create",
                "timestamp_ms": NOW,
                "request_id": REQUEST_ID,
                "idempotency_key": "create-sol-1",
            },
        ),
        b'{"name":"Sol","race_name":"Terrans"}',
    )

    def like(name: str, why: str, payload: bytes | None = None, **fields: Any) -> Vector:
        vector = replace(plain, name=name, why=why, fields={**plain.fields, **fields})
        return vector if payload is None else _with_payload(vector, payload)

    def bad(name: str, why: str, fails_at: str = "signature", **fields: Any) -> Vector:
        return replace(like(name, why, **fields), fails_at=fails_at)

    names = LAYOUT["request"][1]
    values = [plain.fields[n] for n in names]
    little = b"".join(
        len(raw).to_bytes(4, "little") + raw
        for raw in (
            v if isinstance(v, bytes) else v.encode() if isinstance(v, str) else v.to_bytes(8, "big")
            for v in ("galaxy-request-v1", *values)
        )
    )
    no_key = {**plain.fields, "idempotency_key": ""}
    genuine = plain.key.private.sign(plain.canonical())
    malleated = genuine[:32] + (int.from_bytes(genuine[32:], "little") + GROUP_ORDER).to_bytes(32, "little")
    return [
        plain,
        like("empty_payload", "an empty payload still has a hash: that of no bytes", b""),
        like("no_idempotency_key", "an absent field is signed as a field of length 0", idempotency_key=""),
        like(
            "subscription",
            "SubscribeEvents signs the same fields with an empty idempotency key",
            b'{"resume_after":[{"lane":"push","cursor":"push:7:41"}]}',
            message_type=SUBSCRIBE_MESSAGE_TYPE,
            idempotency_key="",
        ),
        like(
            "unicode_payload", "payloads are bytes: UTF-8 passes untouched", '{"name":"Звезда ✦ 星"}'.encode()
        ),
        like("unicode_field", "lengths count bytes of UTF-8, not characters", idempotency_key="ключ-✦"),
        like("timestamp_zero", "integers are eight bytes even when small", timestamp_ms=0),
        like("timestamp_largest", "eight bytes, unsigned order, up to 2^63 - 1", timestamp_ms=2**63 - 1),
        like("longest_request_id", "request ids may have 64 characters", request_id="Az09_-" * 10 + "Az09"),
        bad(
            "changed_message_type", "one field was changed after signing", message_type="lobby.game.cancel"
        ).signs(message_type="lobby.game.create"),
        bad("changed_timestamp", "the time was renewed without the key", timestamp_ms=NOW + 1).signs(
            timestamp_ms=NOW
        ),
        bad("changed_request_id", "a replay under a new id", request_id=OTHER_REQUEST_ID).signs(
            request_id=REQUEST_ID
        ),
        bad("dropped_idempotency_key", "the key of a retry was taken away", idempotency_key="").signs(
            idempotency_key="create-sol-1"
        ),
        replace(
            _with_payload(
                bad("changed_payload_and_hash", "payload and hash were both exchanged"), b'{"name":"Fake"}'
            ),
            signed=plain.canonical(),
        ),
        bad(
            "swapped_fields",
            "request_id and idempotency_key changed places",
            request_id="create-sol-1",
            idempotency_key=REQUEST_ID,
        ).signs(request_id=REQUEST_ID, idempotency_key="create-sol-1"),
        bad(
            "moved_boundary",
            "the same characters, with the boundary between two fields moved by one",
            request_id=REQUEST_ID[:-1],
            idempotency_key=REQUEST_ID[-1] + "create-sol-1",
        ).signs(request_id=REQUEST_ID, idempotency_key="create-sol-1"),
        bad("wrong_domain", "signed as a response").signs(domain="galaxy-response-v1"),
        bad("next_version_domain", "signed under the domain of another version").signs(
            domain="galaxy-request-v2"
        ),
        bad(
            "wrong_session",
            "signed for one session, presented under another",
            device_session_id=OTHER_SESSION,
        ).signs(device_session_id=SESSION),
        bad(
            "wrong_session_resigned",
            "signed by the right device under another's session",
            device_session_id=OTHER_SESSION,
        ),
        bad("unknown_session", "there is no such session", "key", device_session_id=SESSION[:-1] + "f"),
        replace(bad("other_key", "the right bytes, signed by another device"), key=OTHER_DEVICE),
        replace(bad("little_endian_lengths", "lengths were written in the wrong byte order"), signed=little),
        replace(
            bad("timestamp_as_text", "the integer was signed as decimal text"),
            signed=canonical("galaxy-request-v1", *(str(v) if isinstance(v, int) else v for v in values)),
        ),
        replace(
            bad(
                "skipped_absent_field",
                "an absent field was left out instead of signed with length 0",
                idempotency_key="",
            ),
            signed=canonical("galaxy-request-v1", *(no_key[n] for n in names if n != "idempotency_key")),
        ),
        replace(
            bad("no_domain", "the domain string was left out"),
            signed=canonical(values[0], *values[1:]),
        ),
        replace(
            bad("hash_as_hex_text", "the hash was signed as hex text instead of bytes"),
            signed=canonical("galaxy-request-v1", *values[:-1], values[-1].hex()),
        ),
        bad(
            "truncated_hash",
            "only the first 16 bytes of the hash, properly signed",
            "size",
            payload_hash=plain.fields["payload_hash"][:16],
        ),
        bad("absent_hash", "no hash at all, properly signed", "size", payload_hash=b""),
        bad(
            "hash_of_another_payload",
            "properly signed, but the hash is not the payload's",
            "payload_hash",
            payload_hash=sha256(b"{}").digest(),
        ),
        replace(
            bad("changed_payload", "the payload was exchanged, the hash was not", "payload_hash"),
            payload=b"{}",
        ),
        replace(bad("short_signature", "the last byte is missing", "size"), signature=genuine[:-1]),
        replace(bad("long_signature", "one byte too many", "size"), signature=genuine + b"\0"),
        replace(bad("absent_signature", "not signed", "size"), signature=b""),
        replace(bad("zero_signature", "64 zero bytes"), signature=bytes(64)),
        replace(
            bad("flipped_bit", "one bit of the signature is wrong"),
            signature=bytes([genuine[0] ^ 1]) + genuine[1:],
        ),
        replace(
            bad(
                "malleated_signature",
                "S + L instead of S: equal in the group, not canonical (RFC 8032, 5.1.7)",
            ),
            signature=malleated,
        ),
    ]


def responses() -> list[Vector]:
    """Return the examples of signed answers, as a client meets them."""
    asked = {
        "device_session_id": SESSION,
        "request_id": REQUEST_ID,
        "payload_hash": sha256(b'{"name":"Sol","race_name":"Terrans"}').digest(),
    }
    plain = _with_payload(
        Vector(
            "response",
            "ok",
            "the answer to a command",
            {
                "protocol_version": PROTOCOL_VERSION,
                "request_id": REQUEST_ID,
                "timestamp_ms": NOW + 12,
                "result_code": "ok",
                "key_id": GATEWAY.key_id,
            },
            asked,
            key=GATEWAY,
        ),
        b'{"game_id":"01920000-0000-7000-8000-000000000777","name":"Sol"}',
    )

    def like(name: str, why: str, payload: bytes | None = None, **fields: Any) -> Vector:
        vector = replace(plain, name=name, why=why, fields={**plain.fields, **fields})
        return vector if payload is None else _with_payload(vector, payload)

    def bad(name: str, why: str, fails_at: str = "signature", **fields: Any) -> Vector:
        return replace(like(name, why, **fields), fails_at=fails_at)

    refusal = (
        b'{"error":{"code":"lobby.game_full","message":"the game is full","details":{},"request_id":"x"}}'
    )
    return [
        plain,
        like(
            "refused",
            "a refusal by the domain is signed like any answer",
            refusal,
            result_code="lobby.game_full",
        ),
        like("empty", "an answer without a body", b""),
        replace(
            like(
                "retired_key",
                "signed by a key that is retired but still published",
                key_id=RETIRED_GATEWAY.key_id,
            ),
            key=RETIRED_GATEWAY,
        ),
        bad("changed_result_code", "a refusal was turned into a success").signs(
            result_code="lobby.game_full"
        ),
        bad("changed_timestamp", "the gateway's time was changed", timestamp_ms=NOW + 13).signs(
            timestamp_ms=NOW + 12
        ),
        bad(
            "answer_to_another_request",
            "genuine, but for another request",
            "request_id",
            request_id=OTHER_REQUEST_ID,
        ),
        bad("renamed_answer", "the answer to another request under our id").signs(
            request_id=OTHER_REQUEST_ID
        ),
        bad("answer_to_another_session", "genuine, but for another session").signs(
            device_session_id=OTHER_SESSION
        ),
        bad(
            "answer_to_another_payload", "the command was changed on its way: the gateway saw other bytes"
        ).signs(request_payload_hash=sha256(b'{"name":"Fake"}').digest()),
        bad("swapped_hashes", "the hash of the question and that of the answer changed places").signs(
            request_payload_hash=plain.fields["payload_hash"], payload_hash=asked["payload_hash"]
        ),
        bad("wrong_domain", "signed as an event").signs(domain="galaxy-event-v1"),
        replace(
            bad("changed_payload", "the body was exchanged, the hash was not", "payload_hash"), payload=b"{}"
        ),
        replace(
            _with_payload(bad("changed_payload_and_hash", "body and hash were both exchanged"), b"{}"),
            signed=plain.canonical(),
        ),
        bad(
            "truncated_hash",
            "only the first 16 bytes",
            "size",
            payload_hash=plain.fields["payload_hash"][:16],
        ),
        replace(
            bad("stranger_under_our_key_id", "another key signs under the gateway's key id"), key=STRANGER
        ),
        replace(
            bad("stranger_under_its_own_key_id", "a key nobody published", "key", key_id=STRANGER.key_id),
            key=STRANGER,
        ),
        bad(
            "key_id_of_the_other_published_key",
            "both keys are published, but this one did not sign",
            key_id=RETIRED_GATEWAY.key_id,
        ),
        replace(bad("signed_by_a_device", "a player signs as if it were the gateway"), key=DEVICE),
        replace(bad("absent_signature", "not signed", "size"), signature=b""),
    ]


def events() -> list[Vector]:
    """Return the examples of signed events, as a subscriber meets them."""
    plain = _with_payload(
        Vector(
            "event",
            "signal",
            "an event of the push lane",
            {
                "event_type": "game.changed",
                "event_id": "01920000-0000-7000-8000-00000000e001",
                "cursor": "push:7:42",
                "timestamp_ms": NOW,
                "key_id": GATEWAY.key_id,
            },
            {"user_id": USER},
            key=GATEWAY,
        ),
        b'{"game_id":"01920000-0000-7000-8000-000000000777","reason":"turn_generated","state":"running","turn":3}',
    )

    def like(name: str, why: str, payload: bytes | None = None, **fields: Any) -> Vector:
        vector = replace(plain, name=name, why=why, fields={**plain.fields, **fields})
        return vector if payload is None else _with_payload(vector, payload)

    def bad(name: str, why: str, fails_at: str = "signature", **fields: Any) -> Vector:
        return replace(like(name, why, **fields), fails_at=fails_at)

    return [
        plain,
        like(
            "notification",
            "an event of the stream lane",
            b'{"game_id":"01920000-0000-7000-8000-000000000777","game_name":"Sol","turn":3,"deadline_at":null}',
            event_type="notification.game.turn.ready",
            cursor="stream:2:1760000000123-0",
        ),
        like(
            "heartbeat",
            "events of the gateway itself have no cursor",
            b"{}",
            event_type="gateway.heartbeat",
            cursor="",
        ),
        like(
            "request_and_trace_are_not_signed",
            "request_id and trace_id may be filled in by the source; nobody relies on them",
        ),
        bad("another_users_event", "genuine, but for another user").signs(user_id=OTHER_USER),
        bad("changed_type", "an event under another type", event_type="lobby.changed").signs(
            event_type="game.changed"
        ),
        bad("changed_cursor", "an event moved to another position", cursor="push:7:43").signs(
            cursor="push:7:42"
        ),
        bad(
            "changed_event_id", "a repeat made to look new", event_id="01920000-0000-7000-8000-00000000e002"
        ).signs(event_id="01920000-0000-7000-8000-00000000e001"),
        bad("changed_time", "an old event made to look new", timestamp_ms=NOW + 60_000).signs(
            timestamp_ms=NOW
        ),
        bad(
            "swapped_fields",
            "event_id and cursor changed places",
            event_id="push:7:42",
            cursor="01920000-0000-7000-8000-00000000e001",
        ).signs(event_id="01920000-0000-7000-8000-00000000e001", cursor="push:7:42"),
        bad(
            "moved_boundary",
            "the boundary between event_id and cursor was moved",
            event_id="01920000-0000-7000-8000-00000000e001p",
            cursor="ush:7:42",
        ).signs(event_id="01920000-0000-7000-8000-00000000e001", cursor="push:7:42"),
        bad("wrong_domain", "signed as a response").signs(domain="galaxy-response-v1"),
        replace(
            bad("changed_payload", "the payload was exchanged, the hash was not", "payload_hash"),
            payload=b"{}",
        ),
        bad(
            "truncated_hash",
            "only the first 16 bytes",
            "size",
            payload_hash=plain.fields["payload_hash"][:16],
        ),
        replace(bad("other_key", "another key signs under the gateway's key id"), key=STRANGER),
        replace(
            bad("unpublished_key", "a key nobody published", "key", key_id=STRANGER.key_id), key=STRANGER
        ),
    ]


def server_time_events() -> list[Vector]:
    """Return the examples of the first event of a stream, which is signed for its session and request."""
    plain = _with_payload(
        Vector(
            "server_time_event",
            "first_event",
            "signed with the session in the place of the user and the request in the place of the cursor",
            {
                "event_type": SERVER_TIME_EVENT_TYPE,
                "event_id": "01920000-0000-7000-8000-00000000e000",
                "cursor": "",
                "timestamp_ms": NOW,
                "key_id": GATEWAY.key_id,
            },
            {"device_session_id": SESSION, "request_id": REQUEST_ID},
            key=GATEWAY,
        ),
        b"{}",
    )

    def bad(name: str, why: str, fails_at: str = "signature", **fields: Any) -> Vector:
        return replace(plain, name=name, why=why, fails_at=fails_at, fields={**plain.fields, **fields})

    return [
        plain,
        bad("of_another_stream", "genuine, but of a stream that another request opened").signs(
            request_id=OTHER_REQUEST_ID
        ),
        bad("of_another_session", "genuine, but of another session's stream").signs(
            device_session_id=OTHER_SESSION
        ),
        bad("changed_time", "the time was changed", timestamp_ms=NOW + 3_600_000).signs(timestamp_ms=NOW),
        bad("signed_for_the_user", "signed like an ordinary event").signs(
            device_session_id=USER, request_id=""
        ),
        replace(bad("other_key", "another key signs under the gateway's key id"), key=STRANGER),
    ]


def refusals() -> list[Vector]:
    """Return the examples of refusals that carry the gateway's time."""
    plain = Vector(
        "refusal",
        "stale_timestamp",
        "the gateway tells its time to a client whose clock is wrong",
        {"reason": "stale_timestamp", "server_time_ms": NOW, "key_id": GATEWAY.key_id},
        {"device_session_id": SESSION, "request_id": REQUEST_ID},
        key=GATEWAY,
    )

    def bad(name: str, why: str, fails_at: str = "signature", **fields: Any) -> Vector:
        return replace(plain, name=name, why=why, fails_at=fails_at, fields={**plain.fields, **fields})

    return [
        plain,
        bad(
            "changed_time", "somebody in between turns the client's clock", server_time_ms=NOW + 86_400_000
        ).signs(server_time_ms=NOW),
        bad("of_another_request", "an old refusal played again").signs(request_id=OTHER_REQUEST_ID),
        bad("of_another_session", "a refusal of another session").signs(device_session_id=OTHER_SESSION),
        bad("changed_reason", "the reason was changed", reason="rate_limited").signs(
            reason="stale_timestamp"
        ),
        bad("wrong_domain", "signed as an event").signs(domain="galaxy-event-v1"),
        replace(
            bad("unpublished_key", "a key nobody published", "key", key_id=STRANGER.key_id), key=STRANGER
        ),
        replace(bad("absent_signature", "not signed: the time is a guess", "size"), signature=b""),
    ]


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


def document() -> dict[str, Any]:
    """Return the whole file as a value."""

    def key(test_key: TestKey) -> dict[str, str]:
        return {
            "private_key": test_key.seed.hex(),
            "public_key": base64.b64encode(test_key.public).decode(),
            "key_id": test_key.key_id,
        }

    def published(test_key: TestKey, status: str) -> dict[str, str]:
        return {
            "key_id": test_key.key_id,
            "algorithm": "Ed25519",
            "public_key": base64.b64encode(test_key.public).decode(),
            "status": status,
        }

    keys = (DEVICE, OTHER_DEVICE, GATEWAY, RETIRED_GATEWAY, STRANGER)
    return {
        "about": ABOUT,
        "layout": {
            kind: {"domain": domain, "fields": list(names)} for kind, (domain, names) in LAYOUT.items()
        },
        "keys": {test_key.name.replace(" ", "_"): key(test_key) for test_key in keys},
        "sessions": {
            SESSION: base64.b64encode(DEVICE.public).decode(),
            OTHER_SESSION: base64.b64encode(OTHER_DEVICE.public).decode(),
        },
        "published_keys": [published(GATEWAY, "active"), published(RETIRED_GATEWAY, "retired")],
        "public_keys": public_keys(),
        "requests": [vector.as_json() for vector in requests()],
        "responses": [vector.as_json() for vector in responses()],
        "events": [vector.as_json() for vector in events()],
        "server_time_events": [vector.as_json() for vector in server_time_events()],
        "refusals": [vector.as_json() for vector in refusals()],
    }


def text() -> str:
    """Return the file's text."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or compare it with `--check`."""
    if arguments == ["--check"]:
        if VECTORS.read_text(encoding="utf-8") != text():
            sys.stderr.write("vectors.json is not up to date: run python proto/make_vectors.py\n")
            return 1
        return 0
    VECTORS.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
