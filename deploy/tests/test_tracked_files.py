"""What the repository itself must hold: nothing in it may depend on where it was made."""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def test_python_locks_hold_hashes_and_no_address() -> None:
    locks = tracked("*.lock", "*requirements*.txt")
    assert ROOT / "requirements.lock" in locks
    for lock in locks:
        text = lock.read_text()
        assert not re.search(r"--(index-url|extra-index-url|find-links)|\w+://", text), lock
        requirements = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^\]]*\])?==", text, re.MULTILINE)
        assert requirements
        assert len(re.findall(r"^    --hash=sha256:", text, re.MULTILINE)) >= len(requirements), lock


def test_node_locks_hold_no_address() -> None:
    for lock in tracked("*package-lock.json"):
        packages = json.loads(lock.read_text())["packages"]
        assert not [name for name, package in packages.items() if "resolved" in package], lock


def test_no_file_sets_a_package_index() -> None:
    setting = re.compile(r"(index-url|index_url|registry)\s*[=:]\s*[\"']?\w+://")
    for file in tracked():
        if file.is_file() and file.stat().st_size < 1_000_000:
            found = setting.search(file.read_text(errors="ignore"))
            assert found is None, f"{file.relative_to(ROOT)}: {found[0]}"
