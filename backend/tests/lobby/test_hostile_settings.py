"""What a player may write into the settings of a game, and of how much there is an end."""

import asyncio
from pathlib import Path

import pytest

from backend.settings import LobbySettings
from backend.tests.game_rooms import NEW_GAME, Bench, open_bench, settings_for

pytestmark = pytest.mark.stores


@pytest.mark.parametrize(
    "change",
    [
        b'"enrollment_ends_at": "9999-12-31T23:59:59-14:00"',
        b'"enrollment_ends_at": "0001-01-01T00:00:00+14:00"',
        b'"enrollment_ends_at": "0001-01-01T00:00:00Z"',
        b'"engine_options": {"seed": "\\ud800"}',
        b'"engine_options": {"seed": 123456789012345678901234567890}',
        b'"engine_options": ' + b'{"a":' * 400 + b"1" + b"}" * 400,
    ],
    ids=["after-time", "before-time", "year-one", "half-a-character", "huge-number", "deep"],
)
async def test_settings_that_cannot_be_kept_are_refused_and_no_defect(bench: Bench, change: bytes):
    ann = await bench.player("ann")
    answer = await ann.call("POST", "/games", raw=b'{"name": "Sol", "race_name": "Terrans", ' + change + b"}")
    assert (answer.status, answer.error_code) == (422, "invalid_request")


async def test_an_owner_has_a_bounded_number_of_unfinished_games_also_when_made_at_once(
    games_dsn: str, tmp_path: Path
):
    settings = settings_for(games_dsn, tmp_path, lobby=LobbySettings(games_per_owner=3))
    async with open_bench(games_dsn, tmp_path, settings=settings, workers=False) as bench:
        ann, bob = await bench.player("ann"), await bench.player("bob")
        answers = await asyncio.gather(*(ann.call("POST", "/games", NEW_GAME) for _ in range(6)))
        assert sorted(answer.status for answer in answers) == [201] * 3 + [409] * 3
        assert {answer.error_code for answer in answers if not answer.ok} == {"lobby.too_many_games"}
        assert (await bob.call("POST", "/games", NEW_GAME)).status == 201
        made = next(answer.json()["game_id"] for answer in answers if answer.ok)
        await ann.ok("POST", f"/games/{made}/cancel")
        assert (await ann.call("POST", "/games", NEW_GAME)).status == 201


async def test_turns_are_no_closer_than_the_platform_wants_them(games_dsn: str, tmp_path: Path):
    settings = settings_for(games_dsn, tmp_path, lobby=LobbySettings())
    async with open_bench(games_dsn, tmp_path, settings=settings, workers=False) as bench:
        ann = await bench.player("ann")
        for seconds, status in ((59, 422), (60, 201)):
            schedule = {"kind": "rolling", "period_seconds": seconds}
            answer = await ann.call("POST", "/games", {**NEW_GAME, "schedule": schedule})
            assert answer.status == status
            if status == 422:
                error = answer.json()["error"]
                assert error["code"] == "lobby.settings_invalid"
                assert error["details"]["field"] == "schedule.period_seconds"
                assert "1m" in error["message"]


@pytest.mark.parametrize("registered", [True, False], ids=["account", "stranger"])
async def test_nobody_fills_a_mailbox_with_invites_to_game_after_game(bench: Bench, registered: bool):
    ann = await bench.player("ann")
    address = (await bench.player("bob")).email if registered else "nobody@example.org"
    answers = []
    for _ in range(6):
        game = await ann.ok("POST", "/games", NEW_GAME)
        path = f"/games/{game['game_id']}"
        await ann.ok("POST", f"{path}/open")
        answers.append(await ann.call("POST", f"{path}/invites", {"email": address}))
        await ann.ok("POST", f"{path}/cancel")
    assert [answer.status for answer in answers] == [201] * 5 + [429]
    assert answers[-1].error_code == "lobby.too_many_invites"
    assert (await ann.call("POST", "/games", NEW_GAME)).status == 201
