"""A service of a few lines, started for real by launcher tests: listens, says when it is ready, notes what happens to it.

TINY_NAME, TINY_ADDR, TINY_JOURNAL (a file that gets a line per start and stop), TINY_BEHAVIOUR: `die` at once with last
words; `deaf` and `stubborn`, which ignore SIGTERM (its launcher is patient with the latter); `parent`, which has a child of
its own and writes its pid into the journal.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

NAME = os.environ["TINY_NAME"]
BEHAVIOUR = os.environ.get("TINY_BEHAVIOUR", "")


def note(text: str) -> None:
    """Append a line to the journal, whole."""
    with Path(os.environ["TINY_JOURNAL"]).open("a") as journal:
        journal.write(f"{text}\n")


def main() -> None:
    """Live until SIGTERM."""
    ready_file = Path(sys.argv[sys.argv.index("--ready-file") + 1])
    print(f"{NAME} begins", flush=True)  # noqa: T201 - its log
    if BEHAVIOUR == "die":
        print("cannot open the star chart", flush=True)  # noqa: T201
        sys.exit(3)
    host, _, port = os.environ["TINY_ADDR"].rpartition(":")
    listener = socket.create_server((host, int(port)))
    stopping = threading.Event()
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN if BEHAVIOUR in {"deaf", "stubborn"} else lambda *_: stopping.set()
    )
    signal.signal(signal.SIGINT, lambda *_: note(f"{NAME} heard SIGINT"))
    note(f"{NAME} started {os.getpid()}")
    if BEHAVIOUR == "parent":
        note(f"grandchild started {subprocess.Popen(['sleep', '300']).pid}")
    bound = "{}:{}".format(*listener.getsockname())
    draft = ready_file.with_suffix(".draft")
    draft.write_text(json.dumps({"pid": os.getpid(), "http": bound}))
    draft.replace(ready_file)
    while not stopping.wait(0.02):
        pass
    note(f"{NAME} stopped {os.getpid()}")


if __name__ == "__main__":
    main()
