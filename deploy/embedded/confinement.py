"""How to run a program that refuses to be root, when we are root.

PostgreSQL will not start as root. A user namespace in which we are merely `nobody` needs no extra user and changes no
owner of any file; default containers forbid such namespaces, and there the process becomes `nobody` for real and the
data must belong to it.
"""

import functools
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.errors import CannotRunError

NOBODY = 65534


@dataclass(frozen=True)
class Confinement:
    """What to put in front of a command line, and who must own its files."""

    prefix: tuple[str, ...] = ()
    owner: int | None = None

    def hand_over(self, *paths: Path) -> None:
        """Make these belong to the confined process, with all that is in them; nothing to do in most cases.

        Their folder, which is ours, is opened for passing through. Raises CannotRunError when one further up is closed.
        """
        if self.owner is None:
            return
        for path in paths:
            path.parent.chmod(path.parent.stat().st_mode | stat.S_IXOTH)
            closed = [folder for folder in path.parents if not folder.stat().st_mode & stat.S_IXOTH]
            if closed:
                raise CannotRunError(
                    f"PostgreSQL cannot run as root, and as `nobody` it may not pass through {closed[-1]}.",
                    remedy="Run the same command as an ordinary user, or with --data-dir in an open folder.",
                )
            for inner in (path, *path.rglob("*")):
                os.chown(inner, self.owner, self.owner, follow_symlinks=False)


@functools.cache
def unprivileged() -> Confinement:
    """Return how a program that refuses root runs for this user. Raises CannotRunError when there is no way."""
    if os.geteuid() != 0:
        return Confinement()
    namespace = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")
    if _works(namespace):
        return Confinement(namespace)
    becoming = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")
    if _works(becoming):
        return Confinement(becoming, owner=NOBODY)
    raise CannotRunError(
        "PostgreSQL refuses to run as root, and neither `unshare` nor `setpriv` can make it anybody else here.",
        remedy="Run the same command as an ordinary user, or install util-linux.",
    )


def _works(prefix: tuple[str, ...]) -> bool:
    if shutil.which(prefix[0]) is None:
        return False
    return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
