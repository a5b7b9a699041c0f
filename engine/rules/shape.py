"""Whether a value read from outside has the types that its dataclass promises."""

import types
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

_LARGEST = 1e15
"""No number of a game comes near; products of such numbers stay finite. NaN and infinity do not pass either."""


def fits(kind: Any, value: Any) -> bool:
    """Return whether the value is of the annotated type, all the way down, and no number out of all bounds."""
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return any(fits(each, value) for each in get_args(kind))
    if origin is tuple:
        return isinstance(value, tuple) and _items_fit(get_args(kind), value)
    if is_dataclass(kind):
        hints = _hints(cast("type", kind))
        return type(value) is kind and all(
            fits(hints[field.name], getattr(value, field.name)) for field in fields(kind)
        )
    if kind is float:
        return isinstance(value, float) and abs(value) <= _LARGEST
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST
    return value is None if kind is types.NoneType else isinstance(value, kind)


def _items_fit(kinds: tuple[Any, ...], items: tuple[Any, ...]) -> bool:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return all(fits(kinds[0], item) for item in items)
    return len(kinds) == len(items) and all(fits(kind, item) for kind, item in zip(kinds, items, strict=True))


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return get_type_hints(kind)
