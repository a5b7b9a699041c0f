"""What a blocked person leaves behind in the lobby."""

import pytest

from backend.tests.game_rooms import NEW_GAME, Bench, PlayerClient

pytestmark = pytest.mark.stores


async def _block(bench: Bench, player: PlayerClient, *, withdraw: bool = True) -> None:
    """Block somebody as operators do; without `withdraw`, as if a call of theirs had come in between."""
    async with bench.base.transactions.write() as connection:
        account, _ = await bench.users.set_blocked(connection, player.user_id, blocked=True)
        tell = await bench.rooms.withdrawals.withdraw_all(connection, player.user_id) if withdraw else None
    bench.users.committed(account)
    if tell is not None:
        tell()


async def _unblock(bench: Bench, player: PlayerClient) -> None:
    async with bench.base.transactions.write() as connection:
        account, _ = await bench.users.set_blocked(connection, player.user_id, blocked=False)
    bench.users.committed(account)


async def _opened(owner: PlayerClient) -> str:
    game = await owner.ok("POST", "/games", {**NEW_GAME, "max_players": 4})
    await owner.ok("POST", f"/games/{game['game_id']}/open")
    return str(game["game_id"])


async def test_a_block_withdraws_applications_and_invites_and_tells_whom_they_concern(bench: Bench):
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    anns, bobs = await _opened(ann), await _opened(bob)
    application = await bob.ok("POST", f"/games/{anns}/applications", {"race_name": "Vulcans"})
    invite = await bob.ok("POST", f"/games/{bobs}/invites", {"email": cid.email})
    await bob.ok("POST", f"/games/{bobs}/invites", {"email": "nobody@example.com"})
    bench.ring.signals.clear()
    await _block(bench, bob)
    told = {
        (s.payload["game_id"], s.payload["reason"]): set(s.user_ids)
        for s in bench.ring.signals
        if s.event_type == "lobby.changed"
    }
    assert told[anns, "application_withdrawn"] == {ann.user_id, bob.user_id}
    assert {reason for game, reason in told if game == bobs} == {"invite_withdrawn"}
    assert (await ann.ok("GET", f"/games/{anns}/applications"))["items"][0]["status"] == "withdrawn"
    approve = f"/games/{anns}/applications/{application['application_id']}/approve"
    assert await ann.refused("POST", approve) == (409, "lobby.application_decided")
    assert (await cid.ok("GET", "/invites"))["items"] == []
    accept = f"/invites/{invite['invite_id']}/accept"
    assert await cid.refused("POST", accept, {"race_name": "Klingons"}) == (404, "lobby.invite_not_found")
    await _unblock(bench, bob)
    assert await ann.refused("POST", approve) == (409, "lobby.application_decided")
    assert (await cid.ok("GET", "/invites"))["items"] == []
    await bob.ok("POST", f"/games/{anns}/applications", {"race_name": "Vulcans"})
    await bob.ok("POST", f"/games/{bobs}/invites", {"email": cid.email})


async def test_the_invites_of_others_and_decided_applications_outlive_a_block(bench: Bench):
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    game_id = await _opened(ann)
    path = f"/games/{game_id}/applications"
    mine = await bob.ok("POST", path, {"race_name": "Vulcans"})
    await ann.ok("POST", f"{path}/{mine['application_id']}/approve")
    await ann.ok("POST", f"/games/{game_id}/invites", {"email": cid.email})
    await _block(bench, bob)
    assert [row["status"] for row in (await ann.ok("GET", path))["items"]] == ["approved"]
    assert bob.user_id in {seat["user_id"] for seat in (await ann.ok("GET", f"/games/{game_id}"))["players"]}
    assert len((await cid.ok("GET", "/invites"))["items"]) == 1


async def test_a_blocked_applicant_gets_no_seat_and_a_blocked_owner_no_applicants(bench: Bench):
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    anns, bobs = await _opened(ann), await _opened(bob)
    path = f"/games/{anns}/applications"
    left = (await bob.ok("POST", path, {"race_name": "Vulcans"}))["application_id"]
    invite = (await bob.ok("POST", f"/games/{bobs}/invites", {"email": cid.email}))["invite_id"]
    await _block(bench, bob, withdraw=False)
    assert await ann.refused("POST", f"{path}/{left}/approve") == (409, "lobby.applicant_not_active")
    assert [seat["user_id"] for seat in (await ann.ok("GET", f"/games/{anns}"))["players"]] == [ann.user_id]
    await ann.ok("POST", f"{path}/{left}/reject")
    body = {"race_name": "Klingons"}
    assert await cid.refused("POST", f"/games/{bobs}/applications", body) == (409, "lobby.owner_not_active")
    assert await cid.refused("POST", f"/invites/{invite}/accept", body) == (409, "lobby.owner_not_active")
    await cid.ok("POST", f"/invites/{invite}/decline")
