"""The four services and the mail catcher as the embedded stack runs them: order, addresses, variables.

The variables that tie the services together stand in docs/ARCHITECTURE.md, section 8. Whoever starts the stack may set any
variable of a service in their own environment; it wins over what stands here.
"""

from collections.abc import Mapping
from functools import cache

from deploy.embedded.spec import Addresses, Listener, ServiceSpec, Surroundings, python_module

OPERATOR_LOGIN = "operator"
OPERATOR_EMAIL = "operator@galaxy.test"
SENDER = "Galaxy <no-reply@galaxy.test>"

# On one's own machine one signs in as often, and plays as fast, as one likes; a stack that players reach keeps the
# services' own limits.
_UNHURRIED = {
    "BACKEND_AUTH_CODES_PER_ADDRESS_HOUR": "1000",
    "BACKEND_AUTH_CODES_PER_IP_HOUR": "1000",
    "BACKEND_LOBBY_TURN_PERIOD_MIN": "1s",
}
# PUBLIC_URL means that a proxy on this machine stands before the gateway and says who is calling.
_BEHIND_A_PROXY = {"GATEWAY_TRUSTED_PROXIES": "127.0.0.1/32,::1/128"}


def platform_services() -> tuple[ServiceSpec, ...]:
    """List the processes in the order in which they start; they stop in the reverse."""
    return (MAILCATCHER, MAIL, BACKEND, NOTIFICATION, GATEWAY)


def _shared(prefix: str, around: Surroundings) -> dict[str, str]:
    return {
        f"{prefix}_REDIS_MASTER_ADDR": around.redis_addr,
        f"{prefix}_REDIS_PASSWORD": around.redis_password,
        f"{prefix}_REDIS_KEY_PREFIX": around.redis_key_prefix,
        f"{prefix}_OTEL_TRACES_EXPORTER": "none",
        f"{prefix}_OTEL_METRICS_EXPORTER": "none",
    }


def public_base_url(around: Surroundings, addresses: Addresses) -> str:
    """Return the address that mails and players use: the given one, else the gateway's own."""
    return around.public_url or f"http://{addresses['gateway.public']}"


def _mailcatcher(around: Surroundings, _addresses: Addresses) -> Mapping[str, str]:
    return {"MAILCATCHER_FOLDER": str(around.folder / "mailbox")}


def _mail(around: Surroundings, addresses: Addresses) -> Mapping[str, str]:
    host, _, port = addresses["mailcatcher.smtp"].rpartition(":")
    return _shared("MAIL", around) | {
        "MAIL_POSTGRES_PRIMARY_DSN": around.postgres_dsn("mail"),
        "MAIL_SERVICE_TOKENS": f"backend:{around.credentials['token_backend_mail']}",
        "MAIL_SEAL_KEYS": around.credentials["seal_key"],
        "MAIL_SMTP_HOST": host,
        "MAIL_SMTP_PORT": port,
        "MAIL_SMTP_FROM": SENDER,
        "MAIL_SMTP_TLS_MODE": "none",
    }


def _backend(around: Surroundings, addresses: Addresses) -> Mapping[str, str]:
    secret = around.credentials
    tokens = f"gateway:{secret['token_gateway_backend']},notification:{secret['token_notification_backend']}"
    limits = {} if around.public_url else _UNHURRIED
    return (
        _shared("BACKEND", around)
        | limits
        | {
            "BACKEND_POSTGRES_DSN": around.postgres_dsn("backend"),
            "BACKEND_SERVICE_TOKENS": tokens,
            "BACKEND_MAIL_BASE_URL": f"http://{addresses['mail.http']}",
            "BACKEND_MAIL_TOKEN": secret["token_backend_mail"],
            "BACKEND_SEAL_KEYS": secret["seal_key"],
            "BACKEND_AUTH_HASH_KEY": secret["auth_hash_key"],
            "BACKEND_PUBLIC_BASE_URL": public_base_url(around, addresses),
            "BACKEND_ADMIN_BOOTSTRAP_USER": OPERATOR_LOGIN,
            "BACKEND_ADMIN_BOOTSTRAP_PASSWORD": secret["operator_password"],
            "BACKEND_RUNTIME_ADAPTER": "process",
            "BACKEND_RUNTIME_STATE_DIR": str(around.folder / "engines"),
            "BACKEND_ENGINE_BOOTSTRAP_VERSION": engine_version(),
            "BACKEND_ENGINE_BOOTSTRAP_IMAGE": f"galaxy/game:{engine_version()}",
            "BACKEND_GEOIP_DB_PATH": str(around.folder / "geoip.mmdb"),
        }
    )


