"""Runs the demo: `python -m client.demo`. Exits 0 only if everything was seen."""

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from client.command.exits import ExitCode, exit_code_of
from client.command.leaving import leave
from client.demo import summary
from client.demo.errors import DemoFailed, NothingThere
from client.demo.platform_here import find_platform
from client.demo.story import Addresses, play
from client.errors import CannotReach, GalaxyError
from client.sdk import DEFAULT_EDGE_URL, DEFAULT_GATEWAY_URL

_DEFAULT_MAIL_URL = "http://127.0.0.1:8025"
_DEFAULT_FOLDER = Path(".build/demo")


def main(arguments: list[str] | None = None) -> int:
    """Play, paint, account for it; return the exit code."""
    options = _options(arguments)
    # No markup in strings: names and the platform's words stand in them.
    console = Console(highlight=False, markup=False)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    addresses = Addresses(options.gateway, options.edge, options.mail)
    console.print(f"Two players play {options.turns} turns at {addresses.gateway_url}.")

    def tell(sentence: str) -> None:
        console.print(Text.assemble(("✓ ", "green"), sentence))

    def fail(error: Exception) -> None:
        errors.print(Text(f"✗ {error}", style="red"))

    # Profiles of the demo live as long as the demo: the player's own are not touched.
    with tempfile.TemporaryDirectory(prefix="galaxy-demo-") as home:
        try:
            played = asyncio.run(play(addresses, Path(home), options.turns, tell))
            summary.verify(played)
        except (NothingThere, CannotReach) as error:
            fail(error)
            errors.print(
                "The demo plays on a running platform: start one with make up. One elsewhere is given by "
                '--gateway, --edge and --mail: make demo DEMO="--gateway http://…".'
            )
            return ExitCode.CANNOT_REACH
        except GalaxyError as error:
            fail(error)
            return exit_code_of(error)
        except DemoFailed as error:
            fail(error)
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
    parser.add_argument(
        "--gateway", help="the platform's public address", default=environment.get("GALAXY_GATEWAY")
    )
    parser.add_argument(
        "--edge", help="its address for signed commands", default=environment.get("GALAXY_EDGE")
    )
    parser.add_argument("--mail", help="its mail catcher", default=environment.get("GALAXY_MAIL"))
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(".galaxy"),
        help="the data folder of `make up`: what is not given is read from there",
    )
    parser.add_argument("--turns", type=int, default=10, help="how many turns to play")
    parser.add_argument("--out", type=Path, default=_DEFAULT_FOLDER, help="folder of the picture")
    options = parser.parse_args(arguments)
    if options.turns < 1:
        parser.error("--turns must be at least 1")
    here = find_platform(options.data_dir)
    options.gateway = options.gateway or here.gateway_url or DEFAULT_GATEWAY_URL
    options.edge = options.edge or here.edge_url or DEFAULT_EDGE_URL
    options.mail = options.mail or here.mail_url or _DEFAULT_MAIL_URL
    return options


if __name__ == "__main__":
    leave(main())
