"""What stands around every call: the rate of one address, and no word of a defect to the outside."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.interceptor import MetadataInterceptor
from connectrpc.request import RequestContext

from gateway.client_address.model import household_of
from gateway.edge.statuses import Statuses
from gateway.limits.errors import RateLimited
from gateway.limits.rates import RateLimit
from kit.logs import get_logger

_log = get_logger("edge")
REQUEST = TypeVar("REQUEST")
RESPONSE = TypeVar("RESPONSE")
Context = RequestContext[Any, Any]


def address_of(ctx: Context) -> str:
    """Return the client's address without its port."""
    return (ctx.client_address or "").rpartition(":")[0]


class AddressRate(MetadataInterceptor[None]):
    """Ahead of the pipeline and of the body: one address asks no more than its share."""

    def __init__(
        self, by_address: RateLimit, statuses: Statuses, on_refused: Callable[[str, str], None]
    ) -> None:
        self._by_address = by_address
        self._statuses = statuses
        self._on_refused = on_refused

    async def on_start(self, ctx: Context) -> None:
        """Raise RESOURCE_EXHAUSTED."""
        try:
            self._by_address.take(household_of(address_of(ctx)))
        except RateLimited as refusal:
            self._on_refused("connection_guard", refusal.code)
            raise self._statuses.error_of(refusal) from refusal

    async def on_end(self, token: None, ctx: Context, error: Exception | None, /) -> None:
        """Do nothing."""


class DefectsStayInside:
    """Outermost: an exception that is no RPC error is logged and leaves as INTERNAL without its text."""

    async def intercept_unary(
        self,
        call_next: Callable[[REQUEST, Context], Awaitable[RESPONSE]],
        request: REQUEST,
        ctx: Context,
    ) -> RESPONSE:
        """Guard a unary call."""
        try:
            return await call_next(request, ctx)
        except ConnectError:
            raise
        except Exception as error:  # noqa: BLE001 - the border: nothing else may leave
            raise _internal(error, ctx) from None

    async def intercept_server_stream(
        self,
        call_next: Callable[[REQUEST, Context], AsyncIterator[RESPONSE]],
        request: REQUEST,
        ctx: Context,
    ) -> AsyncIterator[RESPONSE]:
        """Guard a stream."""
        responses = call_next(request, ctx)
        try:
            async for response in responses:
                yield response
        except ConnectError:
            raise
        except Exception as error:  # noqa: BLE001 - the border: nothing else may leave
            raise _internal(error, ctx) from None
        finally:
            aclose = getattr(responses, "aclose", None)
            if aclose is not None:
                await aclose()


def _internal(error: Exception, ctx: Context) -> ConnectError:
    _log.error("edge_call_failed", call=ctx.method.name, exc_info=error)
    return ConnectError(Code.INTERNAL, "an unexpected error; it has been logged")
