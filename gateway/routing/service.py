"""Executing an admitted command."""

from collections.abc import Iterable, Mapping

from gateway.pipeline.errors import BackendUnavailable
from gateway.pipeline.model import Passage
from gateway.routing.errors import BackendFailed, NoRoute
from gateway.routing.model import PayloadSize, Result, Route
from gateway.routing.payload import backend_request
from gateway.routing.ports import CommandTarget
from kit.logs import get_logger
from kit.rest_client import Answer, PeerUnavailable

_log = get_logger("routing")
_BASE = "/api/v1/user"


class Router:
    """The table in force and the way to the backend."""

    def __init__(
        self, routes: Iterable[Route], target: CommandTarget, payload_bytes_max: Mapping[PayloadSize, int]
    ) -> None:
        self._routes = {route.message_type: route for route in routes}
        self._target = target
        self._payload_bytes_max = dict(payload_bytes_max)

    def __len__(self) -> int:
        return len(self._routes)

    @property
    def largest_payload_bytes(self) -> int:
        """Return the largest payload that any message type may have."""
        return max(self._payload_bytes_max.values())

    def payload_bytes_max(self, message_type: str) -> int:
        """Return the limit of a message type; unknown ones have that of a plain command."""
        route = self._routes.get(message_type)
        return self._payload_bytes_max[route.size if route else PayloadSize.COMMAND]

    async def execute(self, passage: Passage) -> Result:
        """Have the backend execute a command.

        Raises NoRoute, MalformedField for a payload that does not fit the route, BackendUnavailable, or BackendFailed.
        """
        request = passage.request
        route = self._routes.get(request.message_type)
        if route is None:
            raise NoRoute
        call = backend_request(route, _BASE, request.payload_bytes)
        headers = {
            "X-User-Id": passage.session.user_id,
            "X-Device-Session-Id": passage.session.device_session_id,
            "X-Forwarded-For": passage.client_address,
        }
        if request.idempotency_key:
            headers["Idempotency-Key"] = request.idempotency_key
        try:
            answer = await self._target.call(call, headers)
        except PeerUnavailable as error:
            _log.warning("backend_unavailable", message_type=request.message_type, reason=str(error))
            raise BackendUnavailable(retry_after_seconds=1) from error
        return self._result(request.message_type, answer)

    @staticmethod
    def _result(message_type: str, answer: Answer) -> Result:
        if answer.ok:
            return Result("ok", answer.body)
        code = answer.error_code
        if answer.status == 401:  # our own token, never the player's: that was checked here
            _log.error("backend_refuses_gateway", message_type=message_type, code=code)
            raise BackendUnavailable(retry_after_seconds=1)
        if not code or answer.status >= 500:
            raise BackendFailed(f"{message_type}: status {answer.status}, code {code!r}")
        return Result(code, answer.body)
