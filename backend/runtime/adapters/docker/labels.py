"""Whose a container is (docs/ARCHITECTURE.md, Container labels)."""

from collections.abc import Mapping

BACKEND = "galaxy.backend"
GAME = "galaxy.game_id"
VERSION = "galaxy.engine_version"
TITLE = "org.opencontainers.image.title"
STACK = "galaxy.stack"
OUR_TITLE = "galaxy-game"


def labels_of(game_id: str, engine_version: str, stack_label: str) -> dict[str, str]:
    """Return the labels of one engine; `galaxy.stack` only where the installation has a stack label."""
    stack = {STACK: stack_label} if stack_label else {}
    return {BACKEND: "1", GAME: game_id, VERSION: engine_version, TITLE: OUR_TITLE, **stack}


def label_filter(stack_label: str) -> list[str]:
    """Return the label filter that the daemon applies for us."""
    return [f"{BACKEND}=1", *([f"{STACK}={stack_label}"] if stack_label else [])]


def is_ours(labels: Mapping[str, str] | None, stack_label: str) -> bool:
    """Tell whether a container belongs to this installation: one without a stack label leaves every stack's alone."""
    found = labels or {}
    return found.get(BACKEND) == "1" and GAME in found and found.get(STACK, "") == stack_label
