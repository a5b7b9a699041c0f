"""The first event of a stream, which is signed for its session and request."""

from dataclasses import replace
from typing import Any

from edge_vectors.example import Vector, with_payload
from edge_vectors.keys import (
    GATEWAY,
    NOW,
    OTHER_REQUEST_ID,
    OTHER_SESSION,
    REQUEST_ID,
    SESSION,
    STRANGER,
    USER,
)
from galaxy.edge.v1.signing import SERVER_TIME_EVENT_TYPE


def server_time_events() -> list[Vector]:
    """Return the examples of the first event of a stream, which is signed for its session and request."""
    plain = with_payload(
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
