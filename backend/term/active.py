"""What an active backend is made of, top to bottom: the composition root of one term of leadership."""

import base64
import functools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import ASGIApp

from backend.admin.access import OperatorAccess, SignedIn
from backend.admin.audit import StoredAuditLog
from backend.admin.passwords import Passwords
from backend.admin.rest import operators_router, own_router
from backend.admin.rest_mail import mail_router, outbox_router
from backend.admin.rest_players import players_router
from backend.admin.service import Operators
from backend.api.callers import CurrentPlayer, GatewayOnly
from backend.api.families import families_api
from backend.api.idempotency import StoredIdempotencyKeys, idempotent_call
from backend.auth import rest as auth_rest
from backend.auth.secrets import AuthSecrets
from backend.auth.service import SignInService
from backend.auth.sessions import DeviceSessions
from backend.geo.counters import CountryCounters
from backend.geo.countries import open_countries
from backend.leadership.transactions import FencedDatabase, FencedTransactions
from backend.outbox.facade import MailFacade
from backend.outbox.health import CodeMailHealth
from backend.outbox.model import LaneName
from backend.outbox.service import DeadLetters, RecordingOutbox
from backend.outbox.worker import outbox_workers
from backend.push.ring import Ring
from backend.settings import BackendSettings
from backend.telemetry import AuthMetrics
from backend.term import games
from backend.term.foundations import Foundations, Readiness
from backend.term.periodic import Periodic
from backend.term.reload import CacheReloader
from backend.term.retention import Retention
from backend.users import rest as users_rest
from backend.users.leaving import Leaving
from backend.users.links import UnsubscribeTokens
from backend.users.service import UserDirectory
from kit.clock import Clock
from kit.faults import Faults
from kit.ids import NewId
from kit.logs import EmailHasher
from kit.postgres import Database
from kit.redis_pool import redis_client
from kit.rest import ServiceAuth
from kit.rest_client import RestClient
from kit.sealing import SealRing
from kit.tasks import Worker
from kit.telemetry import Telemetry

_HOUR = timedelta(hours=1)
_NOTES_EVERY = timedelta(seconds=5)


@dataclass(frozen=True)
class Surroundings:
    """What the process owns for longer than one term."""

    settings: BackendSettings
    telemetry: Telemetry
    service_auth: ServiceAuth
    clock: Clock
    new_id: NewId
    faults: Faults
    passwords: Passwords


@dataclass(frozen=True)
class Active:
    """An active backend, warm and not yet serving."""

    app: ASGIApp
    ring: Ring
    workers: Sequence[Worker]
    readiness: Sequence[Readiness]


