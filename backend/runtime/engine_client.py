"""Engine contract v1 as its caller sees it: typed answers, and three ways in which a call can go wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
from pydantic import SecretStr

from backend.runtime.model import Endpoint
from kit.rest_client import Answer, PeerUnavailable, RestClient

_WORD_MAX = 200


class EngineError(Exception):
    """Base of what a call to an engine can end in, beside its answer.

    EngineError
    ├── EngineAway        no answer: it ended, hangs, or was never there; a new one may do better
    ├── EngineRefused     it said no, by a code of the contract
    └── EngineBroken      an answer that the contract does not know
    """


class EngineAway(EngineError):
    """The engine does not answer."""


class EngineRefused(EngineError):
    """The engine said no."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details


class EngineBroken(EngineError):
    """The engine answered something that the contract does not know."""


@dataclass(frozen=True)
class EngineGame:
    """Body of `GET /v1/game`."""

    turn: int
    state_hash: str
    finished: bool
    winner: str | None
    statuses: Mapping[str, str]
    """Player id → status."""


@dataclass(frozen=True)
class EngineTurn:
    """Body of `POST /v1/turns/{n}`."""

    game: EngineGame
    report_hashes: Mapping[str, str]
    """Player id → SHA-256 of the JSON report."""


@dataclass(frozen=True)
class EngineSave:
    """A save, opaque to us."""

    save_format: int
    sha256: str
    data: bytes


class EngineClient:
    """Calls to one engine."""

    def __init__(self, rest: RestClient, turn_timeout: timedelta) -> None:
        self._rest = rest
        self._turn_timeout = turn_timeout

    async def is_ready(self) -> bool:
        """Tell whether the engine is ready to compute."""
        try:
            return (await self._rest.call("GET", "/readyz")).ok
        except PeerUnavailable:
            return False

    async def info(self) -> Mapping[str, Any]:
        """Return what the engine says of itself."""
        answer: Mapping[str, Any] = (await self._call("GET", "/v1/info")).json()
        return answer

    async def find_game(self) -> EngineGame | None:
        """Return the game it holds, or None."""
        try:
            return _game((await self._call("GET", "/v1/game")).json())
        except EngineRefused as refusal:
            if refusal.code == "no_game":
                return None
            raise

    async def create(self, body: Mapping[str, Any]) -> EngineGame:
        """Make the game; the same again changes nothing."""
        return _game((await self._call("PUT", "/v1/game", json=body, timeout=self._turn_timeout)).json())

    async def check(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return verdicts and forecast for one player's orders; nothing is kept."""
        answer: Mapping[str, Any] = (await self._call("POST", "/v1/orders:check", json=body)).json()
        return answer

    async def run_turn(self, turn: int, body: bytes) -> EngineTurn:
        """Compute the next turn; the same bytes again return the stored answer."""
        answer = (await self._call("POST", f"/v1/turns/{turn}", body=body, timeout=self._turn_timeout)).json()
        try:
            return EngineTurn(_game(answer), dict(answer["report_hashes"]))
        except (KeyError, TypeError, ValueError) as error:
            raise EngineBroken(f"turn {turn}: {error!r}") from error

    async def report(self, turn: int, player_id: str, form: str) -> bytes:
        """Return a report of the current turn, as sent."""
        path = f"/v1/turns/{turn}/reports/{quote(player_id, safe='')}"
        return (await self._call("GET", path, query={"format": form})).body

    async def save(self) -> EngineSave:
        """Return the state."""
        answer = await self._call("GET", "/v1/save", timeout=self._turn_timeout)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        try:
            return EngineSave(int(headers["x-save-format"]), headers["x-save-sha256"], answer.body)
        except (KeyError, ValueError) as error:
            raise EngineBroken(f"a save without its headers: {error!r}") from error

    async def restore(self, save: EngineSave) -> EngineGame:
        """Put a state into an empty engine."""
        headers = {
            "X-Save-Format": str(save.save_format),
            "X-Save-Sha256": save.sha256,
            "Content-Type": "application/octet-stream",
        }
        answer = await self._call(
            "PUT", "/v1/save", body=save.data, headers=headers, timeout=self._turn_timeout
        )
        return _game(answer.json())

    async def _call(self, method: str, path: str, **options: Any) -> Answer:
        try:
            answer = await self._rest.call(method, path, **options)
        except PeerUnavailable as error:
            raise EngineAway(str(error)) from error
        if answer.ok:
            return answer
        try:
            error_body = answer.json()["error"]
            refusal = EngineRefused(
                answer.status,
                str(error_body["code"]),
                str(error_body["message"]),
                error_body.get("details") or {},
            )
        except (PeerUnavailable, KeyError, TypeError) as error:
            raise EngineBroken(f"{method} {path}: status {answer.status}") from error
        if answer.status >= 500:
            raise EngineBroken(str(refusal))
        raise refusal


def _word(value: Any) -> str:
    """Return text that a table takes: Postgres refuses NUL, and nothing here is long."""
    if not isinstance(value, str) or "\0" in value or len(value) > _WORD_MAX:
        raise ValueError(f"{value!r:.60} is no word of the contract")
    return value


def _game(body: Any) -> EngineGame:
    try:
        return EngineGame(
            int(body["turn"]),
            _word(body["state_hash"]),
            bool(body["finished"]),
            body["winner"] if body["winner"] is None else _word(body["winner"]),
            {_word(player["player_id"]): _word(player["status"]) for player in body["players"]},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EngineBroken(f"a game that is none: {error!r}") from error


class EngineClients:
    """Makes clients over one HTTP session; also the runtime's `Probe`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        turn_timeout: timedelta,
        call_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._session = session
        self._turn_timeout = turn_timeout
        self._call_timeout = call_timeout

    def of(self, endpoint: Endpoint) -> EngineClient:
        """Return a client of one engine."""
        token = SecretStr(endpoint.token)
        return EngineClient(
            RestClient(self._session, endpoint.base_url, token, self._call_timeout), self._turn_timeout
        )

    async def is_ready(self, endpoint: Endpoint) -> bool:
        """Tell whether the engine there is ready."""
        return await self.of(endpoint).is_ready()
