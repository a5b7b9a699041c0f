"""packages.txt and the lock agree, so that every image installs what its service needs, hash-checked, and no more."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.docker.locked_subset import PACKAGES, closure, listed, lock_entries, render, subset, targets_of

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
TARGETS = listed(PACKAGES.read_text(encoding="utf-8"))


def test_packages_of_every_image_follow_pyproject() -> None:
    """Renew with `deploy/docker/locked_subset.py --write` when this fails."""
    assert PACKAGES.read_text(encoding="utf-8") == render(targets_of(ROOT / "pyproject.toml"))


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_package_of_an_image_is_pinned_with_a_hash(target: str) -> None:
    entries = lock_entries(subset(LOCK, TARGETS[target]))
    assert sorted(entries) == TARGETS[target]
    assert all("--hash=sha256:" in entry for entry in entries.values())


def test_a_package_that_the_lock_does_not_pin_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"does not pin: no-such-package; run `make lock`"):
        subset(LOCK, ["no-such-package", "orjson"])


def test_engine_image_carries_nothing_of_the_services() -> None:
    assert not {"pydantic", "fastapi", "asyncpg", "redis", "structlog"} & set(TARGETS["engine"])


def test_closure_follows_extras_of_dependencies() -> None:
    assert "hiredis" in closure(["redis[hiredis]"])
    assert "hiredis" not in closure(["redis"])


def test_lock_names_no_index_address() -> None:
    assert "://" not in LOCK


# Imports a module as if nothing but the named distributions were installed.
IMPORT_AMONG = """
import importlib, importlib.metadata, sys

module, *allowed = sys.argv[1:]
canonical = lambda name: name.replace("_", "-").replace(".", "-").lower()
owners = importlib.metadata.packages_distributions()

class OnlyListed:
    def find_spec(self, name, path=None, target=None):
        owned_by = {canonical(owner) for owner in owners.get(name.partition(".")[0], ())} - {"galaxy-platform"}
        if owned_by and not owned_by & set(allowed):
            raise ModuleNotFoundError(f"{name} is installed here, but not in that image", name=name)

sys.meta_path.insert(0, OnlyListed())
importlib.import_module(module)
"""


@pytest.mark.parametrize("service", ["engine", "gateway", "backend", "notification", "mail"])
def test_service_imports_only_what_its_image_installs(service: str) -> None:
    """Shows without Docker what the image's build would stop at."""
    imported = subprocess.run(
        [sys.executable, "-c", IMPORT_AMONG, f"{service}.app", *TARGETS[service]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert imported.returncode == 0, imported.stderr[-2000:]
