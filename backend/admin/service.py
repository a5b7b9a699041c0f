"""Operators: the first one, signing in and out, passwords, authenticators, roles. Owns the cache `admin`."""

import asyncio
import hashlib
import secrets
from datetime import timedelta

from backend.admin import storage
from backend.admin.audit import StoredAuditLog
from backend.admin.errors import (
    LastOwner,
    LockedOut,
    LoginRefused,
    LoginTaken,
    OperatorNotFound,
    PasswordWrong,
    SessionOver,
    TotpNotBegun,
    TotpRequired,
    TotpWrong,
)
from backend.admin.model import Credentials, Opened, Operator, OperatorSession, Role
from backend.admin.passwords import Passwords, new_totp_secret, provisioning_uri, totp_step
from backend.cache import TableCache
from backend.leadership.ports import Transactions
from backend.settings import AdminSettings
from kit.clock import Clock
from kit.ids import NewId
from kit.logs import get_logger
from kit.sealing import SealRing

_log = get_logger("admin")
_USE_NOTED_EVERY = timedelta(seconds=30)


class Operators:
    """Every use case about operators themselves."""

    def __init__(
        self,
        settings: AdminSettings,
        transactions: Transactions,
        audit: StoredAuditLog,
        passwords: Passwords,
        seals: SealRing,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._settings = settings
        self._transactions = transactions
        self._audit = audit
        self._passwords = passwords
        self._seals = seals
        self._clock = clock
        self._new_id = new_id
        self._turns: dict[str, asyncio.Lock] = {}
        self.cache: TableCache[str, Credentials] = TableCache(
            "admin", lambda known: known.operator.operator_id
        )

    async def warm(self) -> None:
        """Read the whole table into the cache."""
        async with self._transactions.read() as connection:
            await self.cache.load(lambda: storage.list_operators(connection))

    async def bootstrap(self) -> None:
        """Make the first operator, an owner, from the settings; nothing where that login is there already."""
        login = self._settings.bootstrap_user.strip().lower()
        if not login or self._find(login) is not None:
            return
        hashed = await self._passwords.hash(self._settings.bootstrap_password.get_secret_value())
        async with self._transactions.write() as connection:
            made = await storage.insert_operator(
                connection, self._new_id(), login, hashed, Role.OWNER, self._clock.now()
            )
        if made is not None:
            self.cache.put(made)
            _log.info("operator_bootstrapped", login=login)

    def all(self) -> list[Operator]:
        """Return every operator by login."""
        return sorted((known.operator for known in self.cache), key=lambda operator: operator.login)

    async def sign_in(self, login: str, password: str, code: str | None) -> Opened:
        """Open a session. Raises LoginRefused, TotpRequired, LockedOut."""
        known = self._find(login.strip().lower())
        if known is None:
            await self._passwords.matches(password, None)
            raise LoginRefused
        # One at a time for each operator: the lock-out must not be outrun by trying in parallel.
        async with self._turns.setdefault(known.operator.operator_id, asyncio.Lock()):
            return await self._sign_in(known.operator.operator_id, password, code)

    async def _sign_in(self, operator_id: str, password: str, code: str | None) -> Opened:
        known = self._known(operator_id)
        now = self._clock.now()
        if known.locked_until is not None and now < known.locked_until:
            wait = int((known.locked_until - now).total_seconds()) + 1
            raise LockedOut(retry_after_seconds=wait)
        if not await self._passwords.matches(password, known.password_hash) or known.operator.disabled:
            await self._fail(operator_id)
            raise LoginRefused
        step = 0
        if known.operator.totp_enabled:
            if not code:
                raise TotpRequired
            found = totp_step(self._secret(known), code, now, known.totp_last_step)
            if found is None:
                await self._fail(operator_id)
                raise LoginRefused
            step = found
        token = secrets.token_urlsafe(32)
        expires_at = now + self._settings.session_max
        async with self._transactions.write() as connection:
            signed_in = await storage.note_success(connection, operator_id, step)
            if signed_in is None:
                raise LoginRefused
            await storage.insert_session(connection, _hash(token), operator_id, now, expires_at)
            await self._audit.record(connection, signed_in.operator, "operator.sign_in", operator_id)
        self.cache.put(signed_in)
        return Opened(token, expires_at, signed_in.operator)

    async def _fail(self, operator_id: str) -> None:
        until = self._clock.now() + self._settings.lockout
        async with self._transactions.write() as connection:
            failed = await storage.note_failure(
                connection, operator_id, self._settings.lockout_failures, until
            )
        self.cache.put(failed)
        _log.warning("operator_login_failed", login=failed.operator.login)

    async def authenticate(self, token: str) -> OperatorSession:
        """Return the session of a bearer token. Raises SessionOver."""
        now = self._clock.now()
        hashed = _hash(token)
        async with self._transactions.read() as connection:
            found = await storage.find_session(connection, hashed, now, now - self._settings.session_idle)
        known = self.cache.find(found[0]) if found is not None else None
        if found is None or known is None or known.operator.disabled:
            raise SessionOver
        if now - found[1] >= _USE_NOTED_EVERY:
            async with self._transactions.write() as connection:
                await storage.note_use(connection, hashed, now)
        return OperatorSession(known.operator, hashed)

    async def sign_out(self, session: OperatorSession) -> None:
        """End a session."""
        async with self._transactions.write() as connection:
            await storage.end_session(connection, session.token_hash)
            await self._audit.record(
                connection, session.operator, "operator.sign_out", session.operator.operator_id
            )

    async def change_password(self, session: OperatorSession, present: str, wanted: str) -> None:
        """Replace one's own password; every other session of the operator ends. Raises PasswordWrong."""
        known = self._known(session.operator.operator_id)
        if not await self._passwords.matches(present, known.password_hash):
            raise PasswordWrong
        hashed = await self._passwords.hash(wanted)
        async with self._transactions.write() as connection:
            changed = await storage.set_password(connection, session.operator.operator_id, hashed)
            await storage.end_sessions_of(connection, session.operator.operator_id, session.token_hash)
            await self._audit.record(
                connection, session.operator, "operator.password_changed", session.operator.operator_id
            )
        self.cache.put(changed)

    async def begin_totp(self, session: OperatorSession) -> tuple[str, str]:
        """Return a fresh secret and its provisioning URI; codes are asked for once one was shown. Raises TotpNotBegun."""
        operator = session.operator
        secret = new_totp_secret()
        sealed = self._seals.seal(secret.encode(), _bound_to(operator.operator_id))
        async with self._transactions.write() as connection:
            begun = await storage.begin_totp(connection, operator.operator_id, sealed)
            if begun is None:
                raise TotpNotBegun("an authenticator is in use already; remove it first")
            await self._audit.record(connection, operator, "operator.totp_begun", operator.operator_id)
        self.cache.put(begun)
        return secret, provisioning_uri(secret, operator.login)

    async def enable_totp(self, session: OperatorSession, code: str) -> Operator:
        """Ask for codes from now on, having seen one. Raises TotpNotBegun and TotpWrong."""
        known = self._known(session.operator.operator_id)
        if known.totp_secret_sealed is None:
            raise TotpNotBegun
        step = totp_step(self._secret(known), code, self._clock.now(), known.totp_last_step)
        if step is None:
            raise TotpWrong
        async with self._transactions.write() as connection:
            enabled = await storage.enable_totp(connection, known.operator.operator_id, step)
            if enabled is None:
                raise TotpWrong
            await self._audit.record(
                connection, enabled.operator, "operator.totp_enabled", known.operator.operator_id
            )
        self.cache.put(enabled)
        return enabled.operator

    async def disable_totp(self, session: OperatorSession, password: str) -> Operator:
        """Ask for codes no more. Raises PasswordWrong."""
        known = self._known(session.operator.operator_id)
        if not await self._passwords.matches(password, known.password_hash):
            raise PasswordWrong
        async with self._transactions.write() as connection:
            disabled = await storage.disable_totp(connection, known.operator.operator_id)
            await self._audit.record(
                connection, disabled.operator, "operator.totp_disabled", known.operator.operator_id
            )
        self.cache.put(disabled)
        return disabled.operator

    async def create(self, by: Operator, login: str, password: str, role: Role) -> Operator:
        """Make an operator. Raises LoginTaken."""
        hashed = await self._passwords.hash(password)
        async with self._transactions.write() as connection:
            made = await storage.insert_operator(
                connection, self._new_id(), login, hashed, role, self._clock.now()
            )
            if made is None:
                raise LoginTaken
            await self._audit.record(
                connection, by, "operator.created", made.operator.operator_id, {"login": login, "role": role}
            )
        self.cache.put(made)
        return made.operator

    async def change(self, by: Operator, login: str, role: Role | None, disabled: bool | None) -> Operator:
        """Change role or access; sessions of a disabled operator end. Raises OperatorNotFound and LastOwner."""
        known = self._find(login)
        if known is None:
            raise OperatorNotFound
        operator_id = known.operator.operator_id
        async with self._transactions.write() as connection:
            owners = await storage.lock_owners(connection)
            changed = await storage.change_operator(connection, operator_id, role, disabled)
            stays_owner = changed.operator.role is Role.OWNER and not changed.operator.disabled
            if not stays_owner and owners == [operator_id]:
                raise LastOwner
            if changed.operator.disabled:
                await storage.end_sessions_of(connection, operator_id)
            details = {"login": login, "role": role, "disabled": disabled}
            await self._audit.record(connection, by, "operator.changed", operator_id, details)
        self.cache.put(changed)
        return changed.operator

    async def forget_sessions(self) -> None:
        """Delete sessions that are over."""
        now = self._clock.now()
        async with self._transactions.write() as connection:
            await storage.forget_sessions(connection, now, now - self._settings.session_idle)

    def _find(self, login: str) -> Credentials | None:
        return next((known for known in self.cache if known.operator.login == login), None)

    def _known(self, operator_id: str) -> Credentials:
        known = self.cache.find(operator_id)
        if known is None:
            raise OperatorNotFound
        return known

    def _secret(self, known: Credentials) -> str:
        assert known.totp_secret_sealed is not None
        return self._seals.open(known.totp_secret_sealed, _bound_to(known.operator.operator_id)).decode()


def _hash(token: str) -> bytes:
    # The token has 256 random bits: a plain hash cannot be tried out.
    return hashlib.sha256(token.encode()).digest()


def _bound_to(operator_id: str) -> str:
    return f"operator-totp:{operator_id}"
