"""What the service makes of commands: good, bad, repeated, and those that forget a person."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kit.testing import eventually
from mail.chaos.sink import Say
from mail.tests.conftest import Post, StartMail

pytestmark = pytest.mark.stores


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "shout"}, "kind"),
        ({"delivery_id": "7"}, "delivery_id"),
        ({"source": "Not a word"}, "source"),
        ({"template_id": "no.such"}, "template_id"),
        ({"to": "Ada <ada@example.test>"}, "to"),
        ({"to": "ada@example.test\r\nBcc: eve@example.test"}, "to"),
        ({"to": ""}, "to"),
        ({"variables_json": "{"}, "variables_json"),
        ({"variables_json": "[]"}, "variables_json"),
        ({"variables_json": "{}"}, "game_id"),
        ({"variables_json": '{"game_id": "g", "game_name": "S", "more": 1}'}, "more"),
        ({"variables_json": '{"game_id": "g", "game_name": 7}'}, "game_name"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"unsubscribe_url": "javascript:alert(1)"}, "unsubscribe_url"),
        ({"locale": b"\xff\xfe"}, "locale"),
    ],
)
async def test_a_bad_command_is_kept_and_blocks_nobody(post: Post, change: dict[str, Any], reason: str):
    await post.send(**change)
    good = await post.send()
    await post.reaches(good, "sent")
    (kept,) = await post.fetch("SELECT * FROM malformed_commands")
    assert reason in kept["reason"]
    assert "example.test" not in kept["reason"]
    assert len(post.sink.taken) == 1


async def test_an_entry_without_any_known_field_is_kept_with_its_raw_bytes(post: Post):
    stream_id = await post.write({b"\xff": b"\x00\x01"})
    await post.reaches(await post.send(), "sent")
    (kept,) = await post.fetch("SELECT stream_id, raw FROM malformed_commands")
    assert kept == {"stream_id": stream_id, "raw": b"\x00\x00\x00\x01\xff\x00\x00\x00\x02\x00\x01"}


async def test_an_unknown_language_is_answered_in_english(post: Post):
    await post.reaches(await post.send(locale="tlh"), "sent")
    assert b"Content-Language: en" in post.sink.taken[0].content


async def test_erasing_a_user_ends_what_is_open_and_forgets_the_address(post: Post):
    post.sink.once("RCPT", Say("450 4.2.1 busy"))
    done = await post.send(user_id="u-1")
    await post.reaches(done, "retrying")
    sent = await post.send(user_id="u-1")
    await post.reaches(sent, "sent")
    await post.write({"kind": "erase", "user_id": "u-1"})
    row = await post.reaches(done, "suppressed")
    assert (row["to_address"], row["variables"]) == (None, None)
    kept = await post.row(sent)
    assert kept is not None
    assert (kept["state"], kept["to_address"]) == ("sent", None)
    late = await post.send(user_id="u-1")
    assert (await post.reaches(late, "suppressed"))["to_address"] is None


async def test_a_code_past_its_time_is_forgotten_by_the_clean_up(start_mail: StartMail):
    _, post = await start_mail(cleanup_interval="100ms")
    post.sink.once("RCPT", Say("550 5.7.1 no"))
    delivery_id = await post.send_code(expires_at=datetime.now(UTC) + timedelta(seconds=2))
    row = await post.reaches(delivery_id, "dead_lettered")
    assert row["sealed_variables"] is not None, "an operator may still send it again"

    async def forgotten() -> bool:
        row = await post.row(delivery_id)
        return row is not None and row["sealed_variables"] is None

    await eventually(forgotten)


async def test_deliveries_past_their_retention_are_removed_but_their_keys_stay(start_mail: StartMail):
    _, post = await start_mail(cleanup_interval="100ms", delivery_retention="1d")
    delivery_id = await post.send()
    await post.reaches(delivery_id, "sent")
    await post.execute("UPDATE deliveries SET finished_at = now() - interval '2 days'")

    async def gone() -> bool:
        return await post.row(delivery_id) is None

    await eventually(gone)
    await post.send(delivery_id=delivery_id)
    await post.reaches(await post.send(), "sent")
    assert await post.row(delivery_id) is None
    assert post.sink.copies()[f"{delivery_id}@mail.test"] == 1