async def build_active(
    stack: AsyncExitStack, around: Surroundings, database: Database, transactions: FencedTransactions
) -> Active:
    """Build every room, read the caches, make the first operator. Raises PostgresUnavailable and LeadershipLost.

    What must be closed again is pushed on `stack`.
    """
    settings, clock, new_id = around.settings, around.clock, around.new_id
    fenced = FencedDatabase(database, transactions)
    seals = SealRing.from_text(settings.seal_keys.get_secret_value())
    hash_key = base64.b64decode(settings.auth.hash_key.get_secret_value())
    auth_metrics = AuthMetrics(around.telemetry)

    # Ways out: signals, intents and mail commands.
    ring = Ring(settings.push.ring_events, clock, new_id)
    outbox = RecordingOutbox(clock, new_id, seals, settings.session_events_redis_stream)
    dead_letters = DeadLetters(transactions, clock)
    redis = redis_client(settings.redis)
    stack.push_async_callback(redis.aclose)
    mail = None
    if settings.mail.base_url:
        mail = await stack.enter_async_context(RestClient.open(settings.mail.base_url, settings.mail.token))
    facade = MailFacade(transactions, dead_letters, mail, settings.auth.mail_delayed_after)

    # Players.
    countries = open_countries(settings.geoip.db_path)
    stack.callback(countries.close)
    counters = CountryCounters(transactions, countries, clock)
    users = UserDirectory(transactions, ring, clock, new_id, UnsubscribeTokens(hash_key))
    sessions = DeviceSessions(
        transactions,
        outbox,
        ring,
        clock,
        auth_metrics,
        settings.auth.session_idle,
        settings.auth.use_note_interval,
    )
    sign_in = SignInService(
        settings.auth,
        settings.public_base_url,
        transactions,
        users,
        sessions,
        outbox,
        countries,
        CodeMailHealth(transactions, facade, settings.auth.mail_delayed_after, clock),
        AuthSecrets(hash_key),
        auth_metrics,
        EmailHasher(),
        clock,
        new_id,
    )
    leaving = Leaving(transactions, users, sessions, outbox, clock, new_id)

    # Operators.
    audit = StoredAuditLog(transactions, clock, new_id)
    operators = Operators(settings.admin, transactions, audit, around.passwords, seals, clock, new_id)
    signed_in = SignedIn(operators)
    require_operator = OperatorAccess(signed_in)

    # Families.
    current_player = CurrentPlayer(GatewayOnly(around.service_auth), users, counters)
    idempotency_keys = StoredIdempotencyKeys(transactions, clock)

    for warm in (users.warm, sessions.warm, operators.warm):
        await warm()
    await operators.bootstrap()

    rooms = await games.build(
        stack,
        settings,
        Foundations(
            clock=clock,
            new_id=new_id,
            telemetry=around.telemetry,
            faults=around.faults,
            database=fenced,
            transactions=transactions,
            outbox=outbox,
            push_ring=ring,
            users=users,
            service_auth=around.service_auth,
            current_player=current_player,
            idempotent_call=idempotent_call,
            idempotency_keys=idempotency_keys,
            require_operator=require_operator,
            audit=audit,
        ),
    )

    app = families_api(
        around.service_auth,
        current_player,
        public=[
            auth_rest.public_router(sign_in, around.service_auth),
            auth_rest.pages_router(sign_in),
            users_rest.public_router(users),
            *rooms.routers.public,
        ],
        internal=[
            auth_rest.internal_router(sessions),
            users_rest.internal_router(users),
            *rooms.routers.internal,
        ],
        user=[
            users_rest.user_router(users, leaving, current_player),
            auth_rest.user_router(sessions, current_player),
            *rooms.routers.user,
        ],
        admin=[
            own_router(operators, signed_in),
            operators_router(operators, audit, require_operator),
            players_router(users, sessions, rooms.withdrawals, transactions, audit, require_operator),
            mail_router(facade, transactions, audit, require_operator),
            outbox_router(dead_letters, transactions, audit, require_operator),
            *rooms.routers.admin,
        ],
    )
    over = settings.retention.device_sessions
    retention = Retention(
        {
            "device_sessions": functools.partial(sessions.forget_over, over),
            "auth_challenges": sign_in.forget_challenges,
            "auth_links": sign_in.forget_links,
            "idempotency_keys": idempotency_keys.forget_old,
        },
        settings.retention.batch_rows,
    )
    workers = [
        *outbox_workers(
            fenced,
            transactions,
            redis,
            settings.redis.key_prefix,
            {
                LaneName.INTENT: settings.notification.worker_interval,
                LaneName.MAIL: settings.mail.worker_interval,
            },
            {LaneName.INTENT: settings.notification.max_attempts, LaneName.MAIL: settings.mail.max_attempts},
            settings.outbox_lease,
            settings.session_events_redis_stream,
            around.telemetry,
            around.faults,
        ),
        Periodic("session_use_notes", _NOTES_EVERY, sessions.write_notes, last=sessions.write_notes),
        Periodic("country_counters", _NOTES_EVERY, counters.flush, last=counters.flush),
        Periodic("session_keeper", _HOUR, sessions.end_idle),
        Periodic("retention_keeper", _HOUR, retention.run_once),
        Periodic("operator_session_keeper", _HOUR, operators.forget_sessions),
        CacheReloader(
            transactions,
            [sessions.reload, users.warm, operators.warm, *rooms.reloads],
            settings.postgres.connect_interval,
        ),
        *rooms.workers,
    ]
    for cache in (users.cache, sessions.cache, operators.cache):
        stack.callback(cache.clear)
    readiness = [
        users.cache.readiness,
        sessions.cache.readiness,
        operators.cache.readiness,
        *rooms.readiness,
    ]
    return Active(app, ring, workers, readiness)
