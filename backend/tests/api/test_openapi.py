"""The OpenAPI document is whole, and the service behaves as it says, whatever is thrown at it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from backend.settings import BackendSettings
from backend.tests.conftest import running
from backend.tests.driving import GATEWAY_TOKEN, SignedInPlayer
from kit.redis_pool import redis_client

pytestmark = [pytest.mark.stores, pytest.mark.timeout(300)]

# Calls that would end the very identity that asks.
LEFT_OUT = {"/api/v1/user/account/delete", "/api/v1/admin/logout"}
EXAMPLES = 4
GROUND = {
    "account",
    "sessions",
    "sign-in",
    "unsubscribe",
    "internal",
    "operators",
    "players",
    "mail",
    "outbox",
}


@dataclass(frozen=True)
class Served:
    """A backend that runs on a loop of its own, for clients that block."""

    base_url: str
    player: SignedInPlayer
    operator_token: str

    def headers_for(self, path: str) -> dict[str, str]:
        """Return what a rightful caller of this path sends."""
        if path.startswith("/api/v1/admin/"):
            return {"Authorization": f"Bearer {self.operator_token}"}
        headers = {"Authorization": f"Bearer {GATEWAY_TOKEN}"}
        return headers | self.player.headers if path.startswith("/api/v1/user/") else headers


@pytest.fixture
def served(settings: BackendSettings) -> Iterator[Served]:
    """Run a backend with one player in a thread."""
    started: list[Served] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        redis = redis_client(settings.redis)
        async with running(settings) as backend:
            player = await backend.sign_in(redis, "ada@example.org")
            started.append(Served(backend.base_url, player, await backend.operator_token()))
            ready.set()
            await asyncio.to_thread(done.wait)
        await redis.aclose()

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(60)
    try:
        assert started, "the backend did not start"
        yield started[0]
    finally:
        done.set()
        thread.join(30)


@pytest.fixture
def document(served: Served) -> dict[str, Any]:
    """Return the document as the service gives it."""
    answer = requests.get(
        f"{served.base_url}/openapi.json",
        headers={"Authorization": f"Bearer {GATEWAY_TOKEN}"},
        timeout=10,
    )
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_every_call_says_what_it_does_and_who_may_call_it(document):
    for path, calls in document["paths"].items():
        assert path.startswith(("/api/v1/public/", "/api/v1/internal/", "/api/v1/user/", "/api/v1/admin/"))
        for method, call in calls.items():
            assert call.get("description") or call["tags"][0] not in GROUND, (method, path)
            assert "default" in call["responses"], (method, path)
            assert path == "/api/v1/admin/login" or call["security"], (method, path)


def test_the_calls_of_the_ground_rooms_are_there(document):
    calls = {(method.upper(), path) for path, found in document["paths"].items() for method in found}
    expected = {
        ("POST", "/api/v1/public/auth/send-email-code"),
        ("POST", "/api/v1/public/auth/confirm-email-code"),
        ("GET", "/api/v1/public/auth/sign-out-everywhere"),
        ("POST", "/api/v1/public/auth/sign-out-everywhere"),
        ("GET", "/api/v1/public/notifications/unsubscribe"),
        ("POST", "/api/v1/public/notifications/unsubscribe"),
        ("GET", "/api/v1/internal/sessions/{device_session_id}"),
        ("POST", "/api/v1/internal/sessions/{device_session_id}/revoke"),
        ("POST", "/api/v1/internal/users/{user_id}/sessions/revoke"),
        ("GET", "/api/v1/internal/users/{user_id}"),
        ("GET", "/api/v1/user/account"),
        ("PATCH", "/api/v1/user/account"),
        ("GET", "/api/v1/user/preferences"),
        ("PUT", "/api/v1/user/preferences"),
        ("GET", "/api/v1/user/sessions"),
        ("PATCH", "/api/v1/user/sessions/{device_session_id}"),
        ("POST", "/api/v1/user/sessions/{device_session_id}/revoke"),
        ("POST", "/api/v1/user/sessions/revoke-all"),
        ("POST", "/api/v1/admin/login"),
        ("POST", "/api/v1/admin/logout"),
        ("GET", "/api/v1/admin/me"),
        ("POST", "/api/v1/admin/me/password"),
        ("GET", "/api/v1/admin/users"),
        ("GET", "/api/v1/admin/users/{user_id}"),
        ("POST", "/api/v1/admin/users/{user_id}/sessions/revoke"),
        ("GET", "/api/v1/admin/mail/deliveries"),
        ("GET", "/api/v1/admin/mail/deliveries/{delivery_id}"),
        ("GET", "/api/v1/admin/mail/deliveries/{delivery_id}/attempts"),
        ("GET", "/api/v1/admin/mail/dead-letters"),
        ("POST", "/api/v1/admin/mail/deliveries/{delivery_id}/resend"),
        ("GET", "/api/v1/admin/outbox/dead-letters"),
        ("POST", "/api/v1/admin/outbox/{entry_id}/rearm"),
        ("GET", "/api/v1/admin/audit"),
    }
    assert expected <= calls


@pytest.mark.filterwarnings("ignore")  # schemathesis warns about generators; what counts is the answers
@pytest.mark.parametrize(
    "mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"]
)
def test_whatever_is_sent_the_answers_are_those_of_the_document(served, document, mode):
    schema = schemathesis.openapi.from_dict(document)
    problems = []
    with requests.Session() as session:
        found: Any  # an invalid schema has no `ok` and fails the test here
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path in LEFT_OUT:
                continue
            try:
                _hammer(operation, mode, served, session)
            except (FailureGroup, Exception) as error:  # noqa: BLE001 - all calls' failures are told together
                problems.append(f"{operation.method.upper()} {operation.path}: {error}")
    assert not problems, "\n\n".join(problems)


def _hammer(operation: Any, mode: GenerationMode, served: Served, session: requests.Session) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case: Any) -> None:
        case.headers = {**(case.headers or {}), **served.headers_for(operation.path)}
        response = case.call(base_url=served.base_url, session=session)
        case.validate_response(response, checks=CHECKS)

    run: Callable[[], None] = one
    run()


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
