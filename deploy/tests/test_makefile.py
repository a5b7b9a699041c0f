"""The front door: one command runs every scenario, another lists what there is."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def make(*arguments: str) -> str:
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def test_one_command_runs_every_test_and_every_scenario() -> None:
    """backend-runbook:164-166."""
    runs = [
        line.split(" -m pytest")[1] for line in make("--dry-run", "test").splitlines() if " -m pytest" in line
    ]
    assert len(runs) == 2
    assert not any(word in runs[0] for word in (" -m ", " -k ", "integration")), (
        "the first run leaves nothing out"
    )
    assert " integration" in runs[1]


def test_one_scenario_can_be_run_alone() -> None:
    """backend-runbook:167-168."""
    scenario = "integration/test_sign_in.py::test_a_newcomer_signs_in_and_asks_who_he_is"
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", scenario],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert scenario in collected.stdout
    assert "1 test collected" in collected.stdout


def test_every_target_is_listed_with_a_sentence() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    declared = {name for line in text.splitlines() if line.startswith(".PHONY:") for name in line.split()[1:]}
    listed = {line.split()[1] for line in make("help").splitlines() if line.startswith("  make ")}
    assert declared <= listed
