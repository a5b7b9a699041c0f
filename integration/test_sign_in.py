"""A newcomer signs in with a code from the mail and is somebody."""

import aiohttp
import pytest

from client.errors import Refused
from client.sdk import Galaxy
from deploy.embedded.stack import Stack
from integration.mailbox import Mailbox
from integration.players import signed_in


async def test_a_newcomer_signs_in_and_asks_who_he_is(stack: Stack, tmp_path) -> None:
    async with signed_in(stack, tmp_path, "alice") as alice:
        account = await alice.galaxy.account.get()
        assert account.email == alice.email
        assert account.user_id == alice.user_id
        sessions = (await alice.galaxy.sessions.list()).items
        assert [session.device_session_id for session in sessions] == [alice.session_id]
        assert sessions[0].current


async def test_the_second_device_is_the_same_account_and_is_announced_by_mail(stack: Stack, tmp_path) -> None:
    async with (
        signed_in(stack, tmp_path, "bert") as first,
        signed_in(stack, tmp_path, "bert", device="tablet") as second,
    ):
        assert first.user_id == second.user_id
        assert first.session_id != second.session_id
        mail = await first.mailbox.wait_for(first.email, "tablet")
        text = await first.mailbox.text_of(mail)
        assert "sign-out-everywhere?token=" in text


async def test_a_wrong_code_is_refused_and_the_right_one_still_counts(stack: Stack, tmp_path) -> None:
    email = "carol@players.test"
    mailbox = Mailbox(stack.url("mailcatcher.http"))
    async with Galaxy(
        "carol", home=tmp_path, gateway_url=stack.url("gateway.public"), edge_url=stack.url("gateway.edge")
    ) as galaxy:

        async def wrong() -> str:
            right = await mailbox.code_for(email)
            return f"{(int(right) + 1) % 1_000_000:06d}"

        with pytest.raises(Refused) as refusal:
            await galaxy.sign_in(email, wrong)
        assert refusal.value.code == "auth.code_wrong"
        assert not galaxy.signed_in


async def test_the_answer_does_not_tell_who_has_an_account(stack: Stack, tmp_path) -> None:
    async with signed_in(stack, tmp_path, "dora") as dora, aiohttp.ClientSession() as http:
        shapes = []
        for email in (dora.email, "nobody@players.test"):
            url = stack.url("gateway.public") + "/api/v1/public/auth/send-email-code"
            async with http.post(url, json={"email": email}) as answer:
                assert answer.status == 200
                shapes.append(sorted(await answer.json()))
        assert shapes[0] == shapes[1]


async def test_the_code_never_rests_in_clear_in_any_store_or_log(stack: Stack) -> None:
    """notification-runbook:131: codes take their own way, and none of its stations holds one that can be read.

    notification-runbook:128-130, notification-runbook:132.
    """
    from integration.ledger import every_cell, every_stream_value

    email = "erin@players.test"
    mailbox = Mailbox(stack.url("mailcatcher.http"))
    async with aiohttp.ClientSession() as http:
        url = stack.url("gateway.public") + "/api/v1/public/auth/send-email-code"
        async with http.post(url, json={"email": email}) as answer:
            assert answer.status == 200
    code = await mailbox.code_for(email)
    assert not [cell for cell in await every_cell(stack) if code in cell]
    assert not [value for value in await every_stream_value(stack) if code in value]
    for service in ("gateway", "backend", "notification", "mail"):
        log = stack.log_text(service)
        assert f'"{code}"' not in log
        assert email not in log
