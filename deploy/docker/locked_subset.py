"""Cuts requirements.lock to what one image needs, so that each image installs few packages and every one by its hash.

`packages.txt`, beside this file, names the packages of each target; versions and hashes stand in the lock alone.

    locked_subset.py backend            prints the part of the lock that the target `backend` installs
    locked_subset.py --write            renews packages.txt from pyproject.toml and the installed environment

The first form runs inside an image build with nothing but the standard library. The second belongs to `make lock` and
needs the development environment (it reads the metadata of installed packages, so no index is asked).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = HERE / "packages.txt"

# Targets that carry the base dependencies of the distribution in addition to their own extra. The others stand alone.
WITH_BASE = ("gateway", "backend", "notification", "mail")
ALONE = ("engine", "mailcatcher")

# The mail catcher of the compose stacks is part of the extra `embedded`, which also carries whole databases.
MAILCATCHER = ("aiosmtpd", "jinja2", "psutil", "starlette", "uvicorn")

# A package that one of these machines needs belongs to the list; the lock's own markers drop it on the others.
ENVIRONMENTS = [
    {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": full,
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": "linux",
    }
    for machine in ("x86_64", "aarch64")
    for full in ("3.11.0", "3.11.14", "3.13.0")
]


def canonical(name: str) -> str:
    """The one spelling under which the lock and packages.txt know a package."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_entries(text: str) -> dict[str, str]:
    """The lock's entries by package name: the pinned line with its hash lines, as written."""
    entries: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if pinned := re.match(r"([A-Za-z0-9._-]+)==", line):
            name = canonical(pinned.group(1))
            entries[name] = ""
        if name:
            entries[name] += line
    return entries


def listed(text: str) -> dict[str, list[str]]:
    """packages.txt by target."""
    targets: dict[str, list[str]] = {}
    names: list[str] = []
    for line in text.splitlines():
        if header := re.fullmatch(r"\[([a-z]+)\]", line.strip()):
            names = targets.setdefault(header.group(1), [])
        elif line.strip() and not line.startswith("#"):
            names.append(canonical(line.strip()))
    return targets


def subset(lock: str, names: Iterable[str]) -> str:
    """The part of the lock that pins exactly these packages; a name that it does not pin is an error."""
    entries = lock_entries(lock)
    missing = sorted(set(names) - entries.keys())
    if missing:
        raise SystemExit(f"requirements.lock does not pin: {', '.join(missing)}; run `make lock`")
    return "".join(entries[name] for name in sorted(names))


def closure(requirements: Iterable[str]) -> list[str]:
    """Every package that these requirements bring with them, on any of `ENVIRONMENTS`, by installed metadata."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement

    def applies(requirement: Requirement, extra: str) -> bool:
        marker = requirement.marker
        return marker is None or any(
            marker.evaluate({**environment, "extra": extra}) for environment in ENVIRONMENTS
        )

    def needs(name: str, extras: set[str]) -> Iterator[Requirement]:
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            return  # named for another Python only; the lock pins it, nothing here can say what it needs
        for line in lines:
            requirement = Requirement(line)
            if any(applies(requirement, extra) for extra in extras | {""}):
                yield requirement

    seen: set[tuple[str, str]] = set()
    queue = [Requirement(line) for line in requirements]
    while queue:
        requirement = queue.pop()
        for extra in {"", *requirement.extras}:
            key = (canonical(requirement.name), extra)
            if key not in seen:
                seen.add(key)
                queue.extend(needs(requirement.name, {extra}))
    return sorted({name for name, _ in seen})


def targets_of(project: Path) -> dict[str, list[str]]:
    """What packages.txt must say, by pyproject.toml and the installed environment."""
    import tomllib

    declared = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    base, extras = declared["dependencies"], declared["optional-dependencies"]
    roots = {target: extras.get(target, MAILCATCHER) for target in (*WITH_BASE, *ALONE)}
    return {
        target: closure([*roots[target], *(base if target in WITH_BASE else ())])
        for target in (*WITH_BASE, *ALONE)
    }


def render(targets: dict[str, list[str]]) -> str:
    """The text of packages.txt."""
    lines = [
        "# Made by `deploy/docker/locked_subset.py --write`; versions and hashes stand in requirements.lock."
    ]
    for target, names in targets.items():
        lines += ["", f"[{target}]", *names]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> None:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description="Cut requirements.lock to what one image needs.")
    parser.add_argument("target", nargs="?", help="a target of packages.txt, or the name of one package")
    parser.add_argument("--write", action="store_true", help="renew packages.txt")
    parser.add_argument("--lock", type=Path, default=HERE.parents[1] / "requirements.lock")
    chosen = parser.parse_args(arguments)
    if chosen.write:
        PACKAGES.write_text(render(targets_of(HERE.parents[1] / "pyproject.toml")), encoding="utf-8")
        return
    if not chosen.target:
        parser.error("name a target")
    names = listed(PACKAGES.read_text(encoding="utf-8")).get(chosen.target, [canonical(chosen.target)])
    sys.stdout.write(subset(chosen.lock.read_text(encoding="utf-8"), names))


if __name__ == "__main__":
    main(sys.argv[1:])
