"""A revoked device hears nothing more and is served nothing more."""

import aiohttp
import pytest

from client.errors import SessionRevoked
from deploy.embedded.stack import Stack
from integration.players import signed_in, watching


async def test_revocation_ends_the_stream_and_refuses_the_next_command(stack: Stack, tmp_path) -> None:
    """gateway-runbook-latest:84: after a revocation streams of that session close and its commands are refused."""
    async with (
        signed_in(stack, tmp_path, "alice") as phone,
        signed_in(stack, tmp_path, "alice", device="laptop") as laptop,
        watching(phone) as phone_heard,
        watching(laptop) as laptop_heard,
    ):
        await laptop.galaxy.sessions.revoke(phone.session_id)
        assert isinstance(await phone_heard.wait_for_end(), SessionRevoked)
        with pytest.raises(SessionRevoked):
            await phone.galaxy.account.get()
        # The other device of the same user goes on.
        assert (await laptop.galaxy.account.get()).user_id == laptop.user_id
        assert laptop_heard.ended is None


async def test_sign_out_everywhere_from_the_mail_ends_every_session(stack: Stack, tmp_path) -> None:
    async with (
        signed_in(stack, tmp_path, "bob") as first,
        signed_in(stack, tmp_path, "bob", device="stolen") as second,
        watching(first) as first_heard,
        watching(second) as second_heard,
    ):
        mail = await first.mailbox.wait_for(first.email, "stolen")
        text = await first.mailbox.text_of(mail)
        link = next(word for word in text.split() if "sign-out-everywhere?token=" in word).strip("<>()")
        async with aiohttp.ClientSession() as http:
            async with http.get(link) as page:
                assert page.status == 200
            # Mail scanners follow links: looking at the page must change nothing.
            assert (await first.galaxy.account.get()).user_id == first.user_id
            async with http.post(link) as done:
                assert done.status == 200
        for player, heard in ((first, first_heard), (second, second_heard)):
            assert isinstance(await heard.wait_for_end(), SessionRevoked)
            with pytest.raises(SessionRevoked):
                await player.galaxy.account.get()


async def test_a_revocation_outlives_a_restart_of_the_gateway(own_stack: Stack, tmp_path) -> None:
    async with (
        signed_in(own_stack, tmp_path, "carol") as phone,
        signed_in(own_stack, tmp_path, "carol", device="laptop") as laptop,
    ):
        await laptop.galaxy.sessions.revoke(phone.session_id)
        own_stack.kill("gateway")
        own_stack.start("gateway")
        with pytest.raises(SessionRevoked):
            await phone.galaxy.account.get()
        assert (await laptop.galaxy.account.get()).user_id == laptop.user_id


async def test_a_revocation_made_while_push_was_away_still_closes_the_stream(
    own_stack: Stack, tmp_path
) -> None:
    """The gateway looks every open session up again after a gap of the push stream."""
    from integration.ledger import rows

    async with (
        signed_in(own_stack, tmp_path, "dave") as phone,
        watching(phone) as heard,
    ):
        own_stack.kill("backend")
        await rows(
            own_stack,
            "UPDATE backend.device_sessions SET status = 'revoked', revoked_at = now(),"
            " revoked_reason = 'revoked_by_user' WHERE device_session_id = $1 RETURNING 1",
            phone.session_id,
        )
        own_stack.start("backend")
        assert isinstance(await heard.wait_for_end(60), SessionRevoked)
