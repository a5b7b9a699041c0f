"""The notification service's settings: declared here, read once by `__main__`."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from kit.addresses import normalise_address
from kit.duration import Duration
from kit.outbox import LaneSettings
from kit.redis_pool import RedisSettings, retired_redis_variables
from kit.settings import CommaList, Group, ListenAddr, ServiceSettings
from kit.telemetry import OtelSettings


def _bare_addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    addresses = [normalise_address(text) for text in value]
    if None in addresses:
        raise ValueError("wants bare addresses with commas between them, without display names")
    return tuple(dict.fromkeys(address for address in addresses if address is not None))


Addresses = Annotated[CommaList, AfterValidator(_bare_addresses)]


def _web_base(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("is no web address; write https://host")
    return value.rstrip("/")


WebBase = Annotated[str, AfterValidator(_web_base)]


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 16:
        raise ValueError("wants 16 characters or more")
    return value


class AdminSettings(Group):
    """Who hears of alerts; a type's own list replaces the common one."""

    email: Addresses = Field(
        (), description="operators' addresses for all admin types; empty: routes are skipped"
    )
    email_runtime_image_pull_failed: Addresses = Field(
        (), description="instead of the common list, for `runtime.image_pull_failed`"
    )
    email_runtime_container_start_failed: Addresses = Field(
        (), description="instead of the common list, for `runtime.container_start_failed`"
    )
    email_runtime_start_config_invalid: Addresses = Field(
        (), description="instead of the common list, for `runtime.start_config_invalid`"
    )
    email_runtime_turn_failed: Addresses = Field(
        (), description="instead of the common list, for `runtime.turn_failed`"
    )

    def addresses_for(self, notification_type: str) -> tuple[str, ...]:
        """Return who hears of a type; may be empty."""
        own: tuple[str, ...] = getattr(self, f"email_{notification_type.replace('.', '_')}", ())
        return own or self.email


class RouteSettings(LaneSettings):
    """Pace and limits of each publisher."""

    worker_interval: Duration = Field(
        timedelta(seconds=5), description="longest wait between two looks for due routes"
    )
    max_attempts: int = Field(8, ge=1, description="attempts before a route becomes a dead letter")


class Settings(ServiceSettings):
    """Everything the process is told from outside."""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATION_")
    retired = retired_redis_variables("NOTIFICATION_")

    internal_http_addr: ListenAddr = Field(":8092", description="listener of the probes")
    postgres_primary_dsn: SecretStr = Field(
        description="PostgreSQL primary that holds the schema `notification`"
    )
    redis: RedisSettings
    user_service_base_url: WebBase = Field(description="base URL of the backend, which knows the users")
    backend_token: SecretStr = Field(description="service token for calls to the backend")
    user_service_timeout: Duration = Field(
        timedelta(seconds=5), description="longest wait for one answer of the backend"
    )
    public_base_url: WebBase = Field(description="address under which players reach the platform, for links")
    address_hash_key: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(
        description="key of the address hashes in route ids; never to be changed"
    )
    admin: AdminSettings = AdminSettings()

    intents_stream: str = Field("notification:intents", description="stream of intents")
    gateway_client_events_stream: str = Field(
        "gateway:client-events", description="stream that the gateways read"
    )
    mail_delivery_commands_stream: str = Field(
        "mail:delivery_commands", description="stream that the mail service reads"
    )
    client_events_length_max: int = Field(
        100_000, ge=1000, description="client events kept at most, about; older ones are trimmed"
    )
    client_events_retention: Duration = Field(
        timedelta(hours=1), description="client events older than this are trimmed"
    )

    route: RouteSettings = RouteSettings()
    record_retention: Duration = Field(
        timedelta(days=90), description="records older than this are removed once all their routes have ended"
    )
    malformed_intent_retention: Duration = Field(
        timedelta(days=30), description="malformed intents and conflicts older than this are removed"
    )
    cleanup_interval: Duration = Field(
        timedelta(hours=1), description="wait between two passes of the clean-up"
    )

    shutdown_timeout: Duration = Field(
        timedelta(seconds=20), description="budget of each component while stopping"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    otel: OtelSettings = OtelSettings()

    @model_validator(mode="after")
    def _exporters_only(self) -> Self:
        if self.otel.metrics_exporter == "prometheus" or self.otel.prometheus_listen_addr:
            raise ValueError(
                "NOTIFICATION_OTEL_METRICS_EXPORTER: this service serves no /metrics; use otlp, stdout or none"
            )
        return self
