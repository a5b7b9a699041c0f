"""Where a platform that `make up` started on this machine listens, read from the state that it keeps in its data folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STATE = Path("run") / "state.json"


@dataclass(frozen=True)
class Here:
    """Addresses of a running platform, as URLs; None for what does not listen."""

    gateway_url: str | None = None
    edge_url: str | None = None
    mail_url: str | None = None


def find_platform(data_folder: Path) -> Here:
    """Return where the platform of a data folder listens; no addresses where none is up."""
    try:
        state = json.loads((data_folder / _STATE).read_text(encoding="utf-8"))
        if not state["ready"] or not _lives(state["launcher"]):
            return Here()
        processes = state["processes"]
        return Here(
            _url(processes, "gateway", "public"),
            _url(processes, "gateway", "edge"),
            _url(processes, "mailcatcher", "http"),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Here()


def _url(processes: dict[str, Any], process: str, listener: str) -> str | None:
    address = processes.get(process, {}).get("listens", {}).get(listener)
    return f"http://{address}" if address else None


def _lives(pid: int) -> bool:
    """Tell whether a process runs: a launcher that was killed leaves its state behind."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
