"""What tests marked `containers` need: a Docker Engine that answers, and the engine's image.

Without a Docker Engine such tests are skipped. With GALAXY_REQUIRE_CONTAINERS=1, as in continuous checks, they fail.
"""

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
IMAGE_TAG = "test"


def require_docker() -> None:
    """Skip the running test where no Docker Engine answers; fail it where one is demanded."""
    problem = _docker_problem()
    if problem and os.environ.get("GALAXY_REQUIRE_CONTAINERS") == "1":
        pytest.fail(f"containers are required here: {problem}")
    if problem:
        pytest.skip(problem)


def built_engine_image() -> str:
    """Return the engine's image, built once a session; GALAXY_TEST_ENGINE_IMAGE names a ready one instead."""
    require_docker()
    given = os.environ.get("GALAXY_TEST_ENGINE_IMAGE")
    return given or _build_engine_image()


@cache
def _docker_problem() -> str | None:
    answer = subprocess.run(
        [_HERE / "install-engine.sh", "--check"], capture_output=True, text=True, check=False, timeout=30
    )
    return answer.stdout.strip() + answer.stderr.strip() if answer.returncode else None


@cache
def _build_engine_image() -> str:
    built = subprocess.run(
        [_HERE / "build.sh", "engine"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "TAG": IMAGE_TAG},
    )
    if built.returncode:
        pytest.fail(f"the engine's image could not be built:\n{built.stdout}{built.stderr}")
    return f"galaxy/game:{IMAGE_TAG}"
