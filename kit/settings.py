"""Settings, declared once and read once.

A service declares one frozen class on `ServiceSettings` with small nested groups; each field has a type, a default (or
none: required), and a description. `load()` reads the environment, and only a `__main__` calls it; tests build the class
from plain arguments. A variable that was retired stops the start with a sentence that says where it went.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from kit.duration import format_duration


class SettingsError(Exception):
    """The environment does not describe a runnable service; the text names each variable and what it wants."""


class Group(BaseModel):
    """A nested group of settings that one room receives whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServiceSettings(BaseSettings):
    """Base of a service's settings; the subclass gives `env_prefix` and may list `retired` variables."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="_", env_nested_max_split=1, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    retired: ClassVar[Mapping[str, str]] = {}
    """Variables no longer accepted: full name → the sentence that says what to do instead."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature, here and below
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let nothing but arguments in: the environment is read by `load` alone."""
        return (init_settings,)

    @classmethod
    def load(cls) -> Self:
        """Read the process environment.

        Raises SettingsError that lists every retired, missing or malformed variable by its full name. Values are not
        repeated in it, since they may be secrets.
        """
        prefix = str(cls.model_config.get("env_prefix", ""))
        lines = [f"{name}: {cls.retired[name]}" for name in cls.retired if name in os.environ]
        try:
            settings = None if lines else cls(**_with_groups(cls, EnvSettingsSource(cls)()))
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False, include_context=False):
                variable = "_".join(str(part) for part in problem["loc"]).upper()
                sentence = _sentence(problem["type"], problem["msg"])
                # A check across fields names its variables in its own words.
                lines.append(f"{prefix}{variable}: {sentence}" if variable else sentence)
        if lines or settings is None:
            raise SettingsError("\n".join(lines))
        return settings


def _with_groups(settings: type[ServiceSettings], given: dict[str, Any]) -> dict[str, Any]:
    """Name a required group even if none of its variables is set, so that each missing one is listed."""
    groups: dict[str, Any] = {
        name: {} for name, field in settings.model_fields.items() if _is_group(field.annotation)
    }
    required = {name: group for name, group in groups.items() if settings.model_fields[name].is_required()}
    return required | given


def _sentence(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required and not set"
    if kind == "extra_forbidden":
        return "is no variable of this service"
    return message.removeprefix("Value error, ")


@dataclass(frozen=True)
class Variable:
    """One row of a README's table of variables."""

    name: str
    default: str
    meaning: str


def variables(settings: type[ServiceSettings]) -> Iterator[Variable]:
    """List every variable of a settings class in declaration order, for its README and the test that compares it."""
    yield from _rows(settings.model_fields, str(settings.model_config.get("env_prefix", "")))


def _rows(fields: Mapping[str, FieldInfo], prefix: str) -> Iterator[Variable]:
    for name, field in fields.items():
        group = next((t for t in (field.annotation, *get_args(field.annotation)) if _is_group(t)), None)
        if group is not None:
            yield from _rows(group.model_fields, f"{prefix}{name.upper()}_")
        else:
            yield Variable(prefix + name.upper(), _default(field), field.description or "")


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Group)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None or value in {"", ()}:
        return "empty"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, SecretStr):
        return "secret"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _split(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""A tuple of strings, written with commas in the environment."""


def _listen_addr(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError("is no listen address; write host:port, or :port for every interface")
    return f"{host}:{int(port)}"


ListenAddr = Annotated[str, AfterValidator(_listen_addr)]
"""`host:port` to listen on; an empty host means every interface, port 0 any free port."""


def _service_tokens(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.strip().partition(":") for part in value.split(",") if part.strip()]
    if any(not caller or len(token) < 16 for caller, _, token in pairs):
        raise ValueError(
            "wants caller:token pairs with commas between them, each token of 16 characters or more"
        )
    return tuple((caller, SecretStr(token)) for caller, _, token in pairs)


ServiceTokens = Annotated[tuple[tuple[str, SecretStr], ...], NoDecode, BeforeValidator(_service_tokens)]
"""Who may call a service: `caller:token`, several a caller while a token is being rotated."""
