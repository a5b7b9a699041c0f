"""Runs the demo: `python -m client.demo`. Exits 0 only if everything was seen."""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from client.command.exits import ExitCode, exit_code_of
from client.demo import summary
from client.demo.errors import DemoFailed, NothingThere
from client.demo.story import Addresses, play
from client.errors import CannotReach, GalaxyError
from client.sdk import DEFAULT_EDGE_URL, DEFAULT_GATEWAY_URL

_DEFAULT_MAIL_URL = "http://127.0.0.1:8025"
_DEFAULT_FOLDER = Path(".build/demo")


def main(arguments: list[str] | None = None) -> int:
    """Play, paint, account for it; return the exit code."""
    options = _options(arguments)
    console = Console(highlight=False)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    addresses = Addresses(options.gateway, options.edge, options.mail)
    console.print(f"Two players play {options.turns} turns at {addresses.gateway_url}.")

    def tell(sentence: str) -> None:
        console.print(f"[green]✓[/] {sentence}")

    # Profiles of the demo live as long as the demo: the player's own are not touched.
    with tempfile.TemporaryDirectory(prefix="galaxy-demo-") as home:
        try:
            played = asyncio.run(play(addresses, Path(home), options.turns, tell))
            summary.verify(played)
        except (NothingThere, CannotReach) as error:
            errors.print(f"[red]✗ {error}[/]")
            errors.print("The demo plays on a running platform: start one with make up.")
            return ExitCode.CANNOT_REACH
        except GalaxyError as error:
            errors.print(f"[red]✗ {error}[/]")
            return exit_code_of(error)
        except DemoFailed as error:
            errors.print(f"[red]✗ {error}[/]")
            return ExitCode.REFUSED
        except KeyboardInterrupt:
            return 130
    picture = summary.paint(played, options.out)
    summary.show(played, picture, console)
    return ExitCode.OK


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make demo", description="Two scripted players play a game through a platform's public surface."
    )
    environment = os.environ
    parser.add_argument("--gateway", default=environment.get("GALAXY_GATEWAY", DEFAULT_GATEWAY_URL))
    parser.add_argument("--edge", default=environment.get("GALAXY_EDGE", DEFAULT_EDGE_URL))
    parser.add_argument(
        "--mail", default=environment.get("GALAXY_MAIL", _DEFAULT_MAIL_URL), help="a mail catcher"
    )
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--out", type=Path, default=_DEFAULT_FOLDER, help="folder of the picture")
    options = parser.parse_args(arguments)
    if options.turns < 1:
        parser.error("--turns must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
