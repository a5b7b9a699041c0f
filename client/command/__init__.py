"""The `galaxy` command: the SDK for people, in a terminal or in a pipe."""

from client.command.main import main

__all__ = ["main"]
