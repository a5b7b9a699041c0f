"""The bytes of a mail: multipart/alternative with text and HTML.

Built by hand, since the standard library's way takes several times longer than the send itself. A message is a pure function
of its delivery, so a repeated mail is the same mail: same Message-ID, same date, same bytes.

All players of a game get the same words around a link of their own, so what stands around the link is encoded once and kept.
"""

import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache

from markupsafe import escape

_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u0085]+")
_SUBJECT_CHARACTERS_MAX = 200
_KEPT_MAX = 256
_BASE64_LINE_BYTES = 57  # 76 characters


@dataclass(frozen=True)
class Letter:
    """What one mail says and to whom."""

    delivery_id: str
    to: str
    subject: str
    text: str
    html: str
    locale: str
    date: datetime
    unsubscribe_url: str = ""
    secret: bool = False
    """Whether nothing of it may stay in memory, as of a sign-in code."""


def message_id(delivery_id: str, domain: str) -> str:
    """Return the Message-ID of a delivery, the same for each copy of it."""
    return f"<{delivery_id}@{domain}>"


def build_message(letter: Letter, sender: str) -> bytes:
    """Write the message with CRLF line ends, not yet dot-stuffed.

    Header values cannot break out of their line: control characters become a space, and what is not ASCII is encoded.
    """
    written_sender, domain = _sender(sender)
    boundary = f"=_{letter.delivery_id.replace('-', '')}"  # "=_" cannot occur in either transfer encoding
    headers = [
        ("From", written_sender),
        ("To", _one_line(letter.to)),
        ("Subject", (_encoded if letter.secret else _encoded_once)(letter.subject[:_SUBJECT_CHARACTERS_MAX])),
        ("Date", format_datetime(letter.date)),
        ("Message-ID", message_id(letter.delivery_id, domain)),
        ("MIME-Version", "1.0"),
        ("Content-Language", letter.locale),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ]
    if letter.unsubscribe_url:
        headers.append(("List-Unsubscribe", f"<{_url(letter.unsubscribe_url)}>"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    headers.append(("Content-Type", f'multipart/alternative; boundary="{boundary}"'))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("ascii")
    mark = boundary.encode()
    return b"".join(
        (
            head,
            b"\r\n--",
            mark,
            b"\r\n",
            _part("text/plain", letter.text, letter.unsubscribe_url, keep=not letter.secret),
            b"--",
            mark,
            b"\r\n",
            _part("text/html", letter.html, str(escape(letter.unsubscribe_url)), keep=not letter.secret),
            b"--",
            mark,
            b"--\r\n",
        )
    )


def _part(content_type: str, text: str, link: str, *, keep: bool) -> bytes:
    """Encode one alternative; `link` is the reader's own, as it stands in the text."""
    pieces = text.split(link) if link else [text]
    bodies = [(_body_once if keep else _body)(piece) for piece in pieces]
    beyond_ascii = sum(map(len, bodies)) - sum(map(len, pieces))
    if beyond_ascii > len(text) // 10:  # much outside ASCII: base64 is the shorter one
        encoding, written = b"base64", _base64(bodies, link.encode(), keep=keep)
    else:
        encoding, written = b"quoted-printable", _quoted_printable(bodies, link.encode(), keep=keep)
    return b"".join(
        (
            b"Content-Type: ",
            content_type.encode(),
            b'; charset="utf-8"\r\nContent-Transfer-Encoding: ',
            encoding,
            b"\r\n\r\n",
            written if written.endswith(b"\r\n") else written + b"\r\n",
        )
    )


def _body(text: str) -> bytes:
    return _LINE_END.sub("\r\n", text).encode()


def _quoted_printable(bodies: list[bytes], link: bytes, *, keep: bool) -> bytes:
    quote = _quoted_once if keep else _quoted
    return _quoted(link).join([*map(quote, bodies[:-1]), b""]) + _qp(bodies[-1])


def _quoted(body: bytes) -> bytes:
    """Encode what something follows upon: it ends where a line does, by a soft break if need be."""
    # The last character may make a line full; with one more behind it there is always room for the mark of the soft break.
    written = _qp(body + b"x")[:-1]
    return written if not written or written.endswith(b"\r\n") else written + b"=\r\n"


def _qp(body: bytes) -> bytes:
    # Where the text has no line end to learn from, the standard library breaks lines with a bare LF.
    return binascii.b2a_qp(body, istext=True).replace(b"=\n", b"=\r\n")


def _base64(bodies: list[bytes], link: bytes, *, keep: bool) -> bytes:
    """Encode the whole; of what stands before the first link, all full lines are the same for everybody."""
    begin, *rest = bodies
    full = len(begin) // _BASE64_LINE_BYTES * _BASE64_LINE_BYTES
    lines = (_base64_lines_once if keep else _base64_lines)(begin[:full])
    return lines + _base64_lines(link.join([begin[full:], *rest]))


def _base64_lines(body: bytes) -> bytes:
    whole = binascii.b2a_base64(body, newline=False)
    return b"".join(whole[at : at + 76] + b"\r\n" for at in range(0, len(whole), 76))


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _encoded(text: str) -> str:
    line = _one_line(text)
    return line if line.isascii() else Header(line, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _url(url: str) -> str:
    return "".join(c for c in url if 33 <= ord(c) < 127 and c not in "<>")


@lru_cache(maxsize=4)
def _sender(sender: str) -> tuple[str, str]:
    """Return the From header's value and the sender's domain."""
    name, address = parseaddr(sender)
    return formataddr((_one_line(name), address)), address.rpartition("@")[2]


_body_once = lru_cache(_KEPT_MAX)(_body)
_quoted_once = lru_cache(_KEPT_MAX)(_quoted)
_base64_lines_once = lru_cache(_KEPT_MAX)(_base64_lines)
_encoded_once = lru_cache(_KEPT_MAX)(_encoded)
