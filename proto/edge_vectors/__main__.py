"""Writes the file, or compares it."""

import sys

from edge_vectors.document import VECTORS, text


def main(arguments: list[str]) -> int:
    """Write the file, or compare it with `--check`."""
    if arguments == ["--check"]:
        if VECTORS.read_text(encoding="utf-8") != text():
            sys.stderr.write("vectors.json is not up to date: run python -m edge_vectors\n")
            return 1
        return 0
    VECTORS.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
