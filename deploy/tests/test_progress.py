"""What a person reads when everything is up."""

import io

import pytest
from rich.console import Console

from deploy.embedded.progress import Progress, Summary


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_first_command_stands_on_a_line_of_its_own_to_be_copied(width: int) -> None:
    shown = io.StringIO()
    addresses = {
        "gateway.edge": "127.0.0.1:36791",
        "mailcatcher.http": "127.0.0.1:43181",
        "mailcatcher.smtp": "127.0.0.1:35577",
    }
    Progress(Console(file=shown, width=width)).summary(
        Summary(addresses, "http://127.0.0.1:26886", "operator", "secret", ".galaxy", 3.2, 2**29)
    )
    command = (
        ".venv/bin/galaxy sign-in you@example.org "
        "--gateway http://127.0.0.1:26886 --edge http://127.0.0.1:36791"
    )
    assert command in [line.strip() for line in shown.getvalue().splitlines()]


def test_the_clients_own_addresses_need_not_be_typed() -> None:
    shown = io.StringIO()
    Progress(Console(file=shown, width=80)).summary(
        Summary({"gateway.edge": "127.0.0.1:9090"}, "http://127.0.0.1:8080", "operator", "x", ".", 3.2, 2**29)
    )
    assert ".venv/bin/galaxy sign-in you@example.org" in [
        line.strip() for line in shown.getvalue().splitlines()
    ]
