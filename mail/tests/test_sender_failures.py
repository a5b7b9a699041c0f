"""Postgres refuses one sender of a batch while another mail is between its final dot and the relay's answer."""

import asyncio

import pytest

from mail.chaos.sink import Say
from mail.tests.conftest import Post, StartMail

pytestmark = pytest.mark.stores

HELD_SECONDS = 1.5
"""Longer than Postgres takes to refuse, so that the refusal always falls between the dot and its answer."""


async def refuse(post: Post, table: str, event: str, condition: str) -> None:
    """Let Postgres end, a moment later and as an administrator's command does, what writes such a row."""
    await post.execute(
        """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_sleep(0.5);
            RAISE EXCEPTION 'terminating connection' USING ERRCODE = 'admin_shutdown';
        END $$
        """
    )
    await post.execute(
        f"CREATE TRIGGER refuse BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
    )


async def two_of_one_batch(start_mail: StartMail) -> tuple[Post, list[str]]:
    """Return two deliveries that were refused once and wait to be claimed together."""
    _, post = await start_mail(workers=1, smtp_connections=2, smtp_final_timeout="4s", lease="20s")
    post.sink.once("MAIL", *[Say("451 4.7.1 later")] * 2)
    ids = [await post.send(to=f"{name}@example.test") for name in ("ada", "bob")]
    for delivery_id in ids:
        await post.reaches(delivery_id, "retrying")
    post.sink.delay_seconds = HELD_SECONDS
    return post, ids


async def send_both(post: Post) -> None:
    await post.execute("UPDATE deliveries SET next_at = now() WHERE state = 'retrying'")
    await post.sink.wait_for("DOT")


async def test_a_suppression_that_cannot_be_written_disturbs_no_mail_and_loses_no_outcome(
    start_mail: StartMail,
):
    post, ids = await two_of_one_batch(start_mail)
    await refuse(post, "suppressions", "INSERT", "true")
    post.sink.once("RCPT", Say("550 5.1.1 no such mailbox"))
    await send_both(post)
    held = str(post.sink.taken[0].message_id).partition("@")[0]
    (unknown_mailbox,) = set(ids) - {held}
    await post.reaches(held, "sent")
    await post.reaches(unknown_mailbox, "dead_lettered")
    assert list(post.sink.copies().values()) == [1]
    refused = (1, "refused", "smtp_refused_for_now")
    assert await post.history(held) == [refused, (2, "delivered", None)]
    assert await post.history(unknown_mailbox) == [refused, (2, "dead", "smtp_refused_for_ever")]


async def test_a_failed_sender_lets_the_mail_in_flight_finish_and_go_on_record(start_mail: StartMail):
    post, (held, suppressed) = await two_of_one_batch(start_mail)
    await post.execute(
        "INSERT INTO suppressions (address_hash, reason) "
        "SELECT address_hash, 'unknown_mailbox' FROM deliveries WHERE id = $1",
        suppressed,
    )
    await refuse(post, "deliveries", "UPDATE", "NEW.state = 'suppressed'")
    await send_both(post)
    await post.reaches(held, "sent")
    assert list(post.sink.copies().values()) == [1]
    assert await post.history(held) == [(1, "refused", "smtp_refused_for_now"), (2, "delivered", None)]
    await post.execute("DROP TRIGGER refuse ON deliveries")
    await post.reaches(suppressed, "suppressed")


async def test_a_mail_cut_off_after_its_dot_is_unknown_and_not_untried(start_mail: StartMail):
    _, post = await start_mail(unknown_wait="10m", smtp_final_timeout="4s", lease="20s")
    post.sink.delay_seconds = HELD_SECONDS
    delivery_id = await post.send()
    await post.sink.wait_for("DOT")
    for task in asyncio.all_tasks():  # as the end of the loop does when the shutdown's budget is spent
        if getattr(task.get_coro(), "__qualname__", "") == "OutboxWorker._pass":
            task.cancel()
    await post.reaches(delivery_id, "retrying")
    assert await post.history(delivery_id) == [(1, "unknown", "outcome_unknown")]
