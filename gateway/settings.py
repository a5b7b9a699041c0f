"""Every variable of the gateway, declared once."""

import ipaddress
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, TypeAdapter, model_validator
from pydantic_settings import SettingsConfigDict

from kit.duration import Duration
from kit.redis_pool import RedisSettings, retired_redis_variables
from kit.settings import CommaList, Group, ListenAddr, ServiceSettings
from kit.telemetry import MetricsExporter, OtelSettings, TracesExporter


def _optional_listen_addr(value: str) -> str:
    return TypeAdapter(ListenAddr).validate_python(value) if value else value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    try:
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
    if value and not (parts.scheme in {"http", "https"} and parts.hostname and port_is_fine):
        raise ValueError("is no HTTP address; write http://host:port, or leave it empty for no backend")
    if parts.query or parts.fragment:
        raise ValueError("must not carry a query or a fragment")
    return value


def _grpc_target(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if value and not (colon and host and "/" not in host and port.isdecimal() and 0 < int(port) <= 65535):
        raise ValueError("is no gRPC address; write host:port, or leave it empty for no subscription")
    return value


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ValueError(f"{network!r} is no address or network") from error
    return value


class BackendSettings(Group):
    """The backend: where commands, sign-in calls and session lookups go, and where signals come from."""

    http_url: Annotated[str, AfterValidator(_http_url)] = Field(
        "",
        description="base address of the backend's HTTP listener; empty: no backend (sign-in 503, edge UNAVAILABLE)",
    )
    grpc_push_url: Annotated[str, AfterValidator(_grpc_target)] = Field(
        "", description="host:port of the backend's gRPC push listener; empty: no subscription"
    )
    gateway_client_id: str = Field(
        "",
        description="name of this process among the backend's push subscribers; required with a push address",
    )
    token: SecretStr = Field(
        SecretStr(""), description="service token shown to the backend; required with either address"
    )
    timeout: Duration = Field(timedelta(seconds=10), description="longest wait for one answer of the backend")
    connections: int = Field(128, ge=1, description="most connections at once for players' commands")
    lookup_connections: int = Field(
        64, ge=1, description="most connections at once for session lookups, which slow commands cannot take"
    )
    public_connections: int = Field(
        32, ge=1, description="most connections at once for sign-in and the links of mails"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.http_url or self.grpc_push_url) and not self.token.get_secret_value():
            raise ValueError("GATEWAY_BACKEND_TOKEN is required with a backend address")
        if self.grpc_push_url and not self.gateway_client_id:
            raise ValueError("GATEWAY_BACKEND_GATEWAY_CLIENT_ID is required with a push address")
        return self


class ResponseSettings(Group):
    """Keys under which responses and events are signed."""

    signer_private_key_pem_path: str = Field(
        description="PKCS#8 PEM file with the Ed25519 key that signs responses and events"
    )
    signer_previous_public_keys_path: str = Field(
        "", description="PEM file with public keys that signed before and stay published; empty: none"
    )


class EdgeSettings(Group):
    """What carries the authenticated edge and how patient it is."""

    server: Literal["httpunk", "zttp"] = Field(
        "httpunk", description="HTTP engine of the edge: httpunk or zttp"
    )
    first_request_timeout: Duration = Field(
        timedelta(seconds=10), description="a new connection that has sent no request by then is closed"
    )
    header_timeout: Duration = Field(
        timedelta(seconds=15), description="longest wait for a whole HTTP/1.1 head"
    )
    body_timeout: Duration = Field(timedelta(seconds=15), description="longest wait for a whole request body")
    idle_timeout: Duration = Field(
        timedelta(minutes=5), description="a connection without a request in flight is closed after this"
    )
    send_timeout: Duration = Field(
        timedelta(seconds=30), description="a stream whose client takes no byte for so long is reset"
    )


class LimitSettings(Group):
    """How much one address, one session and the whole may ask for."""

    connections_max: int = Field(8192, ge=1, description="open connections of each port altogether")
    address_connections_max: int = Field(
        256, ge=1, description="open connections of one address (of IPv6, one /64) to each port"
    )
    address_rate: float = Field(500.0, gt=0, description="requests a second of one address, sustained")
    address_burst: int = Field(1000, ge=1, description="requests of one address at once")
    session_rate: float = Field(
        50.0,
        gt=0,
        description="commands a second of one device session, sustained; each started 64 KiB of a payload counts as one",
    )
    session_burst: int = Field(
        100, ge=1, description="commands of one device session at once, large ones counted likewise"
    )
    user_rate: float = Field(
        100.0,
        gt=0,
        description="commands a second of one user's sessions together, sustained; each started 64 KiB counts as one",
    )
    user_burst: int = Field(
        200, ge=1, description="commands of one user's sessions at once, large ones counted likewise"
    )
    session_in_flight_max: int = Field(
        8, ge=1, description="commands of one device session that wait for their answer"
    )
    user_in_flight_max: int = Field(
        16, ge=1, description="commands of one user's sessions that wait for their answer"
    )
    session_streams_max: int = Field(8, ge=1, description="open event streams of one device session")
    public_rate: float = Field(20.0, gt=0, description="public HTTP calls a second of one address, sustained")
    public_burst: int = Field(60, ge=1, description="public HTTP calls of one address at once")
    public_body_bytes_max: int = Field(16 * 1024, ge=1, description="largest body of a public HTTP call")
    command_bytes_max: int = Field(256 * 1024, ge=1, description="largest payload of a command")
    orders_bytes_max: int = Field(1024 * 1024, ge=1, description="largest payload of a command with orders")


class PushSettings(Group):
    """Event streams and their history."""

    queue_events_max: int = Field(256, ge=1, description="events waiting for one stream")
    queue_bytes_max: int = Field(1024 * 1024, ge=1, description="bytes of events waiting for one stream")
    history_events_max: int = Field(300, ge=1, description="events kept for one user, for resumes")
    history_retention: Duration = Field(
        timedelta(minutes=5), description="how long events are kept for resumes"
    )
    history_bytes_max: int = Field(
        64 * 1024 * 1024, ge=1, description="bytes of history of all users together"
    )
    heartbeat_interval: Duration = Field(
        timedelta(seconds=25), description="time between heartbeats of a stream"
    )
    event_bytes_max: int = Field(
        64 * 1024, ge=1, description="largest payload of one event; larger ones are dropped"
    )
    relookup_concurrency: int = Field(
        16, ge=1, description="sessions looked up at once after a gap of the subscription"
    )


class ExportSettings(Group):
    """Where traces and metrics go; /metrics itself stands on the admin listener alone."""

    traces_exporter: TracesExporter = Field("otlp", description="traces: otlp, none or stdout")
    metrics_exporter: MetricsExporter = Field("otlp", description="metrics: otlp, none, stdout or prometheus")

    def for_telemetry(self) -> OtelSettings:
        """Return what kit.telemetry takes."""
        return OtelSettings(traces_exporter=self.traces_exporter, metrics_exporter=self.metrics_exporter)


class Settings(ServiceSettings):
    """The gateway's settings, prefix GATEWAY_."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")
    retired = retired_redis_variables("GATEWAY_")

    public_http_addr: ListenAddr = Field(":8080", description="public HTTP: sign-in, keys, probes")
    authenticated_grpc_addr: ListenAddr = Field(
        ":9090", description="authenticated edge: Connect, gRPC and gRPC-Web"
    )
    admin_http_addr: Annotated[str, AfterValidator(_optional_listen_addr)] = Field(
        "", description="admin HTTP with /metrics; empty: off"
    )
    backend: BackendSettings = BackendSettings()
    response: ResponseSettings
    redis: RedisSettings
    client_events_redis_stream: str = Field(
        "gateway:client-events", description="Redis stream of notifications for players; empty: not read"
    )
    session_events_redis_stream: str = Field(
        "", description="Redis stream of session snapshots, a second source of revocations; empty: not read"
    )
    freshness_window: Duration = Field(
        timedelta(seconds=60),
        gt=timedelta(0),
        le=timedelta(seconds=300),
        description="how far a request's clock may be off, either way; at most 5m",
    )
    trusted_proxies: Annotated[CommaList, AfterValidator(_networks)] = Field(
        (), description="addresses and networks of proxies whose X-Forwarded-For is believed"
    )
    cors_origins: CommaList = Field((), description="origins of web clients that may call from a browser")
    session_tombstones_max: int = Field(
        100_000, ge=1, description="revoked sessions remembered here, whatever a later snapshot says"
    )
    edge: EdgeSettings = EdgeSettings()
    limits: LimitSettings = LimitSettings()
    push: PushSettings = PushSettings()
    otel: ExportSettings = ExportSettings()
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line that is logged"
    )
    shutdown_timeout: Duration = Field(timedelta(seconds=10), description="time each component has to stop")
