"""Reading orders, text or JSON, into typed values (rules, 20.1). Both forms end in the same values and codes."""

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from engine.rules.errors import Refusal
from engine.rules.names import written
from engine.rules.orders.catalogue import (
    BY_LETTER,
    BY_OP,
    LATER,
    MAIL_ERA,
    Code,
    Kind,
    Param,
    Spec,
    in_text,
)
from engine.rules.orders.model import MailEra, Order

ORDERS_MAX = 10_000
MESSAGE_LENGTH_MAX = 10_000
_NUMBER_LENGTH_MAX = 40
_TOKEN = re.compile(r'"([^"]*)"|([^\s,"]+)')
_INTEGER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Line:
    """One order as received: its line (or list position, from 1), its text, and the order or why it cannot be read."""

    number: int
    text: str
    order: Order | None
    refusal: Refusal | None = None
    warning: tuple[str, str] | None = None


def read_text(text: str) -> tuple[Line, ...]:
    """Read the text form; empty lines and comments yield nothing."""
    lines: list[Line] = []
    rows = text.splitlines()
    at = 0
    while at < len(rows):
        number, row = at + 1, rows[at]
        at += 1
        tokens = _tokens(row.split(";", 1)[0])
        if not tokens:
            continue
        if len(lines) >= ORDERS_MAX:
            lines.append(_too_many(number))
            break
        if tokens[0].startswith("@"):
            end = next((i for i in range(at, len(rows)) if rows[i].strip() == "@"), None)
            body = rows[at:end]
            lines.append(_message(number, row, tokens, body, terminated=end is not None))
            at = len(rows) if end is None else end + 1
            continue
        lines.append(_line(number, row.strip(), partial(_from_tokens, tokens)))
    return tuple(lines)


def read_json(orders: Sequence[Any]) -> tuple[Line, ...]:
    """Read the JSON form, a list of objects with `op`."""
    lines: list[Line] = []
    for number, raw in enumerate(orders, start=1):
        if number > ORDERS_MAX:
            lines.append(_too_many(number))
            break
        line = _line(number, "", partial(_from_object, raw))
        lines.append(line if line.order is not None else replace(line, text=_shown(raw)))
    return tuple(lines)


def _line(number: int, text: str, read: Callable[[], Order]) -> Line:
    try:
        order = read()
        return Line(number, text or in_text(order), order)
    except Refusal as refusal:
        return Line(number, text, None, refusal)


def _too_many(number: int) -> Line:
    refusal = Refusal(Code.LIMIT, f"Only the first {ORDERS_MAX} orders are taken; the rest has no effect.")
    return Line(number, "", None, refusal)


def _tokens(row: str) -> list[str]:
    words = (written(quoted) if quoted else bare for quoted, bare in _TOKEN.findall(row))
    return [word for word in words if word]


# -- text


def _from_tokens(tokens: list[str]) -> Order:
    verb, rest = tokens[0], tokens[1:]
    spec = _spec_of(verb)
    if spec is None:
        return MailEra()
    if spec.op == "design" and rest and rest[0].upper() == "FLEET":
        raise _unsupported("fleets")
    if spec.op == "break" and len(rest) > 1 and rest[1].upper() == "FLEET":
        raise _unsupported("fleets")
    if spec.op == "option":
        off = len(rest) == 2 and rest[0].upper() == "NO"
        if len(rest) != 1 and not off:
            raise _syntax("O takes [NO] and the name of an option.")
        return spec.make(name=rest[-1], on=not off)
    return spec.make(**_positional(spec, rest))


def _spec_of(verb: str) -> Spec | None:
    """Return the entry for a verb, a letter or a whole word; None for orders of the mail era.

    A longer word is never cut down to its letter: a typing slip must not become another order.
    """
    letter, word = verb.upper(), verb.lower()
    if letter in LATER:
        raise _unsupported(LATER[letter])
    if letter in MAIL_ERA:
        return None
    if letter in BY_LETTER:
        return BY_LETTER[letter]
    if word in LATER.values():
        raise _unsupported(word)
    if word in BY_OP:
        return BY_OP[word]
    raise _unknown(verb)


