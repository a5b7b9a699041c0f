"""The same key and request give the first answer again."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from backend.api.errors import KeyMalformed, KeyReused
from backend.api.idempotency import StoredIdempotencyKeys, idempotent_call
from backend.api.model import IdempotentCall, StoredAnswer
from backend.leadership.transactions import FencedTransactions
from kit.ids import uuid7
from kit.postgres import Database
from kit.testing import ManualClock

pytestmark = pytest.mark.stores


class Bench:
    """A use case that counts how often it really works."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.clock = clock
        self.transactions = FencedTransactions(database, 0, lambda: None)
        self.keys = StoredIdempotencyKeys(self.transactions, clock)
        self.worked = 0

    async def use_case(self, call: IdempotentCall | None, fail: bool = False) -> StoredAnswer:
        async with self.transactions.write() as connection:
            first = await self.keys.first_answer(connection, call)
            if first is not None:
                return first
            self.worked += 1
            answer = StoredAnswer(200, {"n": self.worked})
            await asyncio.sleep(0)
            if fail:
                raise ZeroDivisionError
            await self.keys.remember(connection, call, answer)
        return answer


@pytest.fixture
async def bench(backend_dsn):
    async with Database.open(backend_dsn, "keys-test") as database:
        yield Bench(database, ManualClock())


def _call(key: str = "k", fingerprint: str = "f", user: str | None = None) -> IdempotentCall:
    return IdempotentCall(user or "01890000-0000-7000-8000-000000000000", key, fingerprint)


async def test_a_repeat_gets_the_first_answer_and_another_request_is_refused(bench):
    first = await bench.use_case(_call())
    assert await bench.use_case(_call()) == first
    assert bench.worked == 1
    with pytest.raises(KeyReused):
        await bench.use_case(_call(fingerprint="other"))


async def test_of_many_at_once_one_works_and_all_get_its_answer(bench):
    answers = await asyncio.gather(*(bench.use_case(_call()) for _ in range(8)))
    assert {answer.body["n"] for answer in answers} == {1}
    assert bench.worked == 1


async def test_what_failed_may_be_tried_again(bench):
    with pytest.raises(ZeroDivisionError):
        await bench.use_case(_call(), fail=True)
    assert (await bench.use_case(_call())).body == {"n": 2}


async def test_keys_belong_to_a_user_and_no_key_means_no_memory(bench):
    await bench.use_case(_call())
    await bench.use_case(_call(user=uuid7()))
    await bench.use_case(None)
    await bench.use_case(None)
    assert bench.worked == 4


async def test_a_key_is_forgotten_after_a_day(bench):
    await bench.use_case(_call())
    bench.clock.advance(timedelta(hours=24, seconds=1))
    assert (await bench.use_case(_call(fingerprint="other"))).body == {"n": 2}
    bench.clock.advance(timedelta(hours=25))
    assert [await bench.keys.forget_old(1), await bench.keys.forget_old(1)] == [1, 0]
    async with bench.transactions.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0


class _Request:
    method = "POST"

    def __init__(self, path: str = "/p", query: str = "", body: bytes = b"") -> None:
        self.url = type("Url", (), {"path": path, "query": query})()
        self._body = body

    async def body(self) -> bytes:
        return self._body


async def test_a_fingerprint_covers_path_query_and_body():
    async def of(request: Any) -> str:
        call = await idempotent_call(request, "u", "key")
        assert call is not None
        return call.fingerprint

    prints = [
        await of(_Request()),
        await of(_Request(path="/q")),
        await of(_Request(query="a=1")),
        await of(_Request(body=b"x")),
    ]
    assert len(set(prints)) == 4
    assert await of(_Request()) == prints[0]
    assert await idempotent_call(_Request(), "u", None) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 129, "é", "a\nb"])
async def test_a_key_is_plain(key):
    with pytest.raises(KeyMalformed):
        await idempotent_call(_Request(), "u", key)  # type: ignore[arg-type]
