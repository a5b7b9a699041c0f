"""Checking JSON values against the small part of JSON Schema that the contract uses.

The dictionaries that /v1/info publishes are the ones that requests are checked with, so the two cannot drift apart.
"""

import math
from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidField

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def check(schema: Mapping[str, Any], value: Any, path: str) -> None:
    """Raise InvalidField with the path of the first part of the value that the schema does not allow."""
    kinds = schema.get("type")
    if kinds is not None and not any(
        _is_of(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    ):
        raise InvalidField(path, f"must be of type {kinds if isinstance(kinds, str) else ' or '.join(kinds)}")
    if "enum" in schema and value not in schema["enum"]:
        raise InvalidField(path, f"must be one of {', '.join(map(str, schema['enum']))}")
    match value:
        case str():
            _check_length(schema, len(value), path, "minLength", "maxLength")
        case list():
            _check_length(schema, len(value), path, "minItems", "maxItems")
            for index, item in enumerate(value):
                check(schema.get("items", {}), item, f"{path}[{index}]")
        case dict():
            _check_object(schema, value, path)
        case int() | float() if not isinstance(value, bool):
            # Comparisons of int and float are exact in Python, however large the number.
            if value < schema.get("minimum", -math.inf) or value > schema.get("maximum", math.inf):
                raise InvalidField(path, f"must lie in {schema.get('minimum')}..{schema.get('maximum')}")
        case _:
            pass


def _is_of(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _check_length(schema: Mapping[str, Any], length: int, path: str, least: str, most: str) -> None:
    if length < schema.get(least, 0):
        raise InvalidField(path, "is too short")
    if length > schema.get(most, math.inf):
        raise InvalidField(path, "is too long")


def _check_object(schema: Mapping[str, Any], value: Mapping[str, Any], path: str) -> None:
    prefix = f"{path}." if path else ""
    known = schema.get("properties", {})
    for name in value:
        if name in known:
            check(known[name], value[name], f"{prefix}{name}")
        elif schema.get("additionalProperties", True) is False:
            raise InvalidField(f"{prefix}{str(name)[:100]}", "is unknown")
    for name in schema.get("required", ()):
        if name not in value:
            raise InvalidField(f"{prefix}{name}", "is missing")
