"""What templates need of a language: plural forms, instants in words, and names that cannot pose as links."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DIRECTION = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f{_DIRECTION}]+")
_CONTROL_BUT_LINES = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DIRECTION}]+")
# Mail programs may write a host in its compatible form (NFKC) before they look for links; IDNA knows four full stops.
_POINTS = r".\u2024-\u2026\u2488-\u249b\u3002\u33c2\u33c7\u33d8\ufe12\ufe19\ufe30\ufe52\uff0e\uff61\U0001f100"
_COLONS = r":\u2a74\ufe13\ufe55\uff1a"
_ATS = r"@\ufe6b\uff20"
_LINKISH = re.compile(rf"(?<=\S)[{_POINTS}{_COLONS}{_ATS}](?=\S)")
_WORD_JOINER = "\u2060"

_WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "ru": ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"),
}
_MONTHS = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "ru": (
        *("января", "февраля", "марта", "апреля", "мая", "июня"),
        *("июля", "августа", "сентября", "октября", "ноября", "декабря"),
    ),
}


def one_line(text: str) -> str:
    """Return the text on one line, without control characters."""
    return _CONTROL.sub(" ", text).strip()


def no_link(name: str) -> str:
    """Return a name so that no mail program turns it into a link.

    People choose these names, and a mail in our name must not carry their advertisements: an invisible word joiner goes
    between the parts of anything that looks like a host, an address or a scheme.
    """
    return _LINKISH.sub(lambda m: m[0] + _WORD_JOINER, name)


def lines(text: str) -> str:
    """Return several lines without control characters."""
    return _CONTROL_BUT_LINES.sub(" ", text.replace("\r\n", "\n")).strip()


def plural(count: int, locale: str, *forms: str) -> str:
    """Choose the form of a word for `count`: (one, many) in English, (one, few, many) in Russian."""
    if locale != "ru":
        return forms[0] if count == 1 else forms[-1]
    tens, ones = abs(count) % 100, abs(count) % 10
    if ones == 1 and tens != 11:
        return forms[0]
    return forms[1] if ones in {2, 3, 4} and tens not in {12, 13, 14} else forms[2]


def in_words(instant: str, locale: str, time_zone: str | None) -> str:
    """Write an RFC 3339 instant in the reader's language and time zone; an unknown zone falls back to UTC."""
    zone = _zone(time_zone)
    moment = datetime.fromisoformat(instant).astimezone(zone or UTC)
    weekday, month = _WEEKDAYS[locale][moment.weekday()], _MONTHS[locale][moment.month - 1]
    name = str(zone) if zone is not None else "UTC"
    return f"{weekday}, {moment.day} {month} {moment.year}, {moment:%H:%M} ({name})"


def _zone(name: str | None) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
