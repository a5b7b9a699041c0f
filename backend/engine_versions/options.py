"""Judging a game's options by what an engine of its version has declared."""

from collections.abc import Mapping
from typing import Any

import jsonschema
import orjson
from jsonschema.exceptions import SchemaError, ValidationError

_SCHEMA_BYTES_MAX = 64 * 1024
_SAID_MAX = 200
# References lead out of the schema, to wherever they say; a pattern can take for ever over what players write; NUL is
# what Postgres does not keep.
_UNUSABLE = (b'"$ref"', b'"$dynamicRef"', b'"pattern"', b'"patternProperties"', b"\\u0000")


def is_usable(schema: Any) -> bool:
    """Tell whether what an engine gives as its options' schema is one that we can keep and judge by."""
    if not isinstance(schema, dict):
        return False
    try:
        text = orjson.dumps(schema)
        jsonschema.Draft202012Validator.check_schema(schema)
    except (TypeError, SchemaError):
        return False
    return len(text) <= _SCHEMA_BYTES_MAX and not any(word in text for word in _UNUSABLE)


def find_fault(schema: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first option that the schema does not allow and what it says of it, or None where all fit.

    The option is named as `home_sizes.2`; empty where it is about all of them.
    """
    validator = jsonschema.Draft202012Validator(dict(schema))
    found = min(validator.iter_errors(options), key=_place, default=None)
    return None if found is None else (_place(found)[:_SAID_MAX], found.message[:_SAID_MAX])


def _place(error: ValidationError) -> str:
    parts = [str(part) for part in error.absolute_path]
    instance, schema = error.instance, error.schema
    if (
        error.validator == "additionalProperties"
        and isinstance(instance, dict)
        and isinstance(schema, Mapping)
    ):
        parts += sorted(set(instance) - set(schema.get("properties", ())))[:1]
    return ".".join(parts)
