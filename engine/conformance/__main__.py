"""`python -m engine.conformance URL --token T [--twin URL]`: a table of facts; exit code 0 when all hold."""

import argparse
import sys

from engine.conformance.checks import CHECKS, Bench, Skipped, Violation
from engine.conformance.client import Client


def run(bench: Bench) -> list[tuple[str, str, str]]:
    """Run all checks; return mark, fact and what went wrong for each."""
    rows = []
    for fact, check in CHECKS:
        try:
            check(bench)
            rows.append(("ok", fact, ""))
        except Skipped as reason:
            rows.append(("skip", fact, str(reason)))
        except Violation as violation:
            rows.append(("FAIL", fact, str(violation)))
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            rows.append(("FAIL", fact, f"{type(error).__name__}: {error}"))
    return rows


def main() -> None:
    """Check the engine at the given address."""
    parser = argparse.ArgumentParser(
        prog="engine.conformance", description="Check an engine against contract v1."
    )
    parser.add_argument("url", help="address of an engine without a game")
    parser.add_argument("--token", required=True, help="the engine's ENGINE_TOKEN")
    parser.add_argument("--twin", help="address of a second empty engine, for saves")
    arguments = parser.parse_args()
    twin = Client(arguments.twin, arguments.token) if arguments.twin else None
    rows = run(Bench(Client(arguments.url, arguments.token), twin))
    for mark, fact, problem in rows:
        sys.stdout.write(f"{mark:<5} {fact}{': ' + problem if problem else ''}\n")
    failed = [row for row in rows if row[0] == "FAIL"]
    sys.stdout.write(f"{len(rows)} checks, {len(failed)} failed\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
