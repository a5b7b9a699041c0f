"""Session lookups, and revocations that cross them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from gateway.pipeline.errors import BackendUnavailable, NotAuthenticated
from gateway.pipeline.model import Passage, SignedRequest
from gateway.sessions.errors import SessionRevoked, SessionSourceUnavailable
from gateway.sessions.model import Session, SessionStatus
from gateway.sessions.rest import BackendSessions, NoSessions
from gateway.sessions.service import Sessions, SessionStage
from gateway.sessions.worker import Relookup
from gateway.tests.backend import TOKEN, FakeBackend
from gateway.tests.player import Player
from gateway.tests.test_envelope import request
from kit.rest_client import RestClient


class Source:
    """Answers with a snapshot, or waits until it may."""

    def __init__(self, *sessions: Session) -> None:
        self.sessions = {session.device_session_id: session for session in sessions}
        self.asked: list[str] = []
        self.away = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.most_at_once = 0
        self._at_once = 0

    async def find(self, device_session_id: str) -> Session | None:
        self.asked.append(device_session_id)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        snapshot = self.sessions.get(device_session_id)
        try:
            await asyncio.sleep(0)
            await self.may_answer.wait()
        finally:
            self._at_once -= 1
        if self.away:
            raise SessionSourceUnavailable("away")
        return snapshot


def session(number: int = 1, status: SessionStatus = SessionStatus.ACTIVE, user_id: str = "u1") -> Session:
    return Session(
        f"01920000-0000-7000-8000-{number:012d}", user_id, status, bytes(32), datetime(2030, 1, 1, tzinfo=UTC)
    )


async def test_each_question_is_asked_of_the_backend():
    """gateway-runtime:44 one lookup a request, no projection in this process."""
    source = Source(session())
    sessions = Sessions(source, 10)
    await sessions.get(session().device_session_id)
    await sessions.get(session().device_session_id)
    assert len(source.asked) == 2


async def test_a_revocation_is_final_whatever_a_later_snapshot_says():
    """gateway-runbook-redis-streams:46 a later active snapshot does not overwrite a revocation.

    gateway-runbook-redis-streams:47 and gateway-runbook-latest:95 new requests of the session are refused.
    """
    source = Source(session())
    sessions = Sessions(source, 10)
    sessions.revoke(session().device_session_id)
    with pytest.raises(SessionRevoked):
        await sessions.get(session().device_session_id)


async def test_a_revoked_snapshot_is_remembered():
    source = Source(session(status=SessionStatus.REVOKED))
    sessions = Sessions(source, 10)
    with pytest.raises(SessionRevoked):
        await sessions.get(session().device_session_id)
    source.sessions[session().device_session_id] = session()
    with pytest.raises(SessionRevoked):
        await sessions.get(session().device_session_id)


@pytest.mark.parametrize("whole_user", [False, True])
async def test_a_revocation_during_the_lookup_is_not_missed(whole_user: bool):
    source = Source(session())
    source.may_answer.clear()
    sessions = Sessions(source, 10)
    lookup = asyncio.ensure_future(sessions.get(session().device_session_id))
    while not source.asked:
        await asyncio.sleep(0)
    if whole_user:
        sessions.revoke_all_for_user("u1")
    else:
        sessions.revoke(session().device_session_id)
    source.may_answer.set()
    with pytest.raises(SessionRevoked):
        await lookup


async def test_a_user_signed_out_everywhere_may_sign_in_again():
    sessions = Sessions(Source(session(1), session(2)), 10)
    sessions.revoke_all_for_user("u1")
    assert (await sessions.get(session(2).device_session_id)).user_id == "u1"


async def test_tombstones_are_bounded_and_the_oldest_goes_first():
    source = Source(session(1), session(2))
    sessions = Sessions(source, 1)
    sessions.revoke(session(1).device_session_id)
    sessions.revoke(session(2).device_session_id)
    await sessions.get(session(1).device_session_id)
    with pytest.raises(SessionRevoked):
        await sessions.get(session(2).device_session_id)


async def test_an_unknown_session_costs_a_verification_and_is_called_unauthenticated():
    spent: list[SignedRequest] = []
    stage = SessionStage(Sessions(Source(), 10), spent.append)
    signed = request()
    with pytest.raises(NotAuthenticated):
        await stage.check(Passage(signed, ""))
    assert spent == [signed]


async def test_a_backend_that_cannot_be_asked_lets_nothing_pass():
    stage = SessionStage(Sessions(NoSessions(), 10), lambda _: None)
    with pytest.raises(BackendUnavailable):
        await stage.check(Passage(request(), ""))


async def test_the_backends_answers_are_read(backend: FakeBackend):
    player = backend.admit(Player(), datetime(2030, 1, 1, tzinfo=UTC))
    async with RestClient.open(backend.url, SecretStr(TOKEN)) as client:
        found = await BackendSessions(client).find(player.device_session_id)
        assert found is not None
        assert (found.user_id, found.status) == (player.user_id, SessionStatus.ACTIVE)
        assert found.created_at == datetime(2030, 1, 1, tzinfo=UTC)
        assert await BackendSessions(client).find(Player().device_session_id) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"client_public_key": "AAAA"},
        {"client_public_key": "%"},
        {"status": "sleeping"},
        {"created_at": "yesterday"},
        {"created_at": "2030-01-01T00:00:00"},
        {"user_id": None},
    ],
)
async def test_a_malformed_snapshot_counts_as_no_answer(backend: FakeBackend, broken: dict[str, object]):
    player = backend.admit(Player())
    snapshot = backend.sessions[player.device_session_id]
    snapshot.update(broken)
    if broken == {"user_id": None}:
        del snapshot["user_id"]
    async with RestClient.open(backend.url, SecretStr(TOKEN)) as client:
        with pytest.raises(SessionSourceUnavailable):
            await BackendSessions(client).find(player.device_session_id)


async def test_a_wrong_service_token_is_no_verdict_on_the_session(backend: FakeBackend, player: Player):
    async with RestClient.open(backend.url, SecretStr("a-token-that-is-wrong")) as client:
        with pytest.raises(SessionSourceUnavailable):
            await BackendSessions(client).find(player.device_session_id)


class Open:
    """Who has streams."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def open_sessions(self) -> list[str]:
        return list(self.ids)


async def test_after_a_gap_every_open_session_is_asked_for_a_bounded_number_at_once():
    known = [session(number) for number in range(40)]
    gone = replace(session(40))
    revoked = session(41, SessionStatus.REVOKED)
    source = Source(*known, revoked)
    open_sessions = Open([s.device_session_id for s in (*known, gone, revoked)])
    ended: list[str] = []

    def end(device_session_id: str, reason: str) -> None:
        assert reason == "found_after_gap"
        ended.append(device_session_id)

    relookup = Relookup(Sessions(source, 100), open_sessions, end, concurrency=5)
    assert await relookup.run_once() == 2
    assert sorted(ended) == [gone.device_session_id, revoked.device_session_id]
    assert len(source.asked) == 42
    assert source.most_at_once <= 5


async def test_while_the_backend_is_away_sessions_wait_and_none_is_ended():
    source = Source(session(1, SessionStatus.REVOKED))
    source.away = True
    ended: list[str] = []
    relookup = Relookup(
        Sessions(source, 100),
        Open([session(1).device_session_id]),
        lambda i, _: ended.append(i),
        concurrency=5,
    )
    running = asyncio.ensure_future(relookup.run_once())
    async with asyncio.timeout(timedelta(seconds=10).total_seconds()):
        while len(source.asked) < 2:
            await asyncio.sleep(0.01)
        assert not ended
        source.away = False
        assert await running == 1
