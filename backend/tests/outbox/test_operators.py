"""What operators see and do of mail and the outbox, over the admin API, beside a mail service."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp.web
import orjson
import pytest

from backend.tests.driving import Reply, RunningBackend
from kit.ids import uuid7
from kit.listener import address_of, bind
from kit.testing import eventually

pytestmark = pytest.mark.stores
MAIL_TOKEN = "mail-token-for-tests-0123456789"


class MailService:
    """Answers the five calls as the mail service does, over deliveries that a test gives it."""

    def __init__(self) -> None:
        self.deliveries: list[dict[str, Any]] = []
        self.address = ""

    def add(self, delivery_id: str, state: str, template_id: str = "game.turn.ready", **changes: Any) -> None:
        """Have a delivery, newer than those before."""
        given: dict[str, Any] = {
            "delivery_id": delivery_id,
            "source": "notification",
            "template_id": template_id,
            "locale": "en",
            "to": "a@example.org",
            "user_id": None,
            "state": state,
            "attempts": 1,
            "next_attempt_at": None,
            "created_at": "2030-01-01T00:00:00.000Z",
            "finished_at": None,
            "expires_at": None,
            "last_error_classification": None,
            "last_error": None,
        }
        self.deliveries.insert(0, {**given, **changes})

    async def answer(self, request: aiohttp.web.Request) -> aiohttp.web.Response:  # noqa: PLR0911 - one a call
        """Serve one request."""
        if request.headers.get("Authorization") != f"Bearer {MAIL_TOKEN}":
            return _error(401, "unauthenticated")
        parts = request.path.removeprefix("/api/v1/internal/mail/").split("/")
        if len(parts) == 1:
            return self._list(request, parts[0])
        found = next((row for row in self.deliveries if row["delivery_id"] == parts[1]), None)
        if found is None:
            return _error(404, "mail.delivery_not_found")
        if len(parts) == 2:
            return aiohttp.web.json_response(found)
        if parts[2] == "attempts":
            attempt = {
                "attempt_no": 1,
                "started_at": "2030-01-01T00:00:00.000Z",
                "finished_at": "2030-01-01T00:00:01.000Z",
                "outcome": "delivered",
                "classification": None,
                "detail": "250 ok",
            }
            return aiohttp.web.json_response({"items": [attempt]})
        if found["state"] in {"sent", "sending", "suppressed"}:
            return _error(409, "mail.not_resendable")
        found["state"] = "pending"
        return aiohttp.web.json_response(found)

    def _list(self, request: aiohttp.web.Request, what: str) -> aiohttp.web.Response:
        rows = self.deliveries
        if "state" in request.query:
            rows = [row for row in rows if row["state"] == request.query["state"]]
        if what == "dead-letters":
            rows = [
                {
                    "delivery_id": row["delivery_id"],
                    "attempt_no": 8,
                    "source": row["source"],
                    "template_id": row["template_id"],
                    "classification": "smtp_refused",
                    "error": None,
                    "dead_at": row["created_at"],
                    "state": row["state"],
                }
                for row in rows
                if row["state"] == "dead_lettered"
            ]
        page, size = int(request.query.get("page", "1")), int(request.query.get("page_size", "50"))
        shown = rows[(page - 1) * size : page * size]
        return aiohttp.web.json_response(
            {"items": shown, "page": page, "page_size": size, "total": len(rows)}
        )


def _error(status: int, code: str) -> aiohttp.web.Response:
    return aiohttp.web.json_response({"error": {"code": code, "message": "", "details": {}}}, status=status)


@pytest.fixture
async def mail_service() -> AsyncIterator[MailService]:
    service = MailService()
    app = aiohttp.web.Application()
    app.router.add_route("*", "/{rest:.*}", service.answer)
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    listening = bind("127.0.0.1:0")
    service.address = address_of(listening)
    await aiohttp.web.SockSite(runner, listening).start()
    yield service
    await runner.cleanup()


@pytest.fixture
def settings(make_settings, backend_dsn, mail_service):
    base_url = f"http://{mail_service.address}"
    return make_settings(
        backend_dsn, mail={"base_url": base_url, "token": MAIL_TOKEN, "worker_interval": "20ms"}
    )


@pytest.fixture
async def token(backend):
    return await backend.operator_token()


async def _dead_code(backend: RunningBackend) -> str:
    """Make a mail that died in the outbox, as an operator may find it."""
    entry_id = uuid7()
    fields = {"kind": "send", "to": "ada@example.org", "locale": "en", "delivery_id": entry_id}
    async with backend.database() as connection:
        await connection.execute(
            "INSERT INTO outbox (id, lane, kind, idempotency_key, stream, fields, state, finished_at, attempt_no,"
            " last_error_classification) VALUES ($1, 'mail', 'game.started', $2, 'mail:delivery_commands', $3,"
            " 'dead_lettered', now(), 8, 'redis_refused')",
            entry_id,
            entry_id,
            orjson.dumps(fields).decode(),
        )
        await connection.execute(
            "INSERT INTO outbox_attempts (entry_id, attempt_no, claim_token, started_at, finished_at, outcome)"
            " SELECT $1, n, gen_random_uuid(), now(), now(), 'refused' FROM generate_series(1, 8) n",
            entry_id,
        )
    return entry_id


async def _get(backend: RunningBackend, token: str, path: str) -> Reply:
    return await backend.call("GET", f"/api/v1/admin{path}", token=token)


async def test_deliveries_are_ours_first_then_the_services_page_by_page(backend, token, mail_service):
    """backend-runbook:97-101 operators inspect the mail outbox."""
    own = [await _dead_code(backend) for _ in range(3)]
    for n in range(7):
        mail_service.add(uuid7(), "sent", last_error=str(n))
    theirs = [row["delivery_id"] for row in mail_service.deliveries]
    wanted = [*reversed(own), *theirs]
    for size in (1, 2, 3, 4, 7, 50):
        seen = []
        for page in range(1, 12):
            reply = await _get(backend, token, f"/mail/deliveries?page={page}&page_size={size}")
            assert reply.body["total"] == 10
            seen += [row["delivery_id"] for row in reply.body["items"]]
        assert seen == wanted


async def test_one_delivery_id_leads_from_the_outbox_to_the_service(backend, token, mail_service):
    own = await _dead_code(backend)
    shown = await _get(backend, token, f"/mail/deliveries/{own}")
    assert (shown.body["state"], shown.body["to"]) == ("dead_lettered", "ada@example.org")
    attempts = await _get(backend, token, f"/mail/deliveries/{own}/attempts")
    assert [(row["stage"], row["attempt_no"]) for row in attempts.body["items"]] == [
        ("outbox", n) for n in range(1, 9)
    ]
    resent = await backend.call("POST", f"/api/v1/admin/mail/deliveries/{own}/resend", token=token)
    assert (resent.status, resent.body["state"]) == (200, "pending")

    async def handed_over():
        reply = await _get(backend, token, f"/mail/deliveries/{own}/attempts")
        return reply.body["items"][-1]["outcome"] == "delivered"

    await eventually(handed_over)
    last = (await _get(backend, token, f"/mail/deliveries/{own}/attempts")).body["items"][-1]
    assert last["attempt_no"] == 9
    mail_service.add(own, "sent")
    shown = await _get(backend, token, f"/mail/deliveries/{own}")
    assert shown.body["state"] == "sent"
    stages = [
        row["stage"] for row in (await _get(backend, token, f"/mail/deliveries/{own}/attempts")).body["items"]
    ]
    assert stages == ["outbox"] * 9 + ["relay"]


async def test_dead_letters_of_both_are_listed(backend, token, mail_service):
    own = await _dead_code(backend)
    mail_service.add(uuid7(), "dead_lettered")
    reply = await _get(backend, token, "/mail/dead-letters")
    assert [row["delivery_id"] for row in reply.body["items"]] == [
        own,
        mail_service.deliveries[0]["delivery_id"],
    ]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("pending", 200),
        ("retrying", 200),
        ("dead_lettered", 200),
        ("sent", 409),
        ("sending", 409),
        ("suppressed", 409),
    ],
)
async def test_a_resend_follows_the_state_of_the_delivery(backend, token, mail_service, state, status):
    """backend-runbook:102-105 resend on a `sent` row returns 409."""
    delivery = uuid7()
    mail_service.add(delivery, state)
    reply = await backend.call("POST", f"/api/v1/admin/mail/deliveries/{delivery}/resend", token=token)
    assert reply.status == status
    if status == 409:
        assert reply.code == "mail.resend_refused"


async def test_unknown_deliveries_are_not_found(backend, token):
    missing = uuid7()
    for path in (f"/mail/deliveries/{missing}", f"/mail/deliveries/{missing}/attempts"):
        assert (await _get(backend, token, path)).status == 404
    reply = await backend.call("POST", f"/api/v1/admin/mail/deliveries/{missing}/resend", token=token)
    assert reply.status == 404


async def test_an_absent_mail_service_is_said_and_our_own_rows_still_show(
    make_settings, run_backend, backend_dsn, redis
):
    settings = make_settings(backend_dsn, mail={"base_url": "http://127.0.0.1:1", "token": MAIL_TOKEN})
    async with run_backend(settings) as backend:
        token = await backend.operator_token()
        own = await _dead_code(backend)
        assert (await _get(backend, token, "/mail/deliveries")).code == "mail.service_away"
        assert (await _get(backend, token, f"/mail/deliveries/{own}")).status == 200
        assert (await _get(backend, token, "/outbox/dead-letters")).body["total"] == 1


async def test_a_dead_letter_is_armed_again_once_and_the_attempt_numbers_go_on(backend, token):
    """backend-runbook:106-108 attempt_no is monotonic over the history; a resend appends."""
    own = await _dead_code(backend)
    listed = await _get(backend, token, "/outbox/dead-letters")
    assert [(row["entry_id"], row["attempts"]) for row in listed.body["items"]] == [(own, 8)]
    armed = await backend.call("POST", f"/api/v1/admin/outbox/{own}/rearm", token=token)
    assert (armed.status, armed.body["state"]) == (200, "pending")

    async def published():
        async with backend.database() as connection:
            return await connection.fetchval("SELECT state FROM outbox WHERE id = $1", own) == "published"

    await eventually(published)
    again = await backend.call("POST", f"/api/v1/admin/outbox/{own}/rearm", token=token)
    assert (again.status, again.code) == (409, "outbox.entry_not_dead")
    audit = await _get(backend, token, "/audit")
    assert audit.body["items"][0]["action"] == "outbox.rearmed"
    assert audit.body["items"][0]["target"] == own


async def test_a_code_that_ran_out_is_not_armed_again(backend, token):
    own = await _dead_code(backend)
    async with backend.database() as connection:
        await connection.execute(
            "UPDATE outbox SET expires_at = now() - interval '10 years' WHERE id = $1", own
        )
    reply = await backend.call("POST", f"/api/v1/admin/outbox/{own}/rearm", token=token)
    assert (reply.status, reply.code) == (409, "outbox.entry_over")


async def test_codes_that_are_stuck_at_the_relay_make_sign_in_say_so(backend, mail_service):
    mail_service.add(uuid7(), "retrying", "auth.sign_in_code", expires_at="2030-01-01T00:05:00.000Z")
    reply = await backend.call("POST", "/api/v1/public/auth/send-email-code", {"email": "ada@example.org"})
    assert reply.body["mail_delayed"] is True
