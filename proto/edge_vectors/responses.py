"""Answers, as a client meets them."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from edge_vectors.example import Vector, with_payload
from edge_vectors.keys import (
    DEVICE,
    GATEWAY,
    NOW,
    OTHER_REQUEST_ID,
    OTHER_SESSION,
    REQUEST_ID,
    RETIRED_GATEWAY,
    SESSION,
    STRANGER,
)
from galaxy.edge.v1.signing import PROTOCOL_VERSION


def responses() -> list[Vector]:
    """Return the examples of signed answers, as a client meets them."""
    asked = {
        "device_session_id": SESSION,
        "request_id": REQUEST_ID,
        "payload_hash": sha256(b'{"name":"Sol","race_name":"Terrans"}').digest(),
    }
    plain = with_payload(
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
        return vector if payload is None else with_payload(vector, payload)

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
            with_payload(bad("changed_payload_and_hash", "body and hash were both exchanged"), b"{}"),
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
