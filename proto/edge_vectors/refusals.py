"""Refusals that carry the gateway's time."""

from dataclasses import replace
from typing import Any

from edge_vectors.example import Vector
from edge_vectors.keys import GATEWAY, NOW, OTHER_REQUEST_ID, OTHER_SESSION, REQUEST_ID, SESSION, STRANGER


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
