"""The demo's way to a platform, and what it says when there is none."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from client.demo import __main__ as demo
from client.demo import summary
from client.demo.errors import NotSeen
from client.demo.platform_here import Here, find_platform
from client.demo.story import Played
from client.errors import Refused
from deploy.embedded.folder import DataFolder


def keep(folder: Path, **changes: Any) -> Path:
    """Write a launcher's state as the launcher does, and return its data folder."""
    data = DataFolder(folder)
    data.claim()
    listens = {
        "gateway": {"public": "127.0.0.1:18080", "edge": "127.0.0.1:19090"},
        "mailcatcher": {"http": "127.0.0.1:18025", "smtp": "127.0.0.1:11025"},
    }
    processes = {name: {"state": "ready", "listens": at} for name, at in listens.items()}
    data.keep_state({"launcher": os.getpid(), "ready": True, "processes": processes} | changes)
    data.release_lock()
    return folder


def test_a_platform_on_other_ports_is_found_by_its_data_folder(tmp_path: Path) -> None:
    found = find_platform(keep(tmp_path / "data"))
    assert found == Here("http://127.0.0.1:18080", "http://127.0.0.1:19090", "http://127.0.0.1:18025")


def test_a_platform_that_is_not_up_is_not_found(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert find_platform(tmp_path / "nothing") == Here()
    assert find_platform(keep(tmp_path / "starting", ready=False)) == Here()
    assert find_platform(keep(tmp_path / "killed", launcher=gone.pid)) == Here()
    assert find_platform(keep(tmp_path / "stopping", processes={"gateway": {"listens": {}}})) == Here()
    (tmp_path / "killed" / "run" / "state.json").write_text("[1]")
    assert find_platform(tmp_path / "killed") == Here()


@pytest.fixture
def no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GALAXY_GATEWAY", "GALAXY_EDGE", "GALAXY_MAIL"):
        monkeypatch.delenv(name, raising=False)


def test_what_is_given_wins_over_what_is_found(no_addresses, tmp_path: Path) -> None:
    folder = str(keep(tmp_path / "data"))
    options = demo._options(["--data-dir", folder, "--gateway", "http://127.0.0.1:1"])
    assert (options.gateway, options.edge) == ("http://127.0.0.1:1", "http://127.0.0.1:19090")
    nowhere = demo._options(["--data-dir", str(tmp_path / "nothing")])
    assert (nowhere.gateway, nowhere.mail) == ("http://127.0.0.1:8080", "http://127.0.0.1:8025")


def test_no_platform_is_said_with_what_to_do(no_addresses, tmp_path: Path, capsys) -> None:
    state = json.loads((keep(tmp_path / "data") / "run" / "state.json").read_text())
    state["processes"]["mailcatcher"]["listens"]["http"] = "127.0.0.1:9"
    (tmp_path / "data" / "run" / "state.json").write_text(json.dumps(state))
    assert demo.main(["--data-dir", str(tmp_path / "data")]) == 4
    said = capsys.readouterr().err
    assert "No mail catcher answers at http://127.0.0.1:9" in said
    assert "make up" in said


@pytest.mark.parametrize("name", ["[/]", "[bold]Sol[/bold]", "[link=https://evil.test]Sol[/link]"])
@pytest.mark.parametrize("kind", [NotSeen, lambda text: Refused("lobby.no", text)], ids=["demo", "platform"])
def test_what_the_platform_says_is_shown_as_it_is(
    name: str, kind: Any, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path
) -> None:
    async def fail(*_: Any) -> None:
        raise kind(f"the engine of {name} did not start")

    monkeypatch.setattr(demo, "play", fail)
    assert demo.main(["--data-dir", str(tmp_path)]) == 1
    assert f"the engine of {name} did not start" in capsys.readouterr().err


def test_the_game_that_the_demo_leaves_behind_is_named() -> None:
    said = summary.left_behind(Played("the-id", "Demo 1A2B", 10, ())).plain
    assert said.startswith("Demo 1A2B (game the-id) goes on")
