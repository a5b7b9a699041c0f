"""The five calls behind the backend's admin façade."""

from datetime import UTC, datetime, timedelta

import pytest

from kit.ids import uuid7
from mail.chaos.sink import Say, Stall
from mail.tests.conftest import TOKEN, Post, StartMail

pytestmark = pytest.mark.stores


async def test_callers_without_a_service_token_are_turned_away(post: Post):
    for token in (None, "another-token-of-some-length"):
        status, body = await post.call("GET", "/deliveries", token=token)
        assert (status, body["error"]["code"]) == (401, "unauthenticated")


async def test_the_description_of_the_api_is_for_those_who_may_call_it(post: Post):
    async with post.http.get("/openapi.json") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (401, "unauthenticated")
    async with post.http.get("/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}) as response:
        assert response.status == 200
        document = await response.json()
    calls = document["paths"]["/api/v1/internal/mail/deliveries/{delivery_id}/resend"]
    assert calls["post"]["security"] == [{"service": []}]
    async with post.http.get("/healthz") as response:
        assert response.status == 200


async def test_deliveries_are_listed_newest_first_and_by_state(post: Post):
    """backend-runbook:98"""
    ids = []
    for _ in range(3):
        ids.append(await post.send())
        await post.reaches(ids[-1], "sent")
    status, body = await post.call("GET", "/deliveries?page=1&page_size=2")
    assert status == 200
    assert [item["delivery_id"] for item in body["items"]] == [ids[2], ids[1]]
    assert (body["page"], body["page_size"], body["total"]) == (1, 2, 3)
    _, second = await post.call("GET", "/deliveries?page=2&page_size=2")
    assert [item["delivery_id"] for item in second["items"]] == [ids[0]]
    _, none = await post.call("GET", "/deliveries?state=retrying")
    assert none["total"] == 0
    status, _ = await post.call("GET", "/deliveries?state=lost")
    assert status == 422


async def test_one_delivery_is_shown_with_its_attempts(post: Post):
    """backend-runbook:99 backend-runbook:100"""
    post.sink.once("RCPT", Say("550 5.7.1 no"))
    delivery_id = await post.send()
    await post.reaches(delivery_id, "dead_lettered")
    status, body = await post.call("GET", f"/deliveries/{delivery_id}")
    assert status == 200
    assert (body["state"], body["attempts"], body["to"]) == ("dead_lettered", 1, "ada@example.test")
    assert body["last_error_classification"] == "smtp_refused_for_ever"
    status, attempts = await post.call("GET", f"/deliveries/{delivery_id}/attempts")
    assert [(a["attempt_no"], a["outcome"]) for a in attempts["items"]] == [(1, "dead")]


@pytest.mark.parametrize("path", ["/deliveries/{}", "/deliveries/{}/attempts"])
async def test_an_unknown_delivery_is_404(post: Post, path: str):
    for unknown in (uuid7(), "seven"):
        status, body = await post.call("GET", path.format(unknown))
        assert (status, body["error"]["code"]) == (404, "mail.delivery_not_found")
    status, _ = await post.call("POST", f"/deliveries/{uuid7()}/resend")
    assert status == 404


async def test_dead_letters_are_listed_and_stay_after_a_resend(post: Post):
    """backend-runbook:101"""
    post.sink.once("RCPT", Say("550 5.7.1 no"))
    delivery_id = await post.send()
    await post.reaches(delivery_id, "dead_lettered")
    _, body = await post.call("GET", "/dead-letters")
    assert [(d["delivery_id"], d["state"]) for d in body["items"]] == [(delivery_id, "dead_lettered")]
    await post.call("POST", f"/deliveries/{delivery_id}/resend")
    await post.reaches(delivery_id, "sent")
    _, body = await post.call("GET", "/dead-letters")
    assert [(d["delivery_id"], d["state"]) for d in body["items"]] == [(delivery_id, "sent")]


async def test_a_resend_of_a_dead_letter_begins_a_new_series_whose_numbers_go_on(post: Post):
    """backend-runbook:102 backend-runbook:103 backend-runbook:104 backend-runbook:106 backend-runbook:107
    backend-runbook:108
    """
    post.sink.once("RCPT", Say("550 5.1.1 no such user"))
    delivery_id = await post.send()
    await post.reaches(delivery_id, "dead_lettered")
    status, body = await post.call("POST", f"/deliveries/{delivery_id}/resend")
    assert (status, body["state"]) == (200, "pending")
    await post.reaches(delivery_id, "sent")
    assert await post.history(delivery_id) == [(1, "dead", "smtp_refused_for_ever"), (2, "delivered", None)]


async def test_a_resend_of_a_retrying_delivery_tries_it_now(post: Post):
    post.sink.once("RCPT", Say("450 4.2.1 busy"))
    delivery_id = await post.send()
    await post.reaches(delivery_id, "retrying")
    status, _ = await post.call("POST", f"/deliveries/{delivery_id}/resend")
    assert status == 200
    await post.reaches(delivery_id, "sent")


async def test_a_resend_of_a_sent_delivery_is_refused(post: Post):
    """backend-runbook:104 backend-runbook:105"""
    delivery_id = await post.send()
    await post.reaches(delivery_id, "sent")
    status, body = await post.call("POST", f"/deliveries/{delivery_id}/resend")
    assert (status, body["error"]["code"]) == (409, "mail.already_sent")


async def test_a_resend_of_a_delivery_in_flight_is_refused(start_mail: StartMail):
    _, post = await start_mail(smtp_timeout="1s")
    post.sink.once("RCPT", Stall())
    delivery_id = await post.send()
    await post.sink.wait_for("RCPT")
    status, body = await post.call("POST", f"/deliveries/{delivery_id}/resend")
    assert (status, body["error"]["code"]) == (409, "mail.being_sent")


async def test_a_resend_of_a_suppressed_delivery_is_refused(post: Post):
    await post.write({"kind": "erase", "user_id": "u-2"})
    delivery_id = await post.send(user_id="u-2")
    await post.reaches(delivery_id, "suppressed")
    status, body = await post.call("POST", f"/deliveries/{delivery_id}/resend")
    assert (status, body["error"]["code"]) == (409, "mail.suppressed")


async def test_a_resend_of_a_code_that_has_run_out_is_refused(post: Post):
    delivery_id = await post.send_code(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await post.reaches(delivery_id, "dead_lettered")
    status, body = await post.call("POST", f"/deliveries/{delivery_id}/resend")
    assert (status, body["error"]["code"]) == (409, "mail.code_over")


async def test_a_resend_of_a_code_that_still_holds_sends_it(post: Post):
    post.sink.once("RCPT", Say("550 5.7.1 no"))
    delivery_id = await post.send_code("909090", expires_at=datetime.now(UTC) + timedelta(minutes=5))
    await post.reaches(delivery_id, "dead_lettered")
    status, _ = await post.call("POST", f"/deliveries/{delivery_id}/resend")
    assert status == 200
    await post.reaches(delivery_id, "sent")
    assert b"909090" in post.sink.taken[0].content
