"""PostgreSQL and Valkey of one data folder: started, revived when they die, stopped."""

import time
from collections.abc import Callable, Iterator

from deploy.embedded.child import describe_exit
from deploy.embedded.credentials import Credentials
from deploy.embedded.errors import ChildFailedError
from deploy.embedded.folder import DataFolder
from deploy.embedded.logfile import LogFile
from deploy.embedded.ports import LOOPBACK
from deploy.embedded.postgres import Postgres
from deploy.embedded.progress import Progress
from deploy.embedded.valkey import Valkey

_REVIVALS_MAX = 5
_REVIVAL_PAUSE_SECONDS = 0.5


class OwnStores:
    """The stores of a launcher. `check` is called while waiting and may raise to give up."""

    def __init__(self, folder: DataFolder, credentials: Credentials, check: Callable[[], None]) -> None:
        ports = folder.ports()
        self._folder = folder
        self._check = check
        self.postgres = Postgres(
            folder.path / "postgres",
            credentials["postgres_superuser"],
            LogFile(folder.logs / "postgres.log"),
            port=ports.get("postgres"),
            check=check,
        )
        self.valkey = Valkey(
            folder.path / "valkey",
            credentials["redis"],
            LogFile(folder.logs / "valkey.log"),
            port=ports.get("valkey"),
            check=check,
        )

    def start(self, progress: Progress, changed: Callable[[], None]) -> None:
        """Make what is missing and start both; `changed` is called whenever a process was added."""
        if not self.postgres.folder.exists():
            with progress.step("Making the database", "the database is made"):
                self.postgres.initialise()
        self.postgres.initialise()
        with progress.step("Starting PostgreSQL", "PostgreSQL is ready"):
            self.postgres.start()
            changed()
        # The services and their settings say Redis, whose protocol this is: Valkey is the server that comes as a wheel.
        with progress.step("Starting Valkey (speaks Redis)", "Valkey is ready (it speaks Redis)"):
            self.valkey.start()
            changed()
        self._folder.keep_ports({"postgres": self.postgres.port or 0, "valkey": self.valkey.port or 0})

    def revive(self, progress: Progress) -> bool:
        """Start again what has died, on the same port, since every service holds the address.

        Return whether anything was done. Raises ChildFailedError when it does not come back.
        """
        done = False
        for name, store in self.running():
            assert store.child is not None
            if store.child.exit_code is None:
                continue
            died = store.child.failure(f"{name} ended {describe_exit(store.child.exit_code)}.")
            store.child.kill()
            progress.warn(f"{died.sentence} It starts again.")
            progress.last_lines(died.last_lines)
            self._start_again(store)
            progress.say(f"{name} is back.")
            done = True
        return done

    def running(self) -> "Iterator[tuple[str, Postgres | Valkey]]":
        """Yield those that were started, in the order in which they stop."""
        for name, store in (("Valkey", self.valkey), ("PostgreSQL", self.postgres)):
            if store.child is not None:
                yield name, store

    def addresses(self) -> dict[str, str]:
        """Return store → where it listens, of those that were started."""
        return {name.lower(): f"{LOOPBACK}:{store.port}" for name, store in self.running()}

    def close(self) -> None:
        """Close the logs."""
        self.postgres.log.close()
        self.valkey.log.close()

    def _start_again(self, store: "Postgres | Valkey") -> None:
        for left in reversed(range(_REVIVALS_MAX)):
            try:
                store.start(keep_port=True)
            except ChildFailedError:
                if not left:
                    raise
                self._check()
                time.sleep(_REVIVAL_PAUSE_SECONDS)
            else:
                return
