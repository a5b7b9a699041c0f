"""The shared environment: deployed, deployed again, deployed anew, with a game that goes on through all of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from deploy.embedded.spec import REPOSITORY
from integration.deployment import Deployment, caught_mail
from integration.players import mark_final, returning, signed_in, start_game, wait_for_state, wait_for_turn

OUR_OWN = {"gateway", "backend", "notification", "mail"}

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


@pytest.fixture
async def deployment(tmp_path: Path, engine_image: str) -> AsyncIterator[Deployment]:
    async with caught_mail(tmp_path) as relay:
        deployed = Deployment(tmp_path / "docker", relay, tag=engine_image.rpartition(":")[2])
        try:
            await deployed.up()
            yield deployed
        finally:
            await deployed.clean()
    assert not deployed.containers()
    assert not deployed.engines()


async def play_turn(deployment: Deployment, home: Path, game_id: str, turn: int) -> None:
    """Play one turn as players who come back: their sessions, the game and its engine must have stayed."""
    async with AsyncExitStack() as devices:
        players = [
            await devices.enter_async_context(returning(deployment, home, name)) for name in ("ada", "bo")
        ]
        await wait_for_state(players[0], game_id, "running")
        await mark_final(game_id, turn, players)
        await wait_for_turn(players[0], game_id, turn)


async def test_deploying_again_changes_nothing_and_a_new_release_keeps_the_games(
    deployment: Deployment, tmp_path: Path
) -> None:
    """backend-runbook:16-22."""
    async with (
        signed_in(deployment, tmp_path, "ada") as ada,
        signed_in(deployment, tmp_path, "bo") as bo,
    ):
        game_id = await start_game(ada, [bo])
    await play_turn(deployment, tmp_path, game_id, 1)
    services, engines = deployment.containers(), deployment.engines()
    assert services.keys() >= OUR_OWN
    assert len(engines) == 1

    await deployment.up()
    assert deployment.containers() == services
    assert deployment.engines() == engines
    await play_turn(deployment, tmp_path, game_id, 2)

    await deployment.up(GALAXY_TAG=f"{deployment.name}-next")
    replaced = deployment.containers()
    assert all(replaced[name] != services[name] for name in OUR_OWN)
    assert deployment.engines() == engines, "a release of the services is no reason to stop an engine"
    await play_turn(deployment, tmp_path, game_id, 3)


def test_checks_of_a_branch_deploy_nothing() -> None:
    """backend-runbook:16-22."""
    checks = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert "local-dev up" in checks
    assert "dev-deploy" not in checks
