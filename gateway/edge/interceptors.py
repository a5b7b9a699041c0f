"""What stands around every call: the rate of one address, the size of a message, no word of a defect to the outside."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.interceptor import MetadataInterceptor
from connectrpc.request import RequestContext

from gateway.client_address.model import household_of
from gateway.edge.statuses import Statuses
from gateway.envelope.errors import MessageTooLarge
from gateway.limits.errors import RateLimited
from gateway.limits.rates import RateLimit
from kit.logs import get_logger

_log = get_logger("edge")
_ENVELOPE_BYTES = 8 * 1024
"""What a request message holds beside its payload, at most."""
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


class MessageSize(MetadataInterceptor[None]):
    """Says of a message that was too large to be read what is said of a payload: typed, so that nobody repeats it."""

    def __init__(
        self, payload_bytes_max: int, statuses: Statuses, on_refused: Callable[[str, str], None]
    ) -> None:
        """`payload_bytes_max` is the largest payload of any message type."""
        self.bytes_max = payload_bytes_max + _ENVELOPE_BYTES
        self._statuses = statuses
        self._on_refused = on_refused

    async def on_start(self, ctx: Context) -> None:
        """Do nothing."""

    async def on_end(self, _token: None, _ctx: Context, error: Exception | None, /) -> None:
        """Replace the library's bare RESOURCE_EXHAUSTED: those of ours all carry a detail."""
        if isinstance(error, ConnectError) and error.code is Code.RESOURCE_EXHAUSTED and not error.details:
            refusal = MessageTooLarge(self.bytes_max)
            self._on_refused("connection_guard", refusal.code)
            raise self._statuses.error_of(refusal) from error


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
