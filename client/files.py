"""Small private files: written whole or not at all, readable by their owner alone."""

import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from client.errors import ProfileUnusable


def write_json(path: Path, value: Any) -> None:
    """Replace a file by JSON in one step, mode 0600, in a folder of mode 0700 that is made if missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(value, out, indent=1)
            out.write("\n")
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ProfileUnusable(f"{path} cannot be written: {error.strerror}.") from error


def read_json(path: Path, *, secret: bool = False) -> Any:
    """Return what a file holds, or None where there is none.

    A `secret` file that others may read is refused: whoever read it can already speak for its owner.
    """
    try:
        with path.open(encoding="utf-8") as source:
            if secret and os.name == "posix" and stat.S_IMODE(os.fstat(source.fileno()).st_mode) & 0o077:
                raise ProfileUnusable(
                    f"{path} holds a private key and others may read it: sign in anew, or run chmod 600 on it."
                )
            return json.load(source)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ProfileUnusable(f"{path} cannot be read ({error}); move it away and sign in again.") from error


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
