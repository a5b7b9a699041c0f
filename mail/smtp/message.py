"""The bytes of a mail: multipart/alternative with text and HTML.

Built by hand, since the standard library's way takes several times longer than the send itself. A message is a pure function
of its delivery, so a repeated mail is the same mail: same Message-ID, same date, same bytes.
"""

import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr

_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u0085]+")
_SUBJECT_CHARACTERS_MAX = 200


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


def message_id(delivery_id: str, domain: str) -> str:
    """Return the Message-ID of a delivery, the same for each copy of it."""
    return f"<{delivery_id}@{domain}>"


def build_message(letter: Letter, sender: str) -> bytes:
    """Write the message with CRLF line ends, not yet dot-stuffed.

    Header values cannot break out of their line: control characters become a space, and what is not ASCII is encoded.
    """
    name, address = parseaddr(sender)
    boundary = f"=_{letter.delivery_id.replace('-', '')}"  # "=_" cannot occur in either transfer encoding
    headers = [
        ("From", formataddr((_one_line(name), address))),
        ("To", _one_line(letter.to)),
        ("Subject", _encoded(letter.subject[:_SUBJECT_CHARACTERS_MAX])),
        ("Date", format_datetime(letter.date)),
        ("Message-ID", message_id(letter.delivery_id, address.rpartition("@")[2])),
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
            _part("text/plain", letter.text),
            b"--",
            mark,
            b"\r\n",
            _part("text/html", letter.html),
            b"--",
            mark,
            b"--\r\n",
        )
    )


def _part(content_type: str, text: str) -> bytes:
    body = _LINE_END.sub("\r\n", text).encode()
    if len(body) - len(text) > len(text) // 10:  # much outside ASCII: base64 is the shorter one
        encoding, written = b"base64", _base64(body)
    else:
        encoding, written = b"quoted-printable", binascii.b2a_qp(body, istext=True)
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


def _base64(body: bytes) -> bytes:
    whole = binascii.b2a_base64(body, newline=False)
    return b"\r\n".join(whole[at : at + 76] for at in range(0, len(whole), 76))


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()


def _encoded(text: str) -> str:
    line = _one_line(text)
    return line if line.isascii() else Header(line, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _url(url: str) -> str:
    return "".join(c for c in url if 33 <= ord(c) < 127 and c not in "<>")
