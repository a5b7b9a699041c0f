"""What is looked at before anything is started, so that no half of a stack comes up."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.embedded.errors import DiskFullError, PortTakenError, StackError
from deploy.embedded.ports import candidates, holder_of, is_free
from deploy.embedded.spec import ServiceSpec

_MIB = 1024 * 1024


def choose_ports(
    specs: Sequence[ServiceSpec], chosen: Mapping[str, int], *, ephemeral: bool = False
) -> dict[str, int]:
    """Return `service.listener` → port for every listener: the chosen one, else the usual one, or 0 for any.

    Raises StackError for a name that no listener has.
    """
    usual = {f"{spec.name}.{at.name}": at.port for spec in specs for at in spec.listeners}
    unknown = chosen.keys() - usual.keys()
    if unknown:
        raise StackError(
            f"There is no address named {min(unknown)}.", remedy=f"There are: {', '.join(usual)}."
        )
    ports = {name: 0 if ephemeral else port for name, port in usual.items()} | dict(chosen)
    if ports.get("gateway.public") == 0:  # links to it are written before it is up
        ports["gateway.public"] = next(candidates())
    return ports


def require_free(ports: Mapping[str, int]) -> None:
    """Raise PortTakenError, which says by whom, when a fixed port is in use or two listeners were given the same."""
    wanted: dict[int, str] = {}
    for name, port in ports.items():
        if not port:
            continue
        if port in wanted:
            raise PortTakenError(
                f"Port {port} is wanted for both {wanted[port]} and {name}.",
                remedy="Choose another port for one of them.",
            )
        wanted[port] = name
        if not is_free(port):
            holder = holder_of(port)
            other = port + 10_000 if port < 55_000 else port - 10_000
            raise PortTakenError(
                f"Port {port}, wanted for {name}, is in use{f' by {holder}' if holder else ''}.",
                remedy=f"Stop that program, or choose another port: make up PORTS={name}={other}",
            )


def require_space(folder: Path, bytes_min: int) -> None:
    """Raise DiskFullError when less than that is free."""
    free = shutil.disk_usage(folder).free
    if free < bytes_min:
        raise DiskFullError(
            f"Only {free // _MIB} MiB are free for {folder}; Galaxy wants {bytes_min // _MIB} MiB to start.",
            remedy="Free some space and start again; nothing that was stored is lost.",
        )
