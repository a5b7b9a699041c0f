"""`python -m backend`: the backend process.

Exit codes beyond those of `kit.process`: 3 when another backend took over; start it again, and it stands by.
"""

import sys

from backend.app import Ending, build
from backend.settings import BackendSettings
from kit.faults import Faults
from kit.logs import configure_logs
from kit.process import Lifecycle, run

_EXIT_LEADERSHIP_LOST = 3


def main() -> None:
    """Run until asked to stop, until a part dies, or until another backend takes over."""
    endings: list[Ending] = []

    async def start(lifecycle: Lifecycle) -> None:
        settings = BackendSettings.load()
        configure_logs("backend", settings.log_level)
        async with build(settings, faults=Faults.from_environment("backend")) as backend:
            endings.append(
                await backend.serve(lifecycle.stopping, lambda: lifecycle.ready(backend.addresses))
            )

    run("backend", start)
    if Ending.LEADERSHIP_LOST in endings:
        sys.exit(_EXIT_LEADERSHIP_LOST)


if __name__ == "__main__":
    main()
