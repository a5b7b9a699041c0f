"""A caught message: what is known of it without opening it, and its parts."""

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import getaddresses, parseaddr
from html.parser import HTMLParser
from typing import Any

SNIPPET_LENGTH = 160
_CODE = re.compile(r"(?<![\w#-])\d{6}(?![\w-])")
_SILENT_TAGS = frozenset(["style", "script", "head", "title"])


@dataclass(frozen=True)
class Summary:
    """One row of the list."""

    id: str
    message_id: str
    created: str
    """When it arrived, RFC 3339 in UTC with milliseconds."""
    return_path: str
    recipients: tuple[str, ...]
    """To whom SMTP gave it, whatever its headers say."""
    sender: tuple[str, str]
    to: tuple[tuple[str, str], ...]
    subject: str
    snippet: str
    code: str
    """The six digits of a sign-in code, when the text has one; empty otherwise."""
    size: int
    read: bool = False

    def matches(self, terms: "tuple[Term, ...]") -> bool:
        """Whether every term of a search is met."""
        return all(term.met_by(self) for term in terms)


@dataclass(frozen=True)
class Term:
    """One word of a search, for one field or (with an empty field) for all."""

    field: str
    word: str

    def met_by(self, summary: Summary) -> bool:
        """Compare without regard to case."""
        word = self.word.casefold()
        to = " ".join([*summary.recipients, *(f"{name} {address}" for name, address in summary.to)])
        texts = {
            "to": to,
            "addressed": to,
            "from": f"{' '.join(summary.sender)} {summary.return_path}",
            "subject": summary.subject,
            "message-id": summary.message_id,
            "": f"{to} {' '.join(summary.sender)} {summary.subject} {summary.snippet}",
        }
        return word in texts.get(self.field, "").casefold()


_TERM = re.compile(r'(?:(to|addressed|from|subject|message-id):)?(?:"([^"]*)"|(\S+))', re.IGNORECASE)


def parse_search(query: str) -> tuple[Term, ...]:
    """Read `to:a@b subject:"two words" more`."""
    return tuple(Term((m[1] or "").lower(), m[2] or m[3] or "") for m in _TERM.finditer(query))


def parse_message(raw: bytes) -> EmailMessage:
    """Read a message leniently: whatever was sent is shown."""
    return email.message_from_bytes(raw, policy=email.policy.default)


def summarise(raw: bytes, *, id: str, created: str, return_path: str, recipients: tuple[str, ...]) -> Summary:  # noqa: A002
    """Read what the list shows out of a message."""
    message = parse_message(raw)
    text, html = bodies(message)
    plain = " ".join((text or text_of_html(html)).split())
    code = _CODE.search(plain)
    return Summary(
        id=id,
        message_id=header(message, "Message-ID").strip("<> "),
        created=created,
        return_path=return_path,
        recipients=recipients,
        sender=parseaddr(header(message, "From")),
        to=addresses(message, "To"),
        subject=header(message, "Subject"),
        snippet=plain[:SNIPPET_LENGTH],
        code=code[0] if code else "",
        size=len(raw),
    )


def header(message: EmailMessage, name: str) -> str:
    """Return a header as text; empty when it is missing or beyond reading."""
    try:
        return str(message.get(name, "")).strip()
    except (
        ValueError,
        LookupError,
        IndexError,
        AttributeError,
    ):  # what the standard parser throws at mangled headers
        return ""


def addresses(message: EmailMessage, name: str) -> tuple[tuple[str, str], ...]:
    """Return (name, address) pairs of an address header."""
    return tuple(pair for pair in getaddresses([header(message, name)]) if pair[1])


def bodies(message: EmailMessage) -> tuple[str, str]:
    """Return the plain and the HTML text; empty where there is none."""
    return _body(message, "plain"), _body(message, "html")


def attachments(message: EmailMessage) -> list[dict[str, Any]]:
    """List the attached files: name, type and size."""
    found = []
    for part in message.walk():
        if part.get_content_disposition() == "attachment":
            payload = part.get_payload(decode=True)
            found.append(
                {
                    "FileName": part.get_filename() or "",
                    "ContentType": part.get_content_type(),
                    "Size": len(payload) if isinstance(payload, bytes) else 0,
                }
            )
    return found


def text_of_html(html: str) -> str:
    """Return what a reader would see of an HTML text, roughly."""
    reader = _TextReader()
    reader.feed(html)
    return " ".join(reader.words)


def _body(message: EmailMessage, kind: str) -> str:
    try:
        part = message.get_body(preferencelist=(kind,))
        return str(part.get_content()) if part is not None else ""
    except (LookupError, ValueError, KeyError, AttributeError):  # unknown charset or encoding
        return ""


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the base's
        self._silent += tag in _SILENT_TAGS

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT_TAGS and self._silent > 0

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.words.append(data.strip())
