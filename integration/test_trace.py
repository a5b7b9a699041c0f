"""One request can be followed through every process by its ids."""

import json
from typing import Any

from deploy.embedded.stack import Stack
from integration.players import mark_final, signed_in, start_game, wait_for_turn, watching
from kit.testing import eventually


def lines(stack: Stack, service: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stack.log_text(service).splitlines() if line.startswith("{")]


async def test_a_turn_is_followed_from_the_edge_to_the_mail(stack: Stack, tmp_path) -> None:
    """backend-runbook:157: one request id joins HTTP, gRPC and the workers. backend-runbook:157-159."""
    async with (
        signed_in(stack, tmp_path, "alice") as alice,
        signed_in(stack, tmp_path, "bob") as bob,
        watching(alice) as heard,
    ):
        game_id = await start_game(alice, [bob])
        await mark_final(game_id, 1, (alice, bob))
        await wait_for_turn(alice, game_id, 1)
        event = await heard.wait_for(lambda event: event.event_type == "notification.game.turn.ready")
        assert event.trace_id

        def traced(service: str) -> list[dict[str, Any]]:
            return [
                line
                for line in lines(stack, service)
                if event.trace_id in {line.get("otel_trace_id"), line.get("trace_id")}
            ]

        async def everywhere() -> bool:
            return all(traced(service) for service in ("backend", "notification", "mail"))

        await eventually(everywhere)
        engine_log = stack.folder / "engines" / game_id / "engine.log"
        assert event.trace_id in engine_log.read_text()
        assert event.request_id in engine_log.read_text()

        command = next(
            line
            for line in lines(stack, "gateway")
            if line["event"] == "command_served" and line.get("message_type") == "lobby.game.create"
        )
        same = [line for line in lines(stack, "backend") if line.get("request_id") == command["request_id"]]
        assert same
        assert {line["otel_trace_id"] for line in same} == {command["otel_trace_id"]}


async def test_every_log_line_is_json_with_an_event_in_snake_case(stack: Stack, tmp_path) -> None:
    """backend-runbook:156."""
    async with signed_in(stack, tmp_path, "carol"):
        pass
    for service in ("gateway", "backend", "notification", "mail"):
        for text in stack.log_text(service).splitlines():
            line = json.loads(text)
            assert {"event", "level", "time", "service"} <= line.keys(), text
