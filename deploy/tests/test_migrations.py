"""Every service's migrations: numbered pairs, and the rules for the next author beside them."""

from pathlib import Path

import pytest

from kit.migrate import revisions

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(ROOT.glob("*/migrations"))


def test_every_service_with_a_schema_has_migrations() -> None:
    assert [folder.parent.name for folder in FOLDERS] == ["backend", "mail", "notification"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_files_are_numbered_pairs_from_a_first_one(folder: Path) -> None:
    """backend-runbook:71-72, and backend-runbook:5-10: the next change is the next number."""
    assert revisions(folder)[0] == "00001"
    assert (folder / "00001_init.sql").exists()
    assert {file.stem for file in folder.glob("*.sql")} == {file.stem for file in folder.glob("0*.py")}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_rules_for_the_next_author_stand_beside_the_files(folder: Path) -> None:
    """backend-runbook:11-12; that a series may be folded once, on purpose: backend-runbook:13-14."""
    rules = (folder / "README.md").read_text(encoding="utf-8")
    for rule in ("Append only", "Number without gaps", "Safe beside the previous release", "Fold once"):
        assert f"**{rule}" in rules
