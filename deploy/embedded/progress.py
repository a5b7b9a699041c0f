"""What a person sees: steps while it works, one calm page when it is done, one clear sentence when it is not."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from deploy.embedded.errors import ChildFailedError, StackError

_MIB = 1024 * 1024
# Where the `galaxy` command looks unless it is told.
_CLIENT_GATEWAY = "http://127.0.0.1:8080"
_CLIENT_EDGE = "http://127.0.0.1:9090"


@dataclass(frozen=True)
class Summary:
    """What the last page tells."""

    addresses: Mapping[str, str]
    """`service.listener` → `host:port`."""
    public_url: str | None
    operator_login: str
    operator_password: str
    data_folder: str
    took_seconds: float
    memory_bytes: int


class Progress:
    """Writes to one console; on a terminal a step turns while it lasts, elsewhere it is one line when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def mute(self) -> None:
        """Say nothing more."""
        self._console.quiet = True

    def title(self, text: str) -> None:
        """Open with a line of its own."""
        self._console.print()
        self._console.print(Text.assemble(("  ✦ ", "bold blue"), (text, "bold")))
        self._console.print()

    @contextmanager
    def step(self, doing: str, done: str | None = None) -> Iterator[None]:
        """Show `doing` while the body runs, then that it is done and how long it took; or that it failed."""
        began = time.monotonic()
        try:
            if self._console.is_terminal:
                turning = Padding(Spinner("dots", Text(doing), style="blue"), (0, 0, 0, 2))
                with Live(turning, console=self._console, transient=True, refresh_per_second=12):
                    yield
            else:
                yield
        except BaseException:
            self._console.print(Text.assemble(("  ✗ ", "bold red"), doing))
            raise
        took = time.monotonic() - began
        line = Text.assemble(("  ✓ ", "bold green"), f"{done or doing:<44}", (f"{took:5.1f} s", "dim"))
        self._console.print(line)

    def say(self, text: str) -> None:
        """Tell something in passing."""
        self._console.print(Text(f"  {text}"), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Tell something that wants attention, while everything goes on."""
        self._console.print(Text.assemble(("  ! ", "bold yellow"), text), soft_wrap=True)

    def error(self, error: StackError) -> None:
        """Tell what went wrong, what to do, and what the process said last, where there was one."""
        self._console.print()
        self._console.print(Text.assemble(("  ✗ ", "bold red"), (error.sentence, "bold")), soft_wrap=True)
        if isinstance(error, ChildFailedError):
            self.last_lines(error.last_lines)
        if error.remedy:
            self._console.print(Text(f"    {error.remedy}"), soft_wrap=True)
        self._console.print()

    def last_lines(self, lines: Sequence[str]) -> None:
        """Quote a log."""
        for line in lines:
            self._console.print(Text(f"    │ {line}", style="dim"), soft_wrap=True)

    def summary(self, summary: Summary) -> None:
        """Tell where everything is and how to begin."""
        rows = Table.grid(padding=(0, 3))
        rows.add_column(style="bold", no_wrap=True)
        rows.add_column(overflow="fold")
        for name, text in _rows(summary):
            rows.add_row(name, text)
        memory = f"{summary.memory_bytes / _MIB:.0f} MiB of memory"
        headline = Text.assemble(
            (" Galaxy is up ", "bold"), (f"· {summary.took_seconds:.1f} s · {memory} ", "dim")
        )
        panel = Panel(
            rows, title=headline, title_align="left", border_style="blue", padding=(1, 2), expand=False
        )
        self._console.print()
        self._console.print(Padding(panel, (0, 0, 0, 2)))
        self._console.print()
        if summary.public_url is not None:
            # Outside of the frame and on one line, however long: it is there to be copied.
            self.say("To begin, in another terminal (any address will do):")
            self._console.print(Text(f"    {_sign_in_command(summary)}", style="green"), soft_wrap=True)
            self._console.print()
        self.say("Ctrl-C stops everything.")
        self._console.print()

    def processes(self, rows: Sequence[Mapping[str, str]], total_bytes: int) -> None:
        """Show the table of `status`."""
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for column in ("process", "state", "pid", "memory", "restarts", "listens on"):
            right = column in {"pid", "memory", "restarts"}
            table.add_column(column, justify="right" if right else "left", no_wrap=True)
        for row in rows:
            healthy = row["state"] == "ready"
            table.add_row(
                Text(row["process"], style="bold"),
                Text(row["state"], style="green" if healthy else "yellow"),
                *(row[key] for key in ("pid", "memory", "restarts", "listens on")),
            )
        self._console.print(table)
        self._console.print(Text(f"\n  {total_bytes / _MIB:.0f} MiB of memory in all", style="dim"))


def _rows(summary: Summary) -> Iterator[tuple[str, Text]]:
    at = summary.addresses
    if summary.public_url is not None:
        yield "Play", _address(summary.public_url)
    if "mailcatcher.http" in at:
        yield "Mail", _address(f"http://{at['mailcatcher.http']}")
        yield (
            "",
            Text(
                f"Every mail is caught here, sign-in codes too (SMTP {at['mailcatcher.smtp']}).", style="dim"
            ),
        )
    if "gateway.edge" in at:
        yield "Edge", _address(f"http://{at['gateway.edge']}")
        yield "", Text("Connect, gRPC and gRPC-Web, every request signed.", style="dim")
    if "backend.http" in at:
        yield "Operators", _address(f"http://{at['backend.http']}/api/v1/admin")
        login = (summary.operator_login, "bold"), ("  password ", "dim"), (summary.operator_password, "bold")
        yield "", Text.assemble(("Login ", "dim"), *login)
    yield "Data", Text(summary.data_folder)
    yield "", Text("Kept when you stop; `make clean-data` removes it.", style="dim")
    yield (
        "See more",
        Text.assemble("make status", ("  and  ", "dim"), "make logs", ("  in another terminal", "dim")),
    )


def _address(url: str) -> Text:
    return Text(url, style="bold cyan")


def _sign_in_command(summary: Summary) -> str:
    """The client's own defaults need not be typed."""
    words = [".venv/bin/galaxy sign-in you@example.org"]
    if summary.public_url != _CLIENT_GATEWAY:
        words.append(f"--gateway {summary.public_url}")
    edge = f"http://{summary.addresses.get('gateway.edge')}"
    if edge != _CLIENT_EDGE:
        words.append(f"--edge {edge}")
    return " ".join(words)
