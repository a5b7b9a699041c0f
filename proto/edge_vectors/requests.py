"""Requests, as a gateway meets them."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from edge_vectors.example import LAYOUT, Vector, with_payload
from edge_vectors.keys import NOW, OTHER_DEVICE, OTHER_REQUEST_ID, OTHER_SESSION, REQUEST_ID, SESSION
from galaxy.edge.v1.signing import PROTOCOL_VERSION, SUBSCRIBE_MESSAGE_TYPE, canonical

# The order of the group that Ed25519 works in, for the malleated signature.
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def requests() -> list[Vector]:
    """Return the examples of signed requests, as a gateway meets them."""
    plain = with_payload(
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
        return vector if payload is None else with_payload(vector, payload)

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
            with_payload(
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
