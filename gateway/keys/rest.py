"""Publishing the keys."""

import base64
from collections.abc import Sequence

from fastapi import APIRouter, Response

from gateway.keys.model import KeyStatus, PublishedKey
from kit.rest import Schema


class KeyBody(Schema):
    """One key as clients read it."""

    key_id: str
    algorithm: str
    public_key: str
    status: KeyStatus


class KeysBody(Schema):
    """Every key that may have signed something a client still holds."""

    keys: list[KeyBody]


def keys_router(keys: Sequence[PublishedKey]) -> APIRouter:
    """Serve `GET /api/v1/public/keys`."""
    router = APIRouter()
    body = KeysBody(
        keys=[
            KeyBody(
                key_id=key.key_id,
                algorithm="Ed25519",
                public_key=base64.b64encode(key.public_key).decode(),
                status=key.status,
            )
            for key in keys
        ]
    )

    @router.get("/api/v1/public/keys")
    async def list_keys(response: Response) -> KeysBody:
        response.headers["Cache-Control"] = "public, max-age=60"
        return body

    return router
