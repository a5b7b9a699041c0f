"""`python -m deploy.embedded up|down|status|logs|clean-data`: what the targets of the Makefile call."""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from deploy.embedded.environment import platform_services
from deploy.embedded.errors import StackError
from deploy.embedded.folder import DataFolder
from deploy.embedded.launcher import Launcher, Options
from deploy.embedded.logs import show_logs
from deploy.embedded.memory import memory_of, memory_of_one
from deploy.embedded.progress import Progress
from deploy.embedded.spec import REPOSITORY

_DOWN_TIMEOUT_SECONDS = 120


def main() -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args()
    console = Console(no_color=True if arguments.no_color else None, highlight=False)
    progress = Progress(console)
    folder = DataFolder(arguments.data_dir)
    try:
        match arguments.command:
            case "up":
                return _up(arguments, progress)
            case "down":
                return _down(folder, progress)
            case "status":
                return _status(folder, progress)
            case "logs":
                return _logs(arguments, folder, console, progress)
            case _:
                return _clean_data(arguments, folder, console, progress)
    except StackError as error:
        progress.error(error)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.embedded",
        description="Galaxy on one machine, without Docker and without root.",
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--data-dir",
        type=Path,
        default=REPOSITORY / ".galaxy",
        help="where all data lives (default: .galaxy)",
    )
    shared.add_argument("--no-color", action="store_true", help="no colours")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", parents=[shared], help="start everything, and stop it on Ctrl-C")
    up.add_argument(
        "--public-url", help="where players reach the gateway, when a proxy stands before it (https://…)"
    )
    up.add_argument(
        "--port",
        action="append",
        default=[],
        type=_port,
        metavar="NAME=PORT",
        help="another port than the usual one, such as gateway.public=8181; 0 for any; may be repeated",
    )
    up.add_argument(
        "--ports", choices=["fixed", "ephemeral"], default="fixed", help="ephemeral: any free port for all"
    )
    commands.add_parser("down", parents=[shared], help="stop what `up` started, from another terminal")
    commands.add_parser("status", parents=[shared], help="show every process")
    logs = commands.add_parser("logs", parents=[shared], help="show what the processes say")
    logs.add_argument("service", nargs="*", help="only these")
    logs.add_argument("--lines", type=int, default=40, help="how many old lines of each")
    logs.add_argument("--no-follow", action="store_true", help="end after the old lines")
    clean = commands.add_parser("clean-data", parents=[shared], help="remove all data")
    clean.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _port(text: str) -> tuple[str, int]:
    name, _, port = text.partition("=")
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PORT, such as gateway.public=8181")
    return name, int(port)


def _up(arguments: argparse.Namespace, progress: Progress) -> int:
    options = Options(
        data_folder=arguments.data_dir,
        public_url=arguments.public_url.rstrip("/") if arguments.public_url else None,
        ports=dict(arguments.port),
        ephemeral=arguments.ports == "ephemeral",
    )
    return Launcher(options, platform_services(), progress, dict(os.environ)).run()


def _down(folder: DataFolder, progress: Progress) -> int:
    holder = folder.holder()
    if holder is None:
        progress.say("Galaxy does not run here.")
        return 0
    with progress.step("Stopping Galaxy", "Galaxy has stopped"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(_pid_of(holder), signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_TIMEOUT_SECONDS
        while folder.holder() is not None:
            if time.monotonic() > deadline:
                raise StackError(
                    f"Galaxy (process {_pid_of(holder)}) does not stop.", remedy="`make logs` may tell why."
                )
            time.sleep(0.1)
    return 0


def _status(folder: DataFolder, progress: Progress) -> int:
    holder = folder.holder()
    if holder is None:
        progress.say("Galaxy does not run here. `make up` starts it.")
        return 3
    processes = folder.state().get("processes", {})
    sizes = {name: memory_of(said["pid"]) for name, said in processes.items() if "pid" in said}
    rows = [_row(name, said, sizes.get(name, 0)) for name, said in processes.items()]
    progress.title(f"Galaxy runs since {holder.get('since', '?')}")
    progress.processes(rows, sum(sizes.values()) + memory_of_one(_pid_of(holder)))
    return 0


def _pid_of(holder: Mapping[str, object]) -> int:
    pid = holder.get("pid")
    if not isinstance(pid, int):
        raise StackError("Galaxy is starting or stopping just now.", remedy="Try again in a moment.")
    return pid


def _row(name: str, said: Mapping[str, object], size: int) -> Mapping[str, str]:
    listens = said.get("listens")
    return {
        "process": name,
        "state": str(said.get("state", "")),
        "pid": str(said.get("pid", "")),
        "memory": f"{size / 1024**2:.0f} MiB" if size else "",
        "restarts": str(said.get("restarts", 0) or ""),
        "listens on": "\n".join(f"{key} {value}".strip() for key, value in listens.items())
        if isinstance(listens, dict)
        else "",
    }


def _logs(arguments: argparse.Namespace, folder: DataFolder, console: Console, progress: Progress) -> int:
    known = sorted(path.stem for path in folder.logs.glob("*.log"))
    unknown = set(arguments.service) - set(known)
    if not known:
        progress.say("There are no logs yet. `make up` starts Galaxy.")
        return 0
    if unknown:
        raise StackError(f"There is no log of {min(unknown)}.", remedy=f"There are: {', '.join(known)}.")
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        show_logs(
            console, folder.logs, arguments.service, lines=arguments.lines, follow=not arguments.no_follow
        )
    return 0


def _clean_data(
    arguments: argparse.Namespace, folder: DataFolder, console: Console, progress: Progress
) -> int:
    if not folder.path.exists():
        progress.say("There is no data.")
        return 0
    if not arguments.yes:
        try:
            said = console.input(f"  Remove all games, accounts and mail in {folder.path}? \\[y/N] ")
        except (EOFError, KeyboardInterrupt):
            said = ""
        if said.strip().lower() not in {"y", "yes"}:
            progress.say("Nothing was removed.")
            return 1
    folder.remove()
    progress.say("All data is removed, the platform's key too.")
    progress.say("Devices that had signed in: `galaxy trust` once, then sign in anew.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
