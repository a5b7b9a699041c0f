"""The laws of a lane under any order of claims, deaths, completions, releases and resends."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.outbox import Claim
from kit.outbox.model import Completion
from kit.outbox.storage import LaneStorage
from kit.tests.outbox.conftest import LANE, QUICK, Letters

pytestmark = pytest.mark.stores

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "claim", "deliver", "refuse", "kill", "release", "expire", "due", "rearm"]),
        st.integers(0, 3),
    ),
    max_size=25,
)


class Model:
    """Who believes to hold what, and what truly left the house."""

    def __init__(self) -> None:
        self.held: list[Claim] = []
        self.sent: dict[str, int] = {}
        self.accepted: dict[str, int] = {}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_whatever_happens_nothing_is_lost_and_history_tells_it_all(
    letters: Letters, steps: list[tuple[str, int]]
):
    async with letters.database.transaction() as connection:
        await connection.execute("TRUNCATE letters, letters_attempts")
    storages = [LaneStorage(letters.database, LANE) for _ in range(2)]
    model, added = Model(), 0
    for step, size in steps:
        added += await _do(letters, storages, model, step, size)
    rows, attempts = await _everything(letters)
    assert len(rows) == added
    for row in rows:
        mine = [a for a in attempts if a["entry_id"] == row["id"]]
        numbers = [a["attempt_no"] for a in mine]
        assert numbers == list(range(1, row["attempt_no"] + 1)), "numbers are dense and never go back"
        open_attempts = [a for a in mine if a["outcome"] == "started"]
        assert len(open_attempts) == (1 if row["claim_token"] else 0)
        assert sum(a["outcome"] == "delivered" for a in mine) == model.accepted.get(row["id"], 0) <= 1
        if row["state"] == "sent":
            assert model.sent[row["id"]] >= 1, "nothing is marked sent that did not leave"
        else:
            assert model.accepted.get(row["id"], 0) == 0
        unknown = sum(a["outcome"] == "unknown" for a in mine)
        assert model.sent.get(row["id"], 0) <= 1 + unknown, (
            "each extra copy is explained by an unknown attempt"
        )


async def _do(letters: Letters, storages: list[LaneStorage], model: Model, step: str, size: int) -> int:
    mine = model.held.pop(size % len(model.held)) if model.held else None
    match step:
        case "add":
            if mine is not None:
                model.held.append(mine)
            return len(await letters.add(size + 1))
        case "claim":
            if mine is not None:
                model.held.append(mine)
            model.held += await storages[size % 2].claim(size + 1, QUICK.lease)
        case "deliver" if mine is not None:
            if not await storages[0].still_ours([mine], timedelta(0)):
                return 0  # a worker looks before each send
            model.sent[mine.id] = model.sent.get(mine.id, 0) + 1
            for claim_id in await storages[0].complete([_sent(mine)]):
                model.accepted[claim_id] = model.accepted.get(claim_id, 0) + 1
        case "refuse" if mine is not None:
            await storages[0].complete([_refused(mine)])
        case "kill" if mine is not None:
            # It left the house, and the worker died before the mark.
            if await storages[0].still_ours([mine], timedelta(0)):
                model.sent[mine.id] = model.sent.get(mine.id, 0) + 1
                await letters.expire_leases()
                model.held += await storages[1].claim(10, QUICK.lease)
        case "release" if mine is not None:
            await storages[0].release([mine])
        case "expire":
            await letters.expire_leases()
        case "due":
            await letters.make_due()
        case "rearm":
            async with letters.database.transaction() as connection:
                await connection.execute(
                    "UPDATE letters SET attempts_left_from = attempt_no WHERE claim_token IS NULL"
                )
        case _:
            pass
    await asyncio.sleep(0)
    return 0


async def _everything(letters: Letters) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    async with letters.database.connection() as connection:
        rows = await connection.fetch("SELECT * FROM letters")
        attempts = await connection.fetch("SELECT * FROM letters_attempts ORDER BY entry_id, attempt_no")
    return [dict(r) for r in rows], [dict(a) for a in attempts]


def _sent(claim: Claim) -> Completion:
    return Completion(claim.id, claim.token, "sent", "delivered", None, None, timedelta(0), final=True)


def _refused(claim: Claim) -> Completion:
    return Completion(claim.id, claim.token, "retrying", "refused", "busy", None, timedelta(0), final=False)
