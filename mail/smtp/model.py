"""Values of the SMTP room."""

from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr
from enum import StrEnum
from functools import cached_property


class TlsMode(StrEnum):
    """How the connection to the relay is protected."""

    NONE = "none"
    STARTTLS = "starttls"  # demanded, never merely tried
    TLS = "tls"


@dataclass(frozen=True)
class Relay:
    """Where mail is handed over, and in whose name."""

    host: str
    port: int
    sender: str
    tls_mode: TlsMode = TlsMode.NONE
    ca_path: str = ""
    username: str = ""
    password: str = ""

    @cached_property
    def envelope_from(self) -> str:
        """Return the sender's bare address."""
        return parseaddr(self.sender)[1]

    @cached_property
    def domain(self) -> str:
        """Return the sender's domain, which also names us in EHLO and Message-ID."""
        return self.envelope_from.rpartition("@")[2]


@dataclass(frozen=True)
class LaneTimeouts:
    """Time limits of one send."""

    until_dot: timedelta
    """From connecting to the last byte; running out of it is a safe failure."""
    after_dot: timedelta
    """Wait for the answer to the whole message; running out of it is unknowable."""
    unknown_wait: timedelta
    """Wait before an unknown outcome is tried again."""

    @property
    def send_deadline(self) -> timedelta:
        """Return the longest a send can take."""
        return self.until_dot + self.after_dot


class Stage(StrEnum):
    """How far a send has come."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # the message is being written
    DOT = "dot"  # it is written whole; only the answer is missing


@dataclass(frozen=True)
class Accepted:
    """The relay took it over."""

    reply: str


@dataclass(frozen=True)
class Refused:
    """The relay answered no, for now (4xx) or for ever (5xx)."""

    stage: Stage
    code: int
    reply: str

    @property
    def permanent(self) -> bool:
        """Tell whether trying again is pointless; a relay that refuses *us* (greeting, login) says nothing of the mail."""
        return self.code >= 500 and self.stage is not Stage.CONNECT

    @property
    def unknown_mailbox(self) -> bool:
        """Tell whether it said that there is no such mailbox (RFC 3463: 5.1.1, 5.1.10)."""
        return self.stage is Stage.RCPT and self.code >= 500 and self.reply.startswith(("5.1.1 ", "5.1.10 "))


@dataclass(frozen=True)
class NotSent:
    """It certainly did not go out."""

    classification: str
    error: str


@dataclass(frozen=True)
class Unknown:
    """The whole message was handed over and no answer came: nobody can know."""

    error: str


SendResult = Accepted | Refused | NotSent | Unknown
