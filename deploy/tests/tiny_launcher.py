"""`make up` over tiny services: the launcher as it is, with a list of services of our own.

python -m deploy.tests.tiny_launcher DATA_FOLDER JOURNAL [--port NAME=PORT]… [--free-bytes-min N] [NAME[:BEHAVIOUR]]…
"""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from deploy.embedded.launcher import FREE_BYTES_MIN, Launcher, Options
from deploy.embedded.progress import Progress
from deploy.embedded.spec import Listener, ServiceSpec, python_module


def tiny(name: str, behaviour: str, journal: str) -> ServiceSpec:
    """Describe one tiny service."""
    variables = {"TINY_NAME": name, "TINY_JOURNAL": journal, "TINY_BEHAVIOUR": behaviour}
    return ServiceSpec(
        name=name,
        command=python_module("deploy.tests.tiny_service"),
        listeners=(Listener("http", "TINY_ADDR", 0),),
        environment=lambda _around, _addresses: variables,
        ready_timeout_seconds=20,
        stop_timeout_seconds=0.5 if behaviour == "deaf" else 30,
    )


def main() -> int:
    """Run the launcher until a signal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data_folder", type=Path)
    parser.add_argument("journal")
    parser.add_argument("--port", action="append", default=[])
    parser.add_argument("--free-bytes-min", type=int, default=FREE_BYTES_MIN)
    parser.add_argument("services", nargs="*", default=["first", "second"])
    arguments = parser.parse_intermixed_args()
    specs = []
    for text in arguments.services:
        name, _, behaviour = text.partition(":")
        specs.append(tiny(name, behaviour, arguments.journal))
    ports = {name: int(port) for name, _, port in (text.partition("=") for text in arguments.port)}
    options = Options(arguments.data_folder, ports=ports, free_bytes_min=arguments.free_bytes_min)
    return Launcher(options, specs, Progress(Console(width=160)), dict(os.environ)).run()


if __name__ == "__main__":
    sys.exit(main())
