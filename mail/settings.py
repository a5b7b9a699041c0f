"""The mail service's settings: declared here, read once by `__main__`."""

from datetime import timedelta
from email.utils import parseaddr
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from kit.addresses import is_bare_address
from kit.duration import Duration
from kit.outbox import LaneSettings
from kit.redis_pool import RedisSettings, retired_redis_variables
from kit.sealing import SealRing
from kit.settings import ListenAddr, ServiceSettings, ServiceTokens
from kit.telemetry import OtelSettings
from mail.smtp.model import LaneTimeouts, Relay, TlsMode

_LEASE_MARGIN = timedelta(seconds=5)
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _sender(value: str) -> str:
    if not is_bare_address(parseaddr(value)[1]) or any(ord(c) < 32 for c in value):
        raise ValueError("is no sender; write address@domain or Name <address@domain>")
    return value


def _seal_keys(value: SecretStr) -> SecretStr:
    SealRing.from_text(value.get_secret_value())
    return value


class Settings(ServiceSettings):
    """Everything the process is told from outside."""

    model_config = SettingsConfigDict(env_prefix="MAIL_")
    retired = retired_redis_variables("MAIL_")

    internal_http_addr: ListenAddr = Field(":8093", description="listener of the probes and the operator API")
    postgres_primary_dsn: SecretStr = Field(description="PostgreSQL primary that holds the schema `mail`")
    redis: RedisSettings
    service_tokens: ServiceTokens = Field(
        (), description="who may call the operator API: caller:token, with commas between"
    )
    seal_keys: Annotated[SecretStr, AfterValidator(_seal_keys)] = Field(
        description="keys that open sealed variables (base64, newest first), the same as the backend's"
    )
    delivery_commands_stream: str = Field("mail:delivery_commands", description="stream of delivery commands")

    smtp_host: str = Field(description="host of the SMTP relay")
    smtp_port: int = Field(587, ge=1, le=65535, description="port of the SMTP relay")
    smtp_from: Annotated[str, AfterValidator(_sender)] = Field(
        description="sender of every mail: address@domain or Name <address@domain>"
    )
    smtp_tls_mode: TlsMode = Field(TlsMode.STARTTLS, description="none, starttls or tls")
    smtp_ca_path: str = Field("", description="extra certificate authority of the relay (PEM file)")
    smtp_username: str = Field("", description="user name at the relay; empty: no login")
    smtp_password: SecretStr = Field(SecretStr(""), description="password at the relay")
    smtp_connections: int = Field(
        16, ge=1, le=200, description="connections kept for ordinary mail, at most so many in flight"
    )
    smtp_timeout: Duration = Field(
        timedelta(minutes=2), description="ordinary mail: longest time from connecting to the last byte sent"
    )
    smtp_final_timeout: Duration = Field(
        timedelta(minutes=10), description="ordinary mail: longest wait for the answer after the final dot"
    )

    worker_interval: Duration = Field(
        timedelta(seconds=2), description="longest wait between two looks for due deliveries"
    )
    max_attempts: int = Field(
        8, ge=1, description="attempts before an ordinary delivery becomes a dead letter"
    )
    workers: int = Field(
        4, ge=1, le=32, description="workers of the ordinary lane, which share its connections"
    )
    batch: int = Field(25, ge=1, le=1000, description="ordinary deliveries claimed at once by one worker")
    lease: Duration = Field(
        timedelta(minutes=15), description="ordinary mail: how long a claim lasts without being completed"
    )
    unknown_wait: Duration = Field(
        timedelta(minutes=10), description="ordinary mail: wait before an unknown outcome is tried again"
    )

    code_connections: int = Field(4, ge=1, le=50, description="connections kept for sign-in codes alone")
    code_smtp_timeout: Duration = Field(
        timedelta(seconds=20), description="sign-in codes: longest time from connecting to the last byte sent"
    )
    code_smtp_final_timeout: Duration = Field(
        timedelta(seconds=30), description="sign-in codes: longest wait for the answer after the final dot"
    )
    code_lease: Duration = Field(
        timedelta(seconds=90), description="sign-in codes: how long a claim lasts without being completed"
    )
    code_unknown_wait: Duration = Field(
        timedelta(seconds=30), description="sign-in codes: wait before an unknown outcome is tried again"
    )

    delivery_retention: Duration = Field(
        timedelta(days=90), description="finished deliveries older than this are removed"
    )
    malformed_command_retention: Duration = Field(
        timedelta(days=30), description="malformed commands older than this are removed"
    )
    cleanup_interval: Duration = Field(
        timedelta(minutes=10), description="longest wait between two passes of the clean-up"
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
                "MAIL_OTEL_METRICS_EXPORTER: this service serves no /metrics; use otlp, stdout or none"
            )
        return self

    @model_validator(mode="after")
    def _lease_outlasts_a_send(self) -> Self:
        for prefix, lease, timeouts in (
            ("MAIL_", self.lease, self.ordinary_timeouts),
            ("MAIL_CODE_", self.code_lease, self.code_timeouts),
        ):
            if lease <= timeouts.send_deadline + _LEASE_MARGIN:
                raise ValueError(
                    f"{prefix}LEASE must exceed {prefix}SMTP_TIMEOUT + {prefix}SMTP_FINAL_TIMEOUT by more than 5s"
                )
        return self

    @model_validator(mode="after")
    def _no_password_in_clear(self) -> Self:
        if self.smtp_username and self.smtp_tls_mode is TlsMode.NONE and self.smtp_host not in _LOOPBACK:
            raise ValueError(
                "MAIL_SMTP_USERNAME with MAIL_SMTP_TLS_MODE=none would send the password in clear"
            )
        return self

    @property
    def relay(self) -> Relay:
        """Return how to reach the relay."""
        return Relay(
            self.smtp_host,
            self.smtp_port,
            self.smtp_from,
            self.smtp_tls_mode,
            self.smtp_ca_path,
            self.smtp_username,
            self.smtp_password.get_secret_value(),
        )

    @property
    def ordinary_timeouts(self) -> LaneTimeouts:
        """Return the time limits of one ordinary send."""
        return LaneTimeouts(self.smtp_timeout, self.smtp_final_timeout, self.unknown_wait)

    @property
    def code_timeouts(self) -> LaneTimeouts:
        """Return the time limits of sending one sign-in code."""
        return LaneTimeouts(self.code_smtp_timeout, self.code_smtp_final_timeout, self.code_unknown_wait)

    @property
    def ordinary_lane(self) -> LaneSettings:
        """Return pace and limits of one ordinary worker."""
        return LaneSettings(
            worker_interval=self.worker_interval,
            max_attempts=self.max_attempts,
            batch=self.batch,
            lease=self.lease,
        )

    @property
    def code_lane(self) -> LaneSettings:
        """Return pace and limits of the code worker; not the number of attempts but the code's life ends its ladder."""
        return LaneSettings(
            worker_interval=min(self.worker_interval, timedelta(seconds=1)),
            max_attempts=1000,
            batch=self.code_connections * 2,
            lease=self.code_lease,
        )