def _positional(spec: Spec, words: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    words = list(words)
    for param in spec.params:
        if param.keyword and len(words) >= 2 and words[-2].upper() == param.keyword:
            values[param.name] = _word_value(param, words[-1])
            del words[-2:]
    for param in spec.params:
        if param.keyword:
            continue
        if words:
            values[param.name] = _word_value(param, words.pop(0))
        elif not param.optional:
            raise _syntax(f"{param.name} is missing: {param.meaning}.")
    if words:
        raise _syntax(f'Too many words, from "{words[0][:20]}" on; a remark begins with a semicolon.')
    return values


def _word_value(param: Param, word: str) -> Any:
    if param.kind is Kind.WORD:
        return word
    if param.kind is Kind.GROUP and word.upper() == "MAX":
        return "MAX"
    if len(word) <= _NUMBER_LENGTH_MAX:
        if param.kind is Kind.NUMBER:
            return _finite(param, word)
        if _INTEGER.fullmatch(word):
            return _integer(param, int(word))
    raise _syntax(f"{param.name} is not what it should be: {param.meaning}.")


def _message(number: int, row: str, tokens: list[str], body: list[str], *, terminated: bool) -> Line:
    attached = [tokens[0][1:]] if len(tokens[0]) > 1 else []
    text = "\n".join(body)
    if len(text) > MESSAGE_LENGTH_MAX:
        refusal = Refusal(Code.LIMIT, f"A message holds at most {MESSAGE_LENGTH_MAX} characters.")
        return Line(number, row.strip(), None, refusal)
    order = BY_OP["message"].make(races=tuple(attached + tokens[1:]), text=text)
    warning = (
        None
        if terminated
        else ("W_UNTERMINATED", "The message is not ended by @ and takes all that follows.")
    )
    return Line(number, row.strip(), order, warning=warning)


# -- JSON


def _from_object(raw: Any) -> Order:
    if not isinstance(raw, Mapping):
        raise _syntax("An order is an object with op.")
    op = raw.get("op")
    if not isinstance(op, str):
        raise _syntax("op is missing: the name of the order.")
    if op in LATER.values():
        raise _unsupported(op)
    if op not in BY_OP:
        raise _unknown(op)
    spec = BY_OP[op]
    known = {param.name for param in spec.params}
    for name in raw:
        if name != "op" and name not in known:
            raise _syntax(f"{str(name)[:40]} is no part of {op}.")
    values: dict[str, Any] = {}
    for param in spec.params:
        if raw.get(param.name) is not None:
            values[param.name] = _json_value(param, raw[param.name])
        elif param.kind is Kind.WORDS:
            values[param.name] = ()
        elif not param.optional:
            raise _syntax(f"{param.name} is missing: {param.meaning}.")
    return spec.make(**values)


def _json_value(param: Param, value: Any) -> Any:  # noqa: PLR0911 - one arm a kind
    match param.kind:
        case Kind.WORD if isinstance(value, str) and value.strip():
            return written(value)
        case Kind.GROUP if value == "MAX":
            return "MAX"
        case Kind.GROUP | Kind.COUNT if isinstance(value, int) and not isinstance(value, bool):
            return _integer(param, value)
        case Kind.NUMBER if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _finite(param, value)
        case Kind.SWITCH if isinstance(value, bool):
            return value
        case Kind.WORDS if isinstance(value, list) and all(
            isinstance(item, str) and item.strip() for item in value
        ):
            return tuple(written(item) for item in value)
        case Kind.TEXT if isinstance(value, str):
            if len(value) > MESSAGE_LENGTH_MAX:
                raise Refusal(Code.LIMIT, f"A message holds at most {MESSAGE_LENGTH_MAX} characters.")
            return "\n".join(value.splitlines())
    raise _syntax(f"{param.name} is not what it should be: {param.meaning}.")


def _shown(raw: Any) -> str:
    """Return a JSON order that cannot be read on one line for the report."""
    if not isinstance(raw, Mapping):
        return _scalar(raw)
    parts = (f"{name}={_scalar(value)}" for name, value in raw.items() if name != "op")
    return " ".join((_scalar(raw.get("op", "?")), *parts))[:200]


def _scalar(value: Any) -> str:
    # Containers are not spelled out: a hostile nesting would overrun the stack.
    return "..." if isinstance(value, (list, dict)) else " ".join(str(value)[:200].split())


# -- both


def _integer(param: Param, value: int) -> int:
    if param.kind is Kind.GROUP and value < 1:
        raise _syntax(f"{param.name} is not what it should be: {param.meaning}.")
    if abs(value) > 10**15:
        raise _syntax(f"{param.name} is out of all bounds.")
    return value


def _finite(param: Param, value: Any) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise _syntax(f"{param.name} is not a number.") from error
    if not math.isfinite(number) or abs(number) > 1e15:
        raise _syntax(f"{param.name} is out of all bounds.")
    return number


def _syntax(message: str) -> Refusal:
    return Refusal(Code.SYNTAX, message)


def _unknown(verb: str) -> Refusal:
    shown = verb[:20]
    near = difflib.get_close_matches(shown.lower(), [*BY_OP, *LATER.values()], n=1)
    if not near:
        return Refusal(Code.UNKNOWN, f"There is no order {shown}; an order is a letter or a whole word.")
    letter = BY_OP[near[0]].letter if near[0] in BY_OP else ""
    return Refusal(
        Code.UNKNOWN, f"There is no order {shown}; did you mean {near[0]}{f' ({letter})' if letter else ''}?"
    )


def _unsupported(what: str) -> Refusal:
    return Refusal(Code.UNSUPPORTED, f"This engine version has no rules for {what}.")