def _notification(around: Surroundings, addresses: Addresses) -> Mapping[str, str]:
    return _shared("NOTIFICATION", around) | {
        "NOTIFICATION_POSTGRES_PRIMARY_DSN": around.postgres_dsn("notification"),
        "NOTIFICATION_USER_SERVICE_BASE_URL": f"http://{addresses['backend.http']}",
        "NOTIFICATION_BACKEND_TOKEN": around.credentials["token_notification_backend"],
        "NOTIFICATION_PUBLIC_BASE_URL": public_base_url(around, addresses),
        "NOTIFICATION_ADDRESS_HASH_KEY": around.credentials["address_hash_key"],
        "NOTIFICATION_ADMIN_EMAIL": OPERATOR_EMAIL,
    }


def _gateway(around: Surroundings, addresses: Addresses) -> Mapping[str, str]:
    proxies = _BEHIND_A_PROXY if around.public_url else {}
    return (
        _shared("GATEWAY", around)
        | proxies
        | {
            "GATEWAY_BACKEND_HTTP_URL": f"http://{addresses['backend.http']}",
            "GATEWAY_BACKEND_GRPC_PUSH_URL": addresses["backend.push"],
            "GATEWAY_BACKEND_GATEWAY_CLIENT_ID": "gateway-1",
            "GATEWAY_BACKEND_TOKEN": around.credentials["token_gateway_backend"],
            "GATEWAY_RESPONSE_SIGNER_PRIVATE_KEY_PEM_PATH": str(around.credentials.signer_key_path),
            "GATEWAY_CLIENT_EVENTS_REDIS_STREAM": "gateway:client-events",
        }
    )


@cache
def engine_version() -> str:
    """Return the version of the engine that this checkout carries."""
    from engine import VERSION

    return VERSION


MAILCATCHER = ServiceSpec(
    name="mailcatcher",
    command=python_module("deploy.embedded.mailcatcher"),
    listeners=(
        Listener("http", "MAILCATCHER_HTTP_ADDR", 8025),
        Listener("smtp", "MAILCATCHER_SMTP_ADDR", 1025),
    ),
    environment=_mailcatcher,
    variable_prefix="MAILCATCHER_",
)
MAIL = ServiceSpec(
    name="mail",
    command=python_module("mail"),
    listeners=(Listener("http", "MAIL_INTERNAL_HTTP_ADDR", 8093),),
    environment=_mail,
    variable_prefix="MAIL_",
)
BACKEND = ServiceSpec(
    name="backend",
    command=python_module("backend"),
    listeners=(
        Listener("http", "BACKEND_HTTP_LISTEN_ADDR", 8090),
        Listener("push", "BACKEND_GRPC_PUSH_LISTEN_ADDR", 8091),
    ),
    environment=_backend,
    variable_prefix="BACKEND_",
)
NOTIFICATION = ServiceSpec(
    name="notification",
    command=python_module("notification"),
    listeners=(Listener("http", "NOTIFICATION_INTERNAL_HTTP_ADDR", 8092),),
    environment=_notification,
    variable_prefix="NOTIFICATION_",
)
GATEWAY = ServiceSpec(
    name="gateway",
    command=python_module("gateway"),
    listeners=(
        Listener("public", "GATEWAY_PUBLIC_HTTP_ADDR", 8080),
        Listener("edge", "GATEWAY_AUTHENTICATED_GRPC_ADDR", 9090),
        Listener("admin", "GATEWAY_ADMIN_HTTP_ADDR", 9190),
    ),
    environment=_gateway,
    variable_prefix="GATEWAY_",
)
