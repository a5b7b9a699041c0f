"""The lobby's calls over HTTP on a real Postgres: who may do what, when, and what two at once get."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from backend.lobby.worker import EnrollmentWorker
from backend.tests.game_rooms import NEW_GAME, Bench, PlayerClient, open_bench
from kit.clock import rfc3339
from kit.ids import uuid7
from kit.testing import eventually

pytestmark = pytest.mark.stores


async def opened(owner: PlayerClient, **settings) -> str:
    game = await owner.ok("POST", "/games", {**NEW_GAME, **settings})
    await owner.ok("POST", f"/games/{game['game_id']}/open")
    game_id: str = game["game_id"]
    return game_id


async def applied(player: PlayerClient, game_id: str, race_name: str) -> str:
    body = await player.ok("POST", f"/games/{game_id}/applications", {"race_name": race_name})
    application_id: str = body["application_id"]
    return application_id


async def test_a_new_game_is_a_draft_with_its_owner_seated(bench: Bench):
    ann = await bench.player("ann")
    answer = await ann.call("POST", "/games", {"name": " The  Sun ", "race_name": "Star Folk"})
    assert answer.status == 201
    game = answer.json()
    assert (game["name"], game["state"], game["visibility"]) == ("The Sun", "draft", "public")
    assert (game["min_players"], game["max_players"]) == (2, 8)
    assert game["schedule"] == {"kind": "rolling", "period_seconds": 86_400}
    assert game["engine_version"] == "1.0.0"
    assert game["runtime"] == {"status": "none", "detail": ""}
    assert (game["current_turn"], game["next_turn_at"]) == (None, None)
    assert game["me"] == {"role": "owner", "race_name": "Star_Folk", "application": None, "final": False}
    assert [player["user_id"] for player in game["players"]] == [ann.user_id]
    assert await ann.ok("GET", f"/games/{game['game_id']}") == game


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "invalid_request"),
        ({"colour": "red"}, "invalid_request"),
        ({"min_players": 3, "max_players": 2}, "lobby.settings_invalid"),
        ({"min_players": 1}, "lobby.settings_invalid"),
        ({"max_players": 99, "bots": 5}, "lobby.settings_invalid"),
        ({"schedule": {"kind": "cron", "cron": "61 * * * *"}}, "lobby.settings_invalid"),
        ({"schedule": {"kind": "cron", "cron": "0 0 30 2 *"}}, "lobby.settings_invalid"),
        (
            {"schedule": {"kind": "cron", "cron": "0 0 * * *", "time_zone": "Mars/Olympus"}},
            "lobby.settings_invalid",
        ),
        ({"schedule": {"kind": "rolling", "period_seconds": 0}}, "invalid_request"),
        ({"engine_version": "9.9.9"}, "lobby.settings_invalid"),
        ({"engine_options": {"x": "y" * 9000}}, "invalid_request"),
        ({"race_name": "GM"}, "lobby.race_name_invalid"),
    ],
)
async def test_settings_that_make_no_game_are_refused(bench: Bench, change, code):
    ann = await bench.player("ann")
    assert await ann.refused("POST", "/games", {**NEW_GAME, **change}) == (422, code)


async def test_states_move_by_the_owner_alone_and_in_order(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await opened(ann)
    assert await bob.refused("POST", f"/games/{game_id}/cancel") == (403, "lobby.not_owner")
    assert await ann.refused("POST", f"/games/{game_id}/open") == (409, "lobby.wrong_state")
    assert await ann.refused("POST", f"/games/{game_id}/pause") == (409, "lobby.wrong_state")
    assert await ann.refused("POST", f"/games/{game_id}/resume") == (409, "lobby.wrong_state")
    assert await ann.refused("POST", f"/games/{game_id}/start") == (409, "lobby.not_enough_players")
    game = await ann.ok("POST", f"/games/{game_id}/cancel")
    assert game["state"] == "cancelled"
    assert game["finished_at"] is not None
    assert await ann.refused("POST", f"/games/{game_id}/open") == (409, "lobby.wrong_state")
    assert await bob.refused("POST", f"/games/{game_id}/applications", {"race_name": "X"}) == (
        409,
        "lobby.wrong_state",
    )


async def test_an_application_is_made_once_and_decided_once(bench: Bench):
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    game_id = await opened(ann, max_players=4)
    path = f"/games/{game_id}/applications"
    assert await ann.refused("POST", path, {"race_name": "Other"}) == (409, "lobby.already_member")
    assert await bob.refused("POST", path, {"race_name": "tErRaNs"}) == (409, "lobby.race_name_taken")
    application_id = await applied(bob, game_id, "Vulcans")
    assert await bob.refused("POST", path, {"race_name": "Again"}) == (409, "lobby.already_applied")
    assert await bob.refused("GET", path) == (403, "lobby.not_owner")
    assert await bob.refused("POST", f"{path}/{application_id}/approve") == (403, "lobby.not_owner")
    listed = await ann.ok("GET", path)
    assert [(row["application_id"], row["status"]) for row in listed["items"]] == [
        (application_id, "pending")
    ]
    approved = await ann.ok("POST", f"{path}/{application_id}/approve")
    assert approved["status"] == "approved"
    assert await ann.refused("POST", f"{path}/{application_id}/reject") == (409, "lobby.application_decided")
    assert await ann.refused("POST", f"{path}/{uuid7()}/approve") == (404, "lobby.application_not_found")
    assert await ann.refused("POST", f"{path}/nonsense/approve") == (404, "lobby.application_not_found")
    (intent,) = await bench.intents("lobby.application.approved")
    assert intent == {
        "game_id": game_id,
        "game_name": "Sol",
        "race_name": "Vulcans",
        "recipients": [bob.user_id],
        "audience": "user",
    }
    rejected = await applied(cid, game_id, "Klingons")
    await ann.ok("POST", f"{path}/{rejected}/reject")
    assert (await cid.ok("GET", f"/games/{game_id}"))["me"]["application"]["status"] == "rejected"
    await applied(cid, game_id, "Klingons")


async def test_the_owner_is_told_of_each_applicant_once(bench: Bench):
    """Whoever is turned down and asks again fills no mailbox; and asks three times at most."""
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    game_id = await opened(ann, max_players=4)
    path = f"/games/{game_id}/applications"
    for _ in range(3):
        await ann.ok("POST", f"{path}/{await applied(bob, game_id, 'Vulcans')}/reject")
    assert await bob.refused("POST", path, {"race_name": "Vulcans"}) == (409, "lobby.too_many_applications")
    await applied(cid, game_id, "Klingons")
    shown = await bench.rows("SELECT user_id, display_name FROM accounts")
    names = {row["user_id"]: row["display_name"] for row in shown}
    told = {"game_id": game_id, "game_name": "Sol", "recipients": [ann.user_id], "audience": "user"}
    assert await bench.intents("lobby.application.submitted") == [
        {**told, "applicant_name": names[bob.user_id]},
        {**told, "applicant_name": names[cid.user_id]},
    ]
    invite = await ann.ok("POST", f"/games/{game_id}/invites", {"email": bob.email})
    await bob.ok("POST", f"/invites/{invite['invite_id']}/accept", {"race_name": "Vulcans"})


async def test_a_refused_application_tells_nobody(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await opened(ann, max_players=2)
    body = {"race_name": "tErRaNs"}
    assert await bob.refused("POST", f"/games/{game_id}/applications", body) == (409, "lobby.race_name_taken")
    assert await bench.intents("lobby.application.submitted") == []


async def test_of_two_approvals_of_the_last_seat_one_wins(bench: Bench):
    ann = await bench.player("ann")
    others = [await bench.player(f"p{n}") for n in range(6)]
    game_id = await opened(ann, max_players=2)
    ids = [await applied(player, game_id, f"Race{n}") for n, player in enumerate(others)]
    answers = await asyncio.gather(
        *(ann.call("POST", f"/games/{game_id}/applications/{one}/approve") for one in ids)
    )
    assert sorted(answer.status for answer in answers) == [200, *[409] * 5]
    assert {answer.error_code for answer in answers if not answer.ok} == {"lobby.game_full"}
    game = await ann.ok("GET", f"/games/{game_id}")
    assert (game["state"], len(game["players"])) == ("ready_to_start", 2)
    assert len(await bench.intents("lobby.application.approved")) == 1


async def test_of_two_who_want_one_race_name_one_gets_it(bench: Bench):
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    game_id = await opened(ann, max_players=5)
    ids = [await applied(bob, game_id, "Vulcans"), await applied(cid, game_id, "VULCANS")]
    answers = await asyncio.gather(
        *(ann.call("POST", f"/games/{game_id}/applications/{one}/approve") for one in ids)
    )
    assert sorted(answer.status for answer in answers) == [200, 409]
    assert {answer.error_code for answer in answers if not answer.ok} == {"lobby.race_name_taken"}


async def test_a_repeated_request_with_its_key_gets_the_first_answer(bench: Bench):
    ann = await bench.player("ann")
    first = await ann.ok("POST", "/games", NEW_GAME, key="create-1")
    assert await ann.ok("POST", "/games", NEW_GAME, key="create-1") == first
    assert await ann.refused("POST", "/games", {**NEW_GAME, "name": "Other"}, key="create-1") == (
        409,
        "idempotency.key_reused",
    )
    assert (await ann.ok("GET", "/games", query={"mine": "true"}))["total"] == 1


async def test_an_invisible_game_is_unknown_to_strangers(bench: Bench):
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    game_id = await opened(ann, visibility="invite", max_players=3)
    paths = ["", "/orders", "/turns", "/turns/0/report", "/applications"]
    for path in paths:
        assert await bob.refused("GET", f"/games/{game_id}{path}") == (404, "lobby.game_not_found")
    for path, body in [("/applications", {"race_name": "X"}), ("/start", None), ("/leave", None)]:
        assert await bob.refused("POST", f"/games/{game_id}{path}", body) == (404, "lobby.game_not_found")
    assert (await bob.ok("GET", "/games"))["items"] == []
    await ann.ok("POST", f"/games/{game_id}/invites", {"email": "bob@example.com"})
    assert (await bob.ok("GET", f"/games/{game_id}"))["me"]["role"] == "none"
    assert await bob.refused("POST", f"/games/{game_id}/applications", {"race_name": "X"}) == (
        409,
        "lobby.wrong_state",
    )
    assert await cid.refused("GET", f"/games/{game_id}") == (404, "lobby.game_not_found")
    assert await cid.refused("GET", f"/games/{uuid7()}") == (404, "lobby.game_not_found")
    assert await cid.refused("GET", "/games/nonsense") == (404, "lobby.game_not_found")


async def test_a_draft_is_its_owners_alone(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game = await ann.ok("POST", "/games", NEW_GAME)
    assert await bob.refused("GET", f"/games/{game['game_id']}") == (404, "lobby.game_not_found")
    assert (await bob.ok("GET", "/games"))["total"] == 0


async def test_an_invite_is_accepted_by_the_one_invited(bench: Bench):
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    game_id = await opened(ann, visibility="invite", max_players=3)
    invites = f"/games/{game_id}/invites"
    created = await ann.ok("POST", invites, {"email": " BOB@example.com"})
    assert await ann.refused("POST", invites, {"email": "bob@example.com"}) == (409, "lobby.already_invited")
    (mine,) = (await bob.ok("GET", "/invites"))["items"]
    assert (mine["invite_id"], mine["status"], mine["game_name"]) == (created["invite_id"], "open", "Sol")
    accept = f"/invites/{mine['invite_id']}/accept"
    assert await cid.refused("POST", accept, {"race_name": "X"}) == (404, "lobby.invite_not_found")
    assert await bob.refused("POST", accept, {"race_name": "terrans"}) == (409, "lobby.race_name_taken")
    assert (await bob.ok("POST", accept, {"race_name": "Vulcans"}))["status"] == "accepted"
    assert await bob.refused("POST", accept, {"race_name": "Vulcans"}) == (409, "lobby.invite_decided")
    (intent,) = await bench.intents("lobby.invite.created")
    assert intent["recipients"] == [bob.user_id]
    assert intent["invite_id"] == mine["invite_id"]
    declined = await ann.ok("POST", invites, {"email": "cid@example.com"})
    assert (await cid.ok("POST", f"/invites/{declined['invite_id']}/decline"))["status"] == "declined"


async def test_an_invite_tells_nothing_of_an_account_and_waits_for_one(bench: Bench):
    ann, _ = await bench.player("ann"), await bench.player("bob")
    game_id = await opened(ann, visibility="invite", max_players=4)
    known = await ann.ok("POST", f"/games/{game_id}/invites", {"email": "bob@example.com"})
    unknown = await ann.ok("POST", f"/games/{game_id}/invites", {"email": "dan@example.com"})
    assert known.keys() == unknown.keys()
    assert len(await bench.intents("lobby.invite.created")) == 1
    dan = await bench.player("dan")
    (mine,) = (await dan.ok("GET", "/invites"))["items"]
    assert mine["invite_id"] == unknown["invite_id"]
    await dan.ok("POST", f"/invites/{mine['invite_id']}/accept", {"race_name": "Late"})
    rows = await bench.rows("SELECT * FROM invites WHERE invitee_email IS NOT NULL")
    assert rows == []


async def test_a_player_may_leave_before_the_start_and_come_back(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await opened(ann, max_players=2)
    application_id = await applied(bob, game_id, "Vulcans")
    await ann.ok("POST", f"/games/{game_id}/applications/{application_id}/approve")
    assert await ann.refused("POST", f"/games/{game_id}/leave") == (409, "lobby.owner_cannot_leave")
    assert await bob.ok("POST", f"/games/{game_id}/leave") == {"game_id": game_id, "left": True}
    assert await bob.refused("POST", f"/games/{game_id}/leave") == (403, "lobby.not_member")
    assert await ann.refused("POST", f"/games/{game_id}/start") == (409, "lobby.not_enough_players")
    again = await applied(bob, game_id, "Vulcans")
    await ann.ok("POST", f"/games/{game_id}/applications/{again}/approve")
    assert (await ann.ok("GET", f"/games/{game_id}"))["state"] == "ready_to_start"


async def test_signals_go_to_those_concerned(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await opened(ann)
    bench.ring.signals.clear()
    application_id = await applied(bob, game_id, "Vulcans")
    (signal,) = bench.ring.signals
    assert (signal.event_type, signal.payload["reason"]) == ("lobby.changed", "application_submitted")
    assert set(signal.user_ids) == {ann.user_id, bob.user_id}
    bench.ring.signals.clear()
    await ann.refused("POST", f"/games/{game_id}/applications/{uuid7()}/approve")
    assert bench.ring.signals == []
    await ann.ok("POST", f"/games/{game_id}/applications/{application_id}/approve")
    assert {s.event_type for s in bench.ring.signals} == {"lobby.changed", "game.changed"}


async def test_lists_are_paged_and_filtered(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    ids = [await opened(ann, name=f"Game {n}") for n in range(3)]
    await ann.ok("POST", f"/games/{ids[0]}/cancel")
    page = await bob.ok("GET", "/games", query={"page_size": "2"})
    assert (page["total"], [game["game_id"] for game in page["items"]]) == (3, [ids[2], ids[1]])
    second = await bob.ok("GET", "/games", query={"page_size": "2", "page": "2"})
    assert [game["game_id"] for game in second["items"]] == [ids[0]]
    cancelled = await bob.ok("GET", "/games", query={"state": "cancelled"})
    assert [game["game_id"] for game in cancelled["items"]] == [ids[0]]
    assert (await bob.ok("GET", "/games", query={"mine": "true"}))["total"] == 0


async def test_the_end_of_enrolment_gives_up_a_game_without_players(bench: Bench):
    ann = await bench.player("ann")
    past = rfc3339(datetime.now(UTC) - timedelta(seconds=1))
    game_id = await opened(ann, enrollment_ends_at=past)
    game = await bench.until(ann, game_id, state="cancelled")
    assert game["state_reason"] == "not_enough_players"


async def test_the_end_of_enrolment_starts_a_game_by_itself_with_its_bots(bench: Bench):
    ann = await bench.player("ann")
    past = rfc3339(datetime.now(UTC) - timedelta(seconds=1))
    game_id = await opened(ann, min_players=1, bots=2, enrollment_ends_at=past)
    game = await bench.until(ann, game_id, state="running")
    assert [player["status"] for player in game["players"]] == ["active", "computer", "computer"]
    assert [player["display_name"] for player in game["players"][1:]] == ["Computer", "Computer"]


async def test_the_cache_is_read_at_the_start_and_written_after_each_commit(
    bench: Bench, games_dsn, tmp_path
):
    """backend-runbook:86 backend-runbook:87 backend-runbook:88: full table at start, write-through after the commit."""
    ann = await bench.player("ann")
    game_id = await opened(ann)
    async with open_bench(games_dsn, tmp_path, workers=False) as another:
        again = await another.player("ann")
        assert (await again.ok("GET", f"/games/{game_id}"))["state"] == "enrollment_open"
        await again.ok("POST", f"/games/{game_id}/cancel")
        assert (await again.ok("GET", f"/games/{game_id}"))["state"] == "cancelled"


async def test_a_commit_that_fails_leaves_the_cache_as_the_database_is(bench: Bench):
    """backend-runbook:89 backend-runbook:90: a failed commit leaves the cache with the previous database state."""
    ann = await bench.player("ann")
    game_id = await opened(ann)
    bench.ring.signals.clear()
    await bench.execute(
        "CREATE FUNCTION no_commit() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no commit today'; END $$"
    )
    await bench.execute(
        "CREATE CONSTRAINT TRIGGER no_commit AFTER UPDATE ON games DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION no_commit()"
    )
    answer = await ann.call("POST", f"/games/{game_id}/cancel")
    assert answer.status == 500
    assert (await ann.ok("GET", f"/games/{game_id}"))["state"] == "enrollment_open"
    assert bench.ring.signals == []
    (row,) = await bench.rows("SELECT state FROM games")
    assert row["state"] == "enrollment_open"
    await bench.execute("DROP TRIGGER no_commit ON games")
    await ann.ok("POST", f"/games/{game_id}/cancel")
    await eventually(lambda: _cancelled(ann, game_id))


async def _cancelled(ann: PlayerClient, game_id: str) -> bool:
    cancelled: bool = (await ann.ok("GET", f"/games/{game_id}"))["state"] == "cancelled"
    return cancelled


async def test_a_game_that_may_not_start_holds_up_no_other(games_dsn, tmp_path):
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        ann = await bench.player("ann")
        await bench.operator.ok(
            "POST", "/engine-versions", {"version": "0.9.0", "image": "galaxy/game:0.9.0"}
        )
        past = rfc3339(datetime.now(UTC) - timedelta(seconds=1))
        first, second = [
            await opened(ann, min_players=1, bots=1, enrollment_ends_at=past, engine_version=version)
            for version in ("0.9.0", "1.0.0")
        ]
        await bench.operator.ok("POST", "/engine-versions/0.9.0/disable")
        (worker,) = [worker for worker in bench.rooms.workers if isinstance(worker, EnrollmentWorker)]
        assert await worker._lobby.end_enrollment() == 1
        assert (await ann.ok("GET", f"/games/{first}"))["state"] == "enrollment_open"
        assert (await ann.ok("GET", f"/games/{second}"))["state"] == "starting"
        await bench.operator.ok("POST", "/engine-versions/0.9.0/enable")
        assert await worker._lobby.end_enrollment() == 1
        assert (await ann.ok("GET", f"/games/{first}"))["state"] == "starting"
