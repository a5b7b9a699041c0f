"""Settings of the backend, prefix `BACKEND_`; each room receives its own group."""

import base64
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from kit.duration import Duration
from kit.postgres import PoolSettings
from kit.redis_pool import RedisSettings, retired_redis_variables
from kit.sealing import SealRing
from kit.settings import Group, ListenAddr, ServiceSettings, ServiceTokens
from kit.telemetry import OtelSettings


def _key_of_32_bytes(value: SecretStr) -> SecretStr:
    try:
        raw = base64.b64decode(value.get_secret_value(), validate=True)
    except ValueError as error:
        raise ValueError("wants base64 of 32 bytes") from error
    if len(raw) != 32:
        raise ValueError("wants base64 of 32 bytes")
    return value


def _seal_keys(value: SecretStr) -> SecretStr:
    SealRing.from_text(value.get_secret_value())
    return value


Key32 = Annotated[SecretStr, AfterValidator(_key_of_32_bytes)]
SealKeys = Annotated[SecretStr, AfterValidator(_seal_keys)]


class HttpSettings(Group):
    """The listener of all REST families."""

    listen_addr: ListenAddr = Field(":8090", description="address of the REST listener and the probes")


class GrpcSettings(Group):
    """The push listener."""

    push_listen_addr: ListenAddr = Field(":8091", description="address of gRPC `Push.SubscribePush`")


class PushSettings(Group):
    """The ring of signals."""

    ring_events: int = Field(10_000, ge=1, description="events kept for gateways that come back")
    write_timeout: Duration = Field(
        timedelta(seconds=30), description="longest time one frame may wait for a slow gateway"
    )


class PostgresSettings(PoolSettings):
    """The backend's own schema."""

    dsn: SecretStr = Field(description="DSN with `?search_path=backend`")
    connect_interval: Duration = Field(
        timedelta(seconds=1), description="wait between two tries while Postgres is away at the start"
    )


class LeadershipSettings(Group):
    """Which of several backends is active."""

    poll_interval: Duration = Field(
        timedelta(seconds=1),
        description="how often a standby asks for the lock and the leader looks after it",
    )


class AuthSettings(Group):
    """Codes and device sessions."""

    hash_key: Key32 = Field(description="base64 of 32 bytes: keys the hashes of codes and link tokens")
    code_ttl: Duration = Field(timedelta(minutes=10), description="life of a sign-in code")
    code_tries: int = Field(5, ge=1, description="wrong codes before a challenge is over")
    codes_per_address_hour: int = Field(3, ge=1, description="codes sent to one address an hour")
    codes_per_ip_hour: int = Field(5, ge=1, description="codes asked for from one IP address an hour")
    mail_delayed_after: Duration = Field(
        timedelta(seconds=20), description="age of the oldest waiting code from which on sign-in says so"
    )
    session_idle: Duration = Field(timedelta(days=30), description="a session unused for so long is over")
    sessions_per_user: int = Field(20, ge=1, description="sessions a user may have; the oldest ends")
    use_note_interval: Duration = Field(
        timedelta(minutes=1), description="how often at most the use of a session is noted"
    )
    sign_out_link_ttl: Duration = Field(
        timedelta(days=30), description="life of the sign-out-everywhere link in mails about new devices"
    )


class RetentionSettings(Group):
    """What is deleted after a while, in batches, once an hour."""

    device_sessions: Duration = Field(
        timedelta(days=90),
        ge=timedelta(days=1),
        description="how long device sessions that are over are kept; later they are refused as unknown, not as revoked",
    )
    batch_rows: int = Field(1000, ge=1, description="rows deleted at a time")


class AdminSettings(Group):
    """Operators."""

    bootstrap_user: str = Field("", description="login of the first operator, an owner; empty: none is made")
    bootstrap_password: SecretStr = Field(
        SecretStr(""), description="password of the first operator; change it after the first start"
    )
    session_max: Duration = Field(timedelta(hours=12), description="life of an operator's session")
    session_idle: Duration = Field(
        timedelta(minutes=30), description="an operator's session unused for so long is over"
    )
    lockout_failures: int = Field(
        5, ge=1, description="wrong passwords in a row before an operator is locked out"
    )
    lockout: Duration = Field(timedelta(minutes=1), description="how long an operator is locked out")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.bootstrap_user) != bool(self.bootstrap_password.get_secret_value()):
            raise ValueError("BOOTSTRAP_USER and BOOTSTRAP_PASSWORD are set together or not at all")
        return self


class NotificationLaneSettings(Group):
    """The intent lane of the outbox."""

    worker_interval: Duration = Field(timedelta(seconds=5), description="longest wait between two scans")
    max_attempts: int = Field(8, ge=1, description="attempts before an intent is a dead letter")


class MailSettings(Group):
    """The mail lane of the outbox, and the mail service behind the operators' façade."""

    worker_interval: Duration = Field(timedelta(seconds=2), description="longest wait between two scans")
    max_attempts: int = Field(8, ge=1, description="attempts before a mail command is a dead letter")
    base_url: str = Field(
        "", description="where the mail service answers; empty: operators see the outbox alone"
    )
    token: SecretStr = Field(SecretStr(""), description="the backend's token at the mail service")


