"""What the relay can do to a delivery, stage by stage, and what comes of it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mail.chaos.sink import Drop, Say, Stall, Verb
from mail.tests.conftest import Post, StartMail

pytestmark = pytest.mark.stores

STAGES: list[Verb] = ["MAIL", "RCPT", "DATA", "DOT"]


async def soon(post: Post, delivery_id: str) -> None:
    """Let the ladder's wait pass."""
    await post.execute(
        "UPDATE deliveries SET next_at = now() WHERE id = $1 AND finished_at IS NULL", delivery_id
    )


@pytest.mark.parametrize("stage", STAGES)
async def test_a_4xx_goes_onto_the_ladder_and_is_sent_once_later(post: Post, stage: Verb):
    post.sink.once(stage, Say("451 4.7.1 greylisted, try again"))
    delivery_id = await post.send()
    row = await post.reaches(delivery_id, "retrying")
    assert row["last_error_classification"] == "smtp_refused_for_now"
    assert "451" in row["last_error"]
    wait = (await post.fetch("SELECT next_at - now() AS wait FROM deliveries"))[0]["wait"]
    assert timedelta(seconds=25) < wait < timedelta(seconds=33.1), "30 s, jitter upward only"
    await soon(post, delivery_id)
    await post.reaches(delivery_id, "sent")
    assert list(post.sink.copies().values()) == [1]
    assert await post.history(delivery_id) == [(1, "refused", "smtp_refused_for_now"), (2, "delivered", None)]


@pytest.mark.parametrize("stage", STAGES)
async def test_a_5xx_is_a_dead_letter_at_once(post: Post, stage: Verb):
    post.sink.once(stage, Say("550 5.7.1 we do not want <ada@example.test>"))
    delivery_id = await post.send()
    row = await post.reaches(delivery_id, "dead_lettered")
    assert row["last_error_classification"] == "smtp_refused_for_ever"
    assert "ada@example.test" not in row["last_error"], "relays quote addresses; our logs and tables do not"
    letters = await post.fetch("SELECT delivery_id, attempt_no, classification FROM dead_letters")
    assert letters == [
        {"delivery_id": delivery_id, "attempt_no": 1, "classification": "smtp_refused_for_ever"}
    ]
    assert post.sink.taken == []


async def test_the_connection_survives_a_refusal_but_not_a_421(start_mail: StartMail):
    _, post = await start_mail(smtp_connections=1, workers=1)
    post.sink.once("RCPT", Say("550 5.7.1 no"))
    await post.reaches(await post.send(), "dead_lettered")
    await post.reaches(await post.send(), "sent")
    assert post.sink.connections == 1
    post.sink.once("RCPT", Say("421 4.3.2 closing"))
    row = await post.reaches(await post.send(), "retrying")
    assert "421" in row["last_error"]
    await post.reaches(await post.send(), "sent")
    assert post.sink.connections == 2


async def test_a_session_that_the_relay_ended_while_idle_costs_no_attempt(start_mail: StartMail):
    _, post = await start_mail(smtp_connections=1, workers=1)
    await post.reaches(await post.send(), "sent")
    post.sink.once("MAIL", Drop())
    delivery_id = await post.send()
    assert (await post.reaches(delivery_id, "sent"))["attempt_no"] == 1
    assert list(post.sink.copies().values()) == [1, 1]


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_stalled_verb_is_retried_safely_without_a_copy(start_mail: StartMail, stage: Verb):
    _, post = await start_mail(smtp_timeout="300ms")
    post.sink.once(stage, Stall())
    delivery_id = await post.send()
    row = await post.reaches(delivery_id, "retrying")
    assert row["last_error_classification"] == "smtp_timeout"
    await soon(post, delivery_id)
    await post.reaches(delivery_id, "sent")
    assert list(post.sink.copies().values()) == [1]


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_connection_cut_before_the_dot_is_retried_safely_without_a_copy(post: Post, stage: Verb):
    post.sink.once(stage, Drop())
    delivery_id = await post.send()
    row = await post.reaches(delivery_id, "retrying")
    assert row["last_error_classification"] in {"smtp_connect_failed", "smtp_connection_lost"}
    await soon(post, delivery_id)
    await post.reaches(delivery_id, "sent")
    assert list(post.sink.copies().values()) == [1]


@pytest.mark.parametrize("silence", [Stall(), Drop()])
async def test_no_answer_after_the_dot_is_unknown_and_ends_after_two_retries(
    start_mail: StartMail, silence: Stall | Drop
):
    _, post = await start_mail(smtp_final_timeout="200ms")
    post.sink.always("DOT", silence)
    delivery_id = await post.send()
    row = await post.reaches(delivery_id, "dead_lettered")
    assert row["last_error_classification"] == "outcome_unknown"
    assert await post.history(delivery_id) == [(n, "unknown", "outcome_unknown") for n in (1, 2, 3)]
    assert post.sink.copies() == {f"{delivery_id}@mail.test": 3}, "every copy has the same Message-ID"


