"""`python -m deploy.embedded.mailcatcher`: reads MAILCATCHER_HTTP_ADDR, MAILCATCHER_SMTP_ADDR, MAILCATCHER_FOLDER."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from deploy.embedded.mailcatcher.app import serve
from deploy.embedded.mailcatcher.storage import Mailbox


def main() -> None:
    """Serve until stopped; exit 1 with a sentence when an address cannot be taken."""
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded.mailcatcher")
    parser.add_argument("--ready-file", type=Path, help="write the bound addresses here as JSON once ready")
    ready_file = parser.parse_args().ready_file
    http_addr = os.environ.get("MAILCATCHER_HTTP_ADDR", "127.0.0.1:8025")
    smtp_addr = os.environ.get("MAILCATCHER_SMTP_ADDR", "127.0.0.1:1025")
    mailbox = Mailbox(Path(os.environ.get("MAILCATCHER_FOLDER", "mailbox")))
    try:
        asyncio.run(serve(mailbox, http_addr=http_addr, smtp_addr=smtp_addr, ready_file=ready_file))
    except OSError as error:
        sys.stderr.write(f"mailcatcher cannot start: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