class GeoipSettings(Group):
    """Country lookups."""

    db_path: Path | None = Field(
        None, description="GeoLite2 Country database (`.mmdb`); empty: no country is known"
    )


class RuntimeSettings(Group):
    """Engines."""

    adapter: Literal["docker", "process"] = Field("docker", description="how engines run: docker or process")
    state_dir: Path = Field(Path(".galaxy/engines"), description="folder of the process adapter's engines")
    reconcile_interval: Duration = Field(
        timedelta(seconds=60), description="how often containers are compared with runtime records"
    )
    image_pull_policy: Literal["if_missing", "always", "never"] = Field(
        "if_missing", description="when images are pulled: if_missing, always or never"
    )
    pull_timeout: Duration = Field(timedelta(minutes=15), description="longest time of one image pull")
    boot_timeout: Duration = Field(timedelta(seconds=60), description="longest time until an engine is ready")
    turn_timeout: Duration = Field(timedelta(minutes=5), description="longest time of one turn in an engine")
    starts_at_once: int = Field(4, ge=1, description="engines booted side by side; pulls come before")
    memory_mib: int = Field(512, ge=64, description="memory limit of one engine, MiB")
    cpus: float = Field(1.0, gt=0, description="CPU limit of one engine")


class LobbySettings(Group):
    """What players may ask of the lobby."""

    games_per_owner: int = Field(20, ge=1, description="games of one owner that are not over")
    invites_per_person_day: int = Field(
        5, ge=1, description="invites that one player may send to one address within a day"
    )
    applications_per_game: int = Field(
        3, ge=1, description="times that one player may apply to one game, rejections included"
    )
    turn_period_min: Duration = Field(
        timedelta(minutes=1), description="shortest rolling deadline; a cron line ticks each minute at most"
    )


class SchedulerSettings(Group):
    """When turns are looked for."""

    poll_interval: Duration = Field(
        timedelta(seconds=1), description="longest wait between two looks for turns that are due"
    )
    downtime_tolerance: Duration = Field(
        timedelta(seconds=10), description="an outage up to this long moves no deadline"
    )
    turns_at_once: int = Field(
        4,
        ge=1,
        description="turns generated side by side; one owner's games take at most half, rounded up",
    )
    turn_failures_max: int = Field(3, ge=1, description="failures of one turn that pause its game")
    turn_retry_wait: Duration = Field(
        timedelta(seconds=5), description="wait after the first failure of a turn; doubles with each"
    )


class DockerSettings(Group):
    """The Docker Engine."""

    network: str = Field("galaxy-engines", description="bridge network of engines; created if missing")
    host: str = Field("", description="Docker Engine API; empty: DOCKER_HOST or the usual socket")


class EngineSettings(Group):
    """The engine version that a fresh installation knows."""

    bootstrap_version: str = Field("", description="semver registered at the start if unknown; empty: none")
    bootstrap_image: str = Field("", description="image reference of that version")


def _retired() -> dict[str, str]:
    moved = {
        f"BACKEND_SMTP_{name}": f"has moved: the mail service sends mail; set MAIL_SMTP_{name} there"
        for name in ("HOST", "PORT", "USERNAME", "PASSWORD", "FROM", "TLS_MODE")
    }
    moved["BACKEND_NOTIFICATION_ADMIN_EMAIL"] = (
        "has moved: the notification service addresses administrators; set NOTIFICATION_ADMIN_EMAIL there"
    )
    return moved | retired_redis_variables("BACKEND_")


class BackendSettings(ServiceSettings):
    """Everything the backend is told from outside."""

    model_config = SettingsConfigDict(env_prefix="BACKEND_")
    retired: ClassVar = _retired()

    http: HttpSettings = HttpSettings()
    grpc: GrpcSettings = GrpcSettings()
    postgres: PostgresSettings
    redis: RedisSettings
    service_tokens: ServiceTokens = Field(
        description="who may call: `caller:token`, commas between; callers are gateway and notification"
    )
    public_base_url: str = Field(
        "http://127.0.0.1:8080", description="where players reach the gateway; links in mails begin with it"
    )
    seal_keys: SealKeys = Field(
        description="base64 keys of 32 bytes, newest first, shared with mail: seal codes at rest"
    )
    session_events_redis_stream: str = Field(
        "", description="Redis stream of session states for gateways; empty: off"
    )
    auth: AuthSettings
    retention: RetentionSettings = RetentionSettings()
    admin: AdminSettings = AdminSettings()
    outbox_lease: Duration = Field(
        timedelta(minutes=1),
        description="how long a claimed outbox entry waits for a worker that died with it",
    )
    notification: NotificationLaneSettings = NotificationLaneSettings()
    mail: MailSettings = MailSettings()
    push: PushSettings = PushSettings()
    leadership: LeadershipSettings = LeadershipSettings()
    geoip: GeoipSettings = GeoipSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    lobby: LobbySettings = LobbySettings()
    scheduler: SchedulerSettings = SchedulerSettings()
    docker: DockerSettings = DockerSettings()
    engine: EngineSettings = EngineSettings()
    stack_label: str = Field(
        "", description="value of the label galaxy.stack on engine containers; empty: no such label"
    )
    shutdown_timeout: Duration = Field(
        timedelta(seconds=10), description="budget of each component when the process stops"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    otel: OtelSettings = OtelSettings()