async def test_an_unknown_outcome_waits_before_it_is_tried_again(start_mail: StartMail):
    _, post = await start_mail(unknown_wait="10m")
    post.sink.once("DOT", Drop())
    delivery_id = await post.send()
    await post.reaches(delivery_id, "retrying")
    wait = (await post.fetch("SELECT next_at - now() AS wait FROM deliveries"))[0]["wait"]
    assert timedelta(minutes=9.9) < wait <= timedelta(minutes=10)
    await soon(post, delivery_id)
    await post.reaches(delivery_id, "sent")


async def test_a_relay_that_is_away_puts_mail_onto_the_ladder(start_mail: StartMail):
    _, post = await start_mail(smtp_port=1)
    delivery_id = await post.send()
    row = await post.reaches(delivery_id, "retrying")
    assert row["last_error_classification"] == "smtp_connect_failed"
    assert row["attempt_no"] == 1


async def test_a_relay_that_refuses_us_says_nothing_of_the_mail(post: Post):
    post.sink.once("CONNECT", Say("554 5.7.1 you are on a list"))
    delivery_id = await post.send()
    row = await post.reaches(delivery_id, "retrying")
    assert row["last_error_classification"] == "smtp_refused_for_now"


async def test_the_eighth_failure_is_a_dead_letter(post: Post):
    """backend-runbook:95 backend-runbook:96"""
    post.sink.always("RCPT", Say("450 4.2.1 busy"))
    delivery_id = await post.send()
    for number in range(1, 8):
        row = await post.reaches(delivery_id, "retrying")
        while row["attempt_no"] != number:
            await asyncio.sleep(0.01)
            row = await post.reaches(delivery_id, "retrying")
        await soon(post, delivery_id)
    row = await post.reaches(delivery_id, "dead_lettered")
    assert row["attempt_no"] == 8
    assert [number for number, _, _ in await post.history(delivery_id)] == list(range(1, 9))


async def test_an_unknown_mailbox_gets_no_more_ordinary_mail_but_still_a_code(post: Post):
    post.sink.once("RCPT", Say("550 5.1.1 no such user"))
    await post.reaches(await post.send(), "dead_lettered")
    second = await post.send()
    row = await post.reaches(second, "suppressed")
    assert row["attempt_no"] == 0
    code = await post.send_code(to="ada@example.test", expires_at=datetime.now(UTC) + timedelta(minutes=10))
    await post.reaches(code, "sent")


async def test_codes_do_not_wait_behind_stuck_ordinary_mail(start_mail: StartMail):
    _, post = await start_mail(
        smtp_connections=2, workers=2, batch=1, smtp_timeout="5m", lease="10m", shutdown_timeout="1s"
    )
    post.sink.always("MAIL", Stall())
    for _ in range(4):
        await post.send()
    await post.sink.wait_for("MAIL", 2)
    post.sink.always("MAIL", None)
    code = await post.send_code(expires_at=datetime.now(UTC) + timedelta(minutes=10))
    await post.reaches(code, "sent")


async def test_a_code_that_ran_out_is_never_sent(post: Post):
    delivery_id = await post.send_code(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    row = await post.reaches(delivery_id, "dead_lettered")
    assert row["last_error_classification"] == "expired"
    assert post.sink.taken == []


async def test_a_code_has_its_own_short_ladder(post: Post):
    post.sink.once("RCPT", Say("450 4.2.1 busy"))
    delivery_id = await post.send_code(expires_at=datetime.now(UTC) + timedelta(minutes=10))
    await post.reaches(delivery_id, "retrying")
    wait = (await post.fetch("SELECT next_at - now() AS wait FROM deliveries"))[0]["wait"]
    assert wait <= timedelta(seconds=1.1)
    await post.reaches(delivery_id, "sent", timeout=4)


async def test_a_claim_with_too_little_lease_left_is_given_back_unsent(start_mail: StartMail):
    # Ten mails, one connection, 300 ms each: the lease holds one send and its deadline, not the whole queue.
    _, post = await start_mail(
        smtp_connections=1,
        workers=1,
        batch=10,
        smtp_timeout="500ms",
        smtp_final_timeout="500ms",
        lease="6001ms",
    )
    post.sink.delay_seconds = 0.3
    ids = [await post.send() for _ in range(20)]
    for delivery_id in ids:
        await post.reaches(delivery_id, "sent", timeout=30)
    assert set(post.sink.copies().values()) == {1}
    assert len(post.sink.taken) == 20


async def test_a_mail_that_cannot_be_unsealed_is_a_dead_letter(post: Post):
    delivery_id = await post.send(
        "auth.sign_in_code", sealed="1", variables_json="AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    )
    row = await post.reaches(delivery_id, "dead_lettered")
    assert row["last_error_classification"] == "variables_unsealable"
