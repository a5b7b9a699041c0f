"""Lets a person edit a text in the editor of his choice."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import typer

_FALLBACK = "vi"


def edited(text: str) -> str | None:
    """Return the text after editing, or None where nothing was changed. Raises BadParameter where no editor runs."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or _FALLBACK
    with tempfile.TemporaryDirectory(prefix="galaxy-") as folder:
        file = Path(folder) / "orders.txt"
        file.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise typer.BadParameter(
                f"the editor '{editor}' did not work: set EDITOR", param_hint="--edit"
            ) from error
        changed = file.read_text(encoding="utf-8")
    return None if changed == text else changed
