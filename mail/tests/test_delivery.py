"""From a command on the stream to the relay's ledger."""

import email
import email.policy
from datetime import UTC, datetime, timedelta

import pytest

from kit.testing import eventually
from mail.tests.conftest import Post

pytestmark = pytest.mark.stores


async def test_a_command_becomes_one_mail_at_the_relay(post: Post):
    delivery_id = await post.send(
        locale="ru", unsubscribe_url="https://galaxy.test/u?token=t&type=game.started"
    )
    row = await post.reaches(delivery_id, "sent")
    assert row["attempt_no"] == 1
    assert row["variables"] is None, "what a mail said is not kept beyond its use"
    (taken,) = post.sink.taken
    assert taken.recipient == "ada@example.test"
    mail = email.message_from_bytes(taken.content, policy=email.policy.default)
    assert mail["Message-ID"] == f"<{delivery_id}@mail.test>"
    assert mail["From"] == "Galaxy <galaxy@mail.test>"
    assert mail["Subject"] == "Игра «Sol» началась"
    assert mail["List-Unsubscribe"] == "<https://galaxy.test/u?token=t&type=game.started>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    text = mail.get_body(("plain",))
    assert text is not None
    assert "Звёзды зажглись: игра «Sol» началась." in text.get_content()
    assert await post.history(delivery_id) == [(1, "delivered", None)]


async def test_a_sealed_code_is_opened_only_to_render_and_erased_at_the_end(post: Post):
    delivery_id = await post.send_code("424242", expires_at=datetime.now(UTC) + timedelta(minutes=10))
    row = await post.reaches(delivery_id, "sent")
    assert row["sealed_variables"] is None
    assert row["variables"] is None
    (taken,) = post.sink.taken
    assert b"424242" in taken.content
    everything = await post.fetch("SELECT d::text AS whole FROM deliveries d")
    assert "424242" not in everything[0]["whole"]


async def test_a_repeated_command_makes_no_second_mail(post: Post):
    delivery_id = await post.send()
    await post.reaches(delivery_id, "sent")
    await post.send(delivery_id=delivery_id)
    other = await post.send()
    await post.reaches(other, "sent")
    assert len(post.sink.taken) == 2
    assert await post.fetch("SELECT * FROM command_conflicts") == []


async def test_another_body_under_a_known_key_is_a_conflict_and_the_first_wins(post: Post):
    delivery_id = await post.send()
    await post.reaches(delivery_id, "sent")
    await post.send(delivery_id=delivery_id, to="eve@example.test")

    async def conflict() -> bool:
        return len(await post.fetch("SELECT * FROM command_conflicts")) == 1

    await eventually(conflict)
    assert [taken.recipient for taken in post.sink.taken] == ["ada@example.test"]
