"""The scripts around Docker say clearly what is missing, and tests that need it never pass by being left out."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.docker import testing

DOCKER = Path(__file__).resolve().parents[1] / "docker"


def run(script: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [DOCKER / script, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_check_tells_that_no_engine_answers(tmp_path: Path) -> None:
    checked = run("install-engine.sh", "--check", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert (checked.returncode, checked.stdout) == (1, "docker: no Docker Engine answers\n")


def test_engine_named_by_the_caller_is_not_replaced_by_another(tmp_path: Path) -> None:
    refused = run("install-engine.sh", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert refused.returncode == 1
    assert "nothing answers there; start that engine or unset the variable" in refused.stderr


def test_bases_without_an_engine_are_refused_with_the_way_out(tmp_path: Path) -> None:
    refused = run("offline-bases.sh", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert refused.returncode == 1
    assert "deploy/docker/install-engine.sh starts one" in refused.stderr


def test_unknown_base_is_refused() -> None:
    refused = run("offline-bases.sh", "mysql")
    assert refused.stderr == "bases: unknown base: mysql (python, postgres or redis)\n"


def test_scripts_are_well_formed() -> None:
    for script in [
        *DOCKER.rglob("*.sh"),
        *(DOCKER.parent / "compose").glob("*.sh"),
        DOCKER.parents[1] / ".ci" / "run",
    ]:
        subprocess.run(["bash", "-n", script], check=True)
        assert os.access(script, os.X_OK), script


def test_dockerfile_needs_no_frontend_from_a_registry_and_takes_its_base_as_an_argument() -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert "# syntax=" not in text
    assert "--mount" not in text
    bases = {line.split()[1] for line in text.splitlines() if line.startswith("FROM ")}
    assert {base for base in bases if base not in {"installer", "runtime"}} == {"${BASE_IMAGE}"}


@pytest.mark.parametrize("target", ["engine", "gateway", "backend", "notification", "mail", "mailcatcher"])
def test_every_image_is_titled_and_without_root(target: str) -> None:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    stage = text.split(f"FROM runtime AS {target}\n")[1].split("\nFROM ")[0]
    title = "galaxy-game" if target == "engine" else f"galaxy-{target}"
    assert f'LABEL org.opencontainers.image.title="{title}"' in stage
    assert "USER 10001:10001" in stage
    assert '&& python -c "import ' in stage, "a missing package or folder must show while the image is built"


def test_missing_engine_skips_but_fails_where_containers_are_demanded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(testing, "_docker_problem", lambda: "docker: no Docker Engine answers")
    monkeypatch.delenv("GALAXY_REQUIRE_CONTAINERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Docker Engine answers"):
        testing.require_docker()
    monkeypatch.setenv("GALAXY_REQUIRE_CONTAINERS", "1")
    with pytest.raises(pytest.fail.Exception, match="containers are required here"):
        testing.require_docker()
