"""Turns a typed call into a signed command, and its verified answer into a model or a typed refusal."""

import asyncio
import json
import secrets
from typing import Any, TypeVar

from pydantic import ValidationError

from client.calls.model import Model
from client.errors import CannotReach, NotSignedIn, Refused
from client.transport import EdgeTransport

OK = "ok"
# A part behind the gateway is away for a moment; the answer is signed, but it is no decision of the domain.
_AWAY = "service_unavailable"
_AWAY_PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)

M = TypeVar("M", bound=Model)


class Caller:
    """What the groups of calls stand on."""

    def __init__(self, transport: EdgeTransport) -> None:
        self._transport = transport

    async def read(self, message_type: str, model: type[M], **fields: Any) -> M:
        """Run a command that changes nothing."""
        return _parsed(model, await self.run(message_type, fields, idempotency_key=""))

    async def change(
        self, message_type: str, model: type[M], *, idempotency_key: str | None = None, **fields: Any
    ) -> M:
        """Run a command that changes something: once, however often it must be sent.

        Give an `idempotency_key` to say that this is a repetition of an earlier call, which may have got through.
        """
        return _parsed(
            model,
            await self.run(message_type, fields, idempotency_key=idempotency_key or new_idempotency_key()),
        )

    async def run(self, message_type: str, fields: dict[str, Any], *, idempotency_key: str) -> Any:
        """Run any command; return the JSON value of its answer, or raise Refused. None-valued fields are left out."""
        kept = {name: value for name, value in fields.items() if value is not None}
        payload = json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode() if kept else b""
        for pause in (*_AWAY_PAUSES_SECONDS, None):
            response = await self._transport.execute(message_type, payload, idempotency_key)
            if response.result_code != _AWAY or pause is None:
                break
            await asyncio.sleep(pause)
        return _result(response.result_code, response.payload_bytes)


def new_idempotency_key() -> str:
    """Return a key for one intention."""
    return secrets.token_urlsafe(16)


def _result(result_code: str, payload: bytes) -> Any:
    try:
        body = json.loads(payload) if payload else {}
    except ValueError as error:
        raise CannotReach("The platform answered with something that is no JSON.") from error
    if result_code == OK:
        return body
    envelope = body.get("error") if isinstance(body, dict) else None
    said: dict[str, Any] = envelope if isinstance(envelope, dict) else {}
    message = str(said.get("message") or result_code)
    if result_code == _AWAY:
        raise CannotReach(f"The platform is unwell: {message}")
    if result_code in {"session.not_found", "session.revoked"}:
        raise NotSignedIn("The platform does not know this device any more.")
    details = said.get("details")
    raise Refused(
        result_code,
        message,
        details=details if isinstance(details, dict) else None,
        request_id=str(said.get("request_id") or ""),
    )


def _parsed(model: type[M], body: Any) -> M:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise CannotReach(
            f"The platform's answer is not as expected ({model.__name__}.{where}): is this client too old?"
        ) from error
