"""The body that orders come in: read once, bounded, and from then on kept as the bytes that it is written in."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError

from kit.rest import Schema, dumps

ORDERS_BYTES_MAX = 1024 * 1024
ORDERS_MAX = 10_000
"""As engines take (`orders_per_player` of contract v1)."""
TURN_MAX = 1_000_000


class TextOrders(Schema):
    """Orders as the order language writes them, one a line."""

    format: Literal["text"]
    text: str


class JsonOrders(Schema):
    """Orders as objects; their schemas stand in the engine's `/v1/info`."""

    format: Literal["json"]
    orders: list[Any] = Field(max_length=ORDERS_MAX)


class OrdersBody(Schema):
    """Orders for a turn."""

    turn: int = Field(ge=1, le=TURN_MAX)
    orders: Annotated[TextOrders | JsonOrders, Field(discriminator="format")]


@dataclass(frozen=True)
class SentOrders:
    """What a player sent; as objects, a megabyte of JSON may take twenty-five of memory for as long as a check waits."""

    turn: int
    orders: orjson.Fragment


async def read_orders(request: Request) -> SentOrders:
    """Read the body of a request whose sender is known to be let in. Raises RequestValidationError."""
    try:
        # orjson takes neither NaN nor half a surrogate, and ends a deep nesting by refusing it.
        sent = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise RequestValidationError(
            [{"type": "json_invalid", "loc": ("body",), "msg": f"is not JSON: {error}"}]
        ) from error
    try:
        body = OrdersBody.model_validate(sent)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(
            [{**problem, "loc": ("body", *problem["loc"])} for problem in problems]
        ) from error
    written = dumps(sent["orders"])
    if len(written) > ORDERS_BYTES_MAX:
        raise RequestValidationError(
            [
                {
                    "type": "too_long",
                    "loc": ("body", "orders"),
                    "msg": f"hold more than {ORDERS_BYTES_MAX} bytes",
                }
            ]
        )
    return SentOrders(body.turn, orjson.Fragment(written))


def described_body() -> dict[str, Any]:
    """Return what OpenAPI says of the body, which FastAPI cannot see: it is read after its sender is let in."""
    schema = OrdersBody.model_json_schema()
    parts = schema.pop("$defs")
    schema["properties"]["orders"] = {"oneOf": [parts["TextOrders"], parts["JsonOrders"]]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
