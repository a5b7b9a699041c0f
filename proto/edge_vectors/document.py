"""The whole file."""

import base64
import json
from pathlib import Path
from typing import Any

from edge_vectors.events import events
from edge_vectors.example import LAYOUT
from edge_vectors.keys import (
    DEVICE,
    GATEWAY,
    OTHER_DEVICE,
    OTHER_SESSION,
    RETIRED_GATEWAY,
    SESSION,
    STRANGER,
    TestKey,
    public_keys,
)
from edge_vectors.refusals import refusals
from edge_vectors.requests import requests
from edge_vectors.responses import responses
from edge_vectors.server_time import server_time_events

VECTORS = Path(__file__).parents[1] / "galaxy" / "edge" / "v1" / "vectors.json"

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
