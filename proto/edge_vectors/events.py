"""Events, as a subscriber meets them."""

from dataclasses import replace
from typing import Any

from edge_vectors.example import Vector, with_payload
from edge_vectors.keys import GATEWAY, NOW, OTHER_USER, STRANGER, USER


def events() -> list[Vector]:
    """Return the examples of signed events, as a subscriber meets them."""
    plain = with_payload(
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
        return vector if payload is None else with_payload(vector, payload)

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
