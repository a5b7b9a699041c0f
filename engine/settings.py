"""Settings of the engine process, read once from the environment by `__main__`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

LOG_LEVELS = ("debug", "info", "warning", "error")


class BadSettings(Exception):
    """A variable is missing or wrong; the text names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """See the README for the variables; `token` never appears in a log or a repr."""

    token: str = field(repr=False)
    host: str = "0.0.0.0"
    port: int = 8080
    log_level: str = "info"
    shutdown_timeout_s: float = 10.0


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read ENGINE_* variables; raises BadSettings with a sentence for the operator."""
    token = environment.get("ENGINE_TOKEN", "")
    if not token:
        raise BadSettings("ENGINE_TOKEN is required: the secret that callers of /v1 present.")
    host, port = _address(environment.get("ENGINE_LISTEN_ADDR", "0.0.0.0:8080"))
    level = environment.get("ENGINE_LOG_LEVEL", "info").lower()
    if level not in LOG_LEVELS:
        raise BadSettings(f"ENGINE_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}.")
    return Settings(token, host, port, level, _seconds(environment.get("ENGINE_SHUTDOWN_TIMEOUT", "10s")))


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadSettings("ENGINE_LISTEN_ADDR must be host:port, the port 0 for any free one.")
    return host.strip("[]") or "0.0.0.0", int(port)


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= 3600.0:
        raise BadSettings("ENGINE_SHUTDOWN_TIMEOUT must be a number of seconds, such as 10s.")
    return seconds
