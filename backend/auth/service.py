"""Sign-in: sending codes, confirming them, and the way out for whoever did not sign in themselves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from backend.auth import storage
from backend.auth.errors import AccountBlocked, ChallengeOver, CodeWrong, LinkOver, TooManyCodes
from backend.auth.model import Challenge, ChallengeState, Device, DeviceSession, SentCode, SignIn
from backend.auth.ports import MailHealth
from backend.auth.secrets import AuthSecrets
from backend.auth.sessions import DeviceSessions, Ended
from backend.geo.address import household_of
from backend.geo.ports import CountryLookup
from backend.leadership.ports import Transactions
from backend.outbox.model import Intent, MailCommand
from backend.outbox.ports import Outbox
from backend.push.model import InvalidationReason
from backend.settings import AuthSettings
from backend.telemetry import AuthMetrics
from backend.users.email import normalise_email
from backend.users.model import Account, AccountStatus
from backend.users.service import UserDirectory, check_time_zone
from kit.clock import Clock, rfc3339
from kit.ids import NewId
from kit.logs import EmailHasher, get_logger
from kit.postgres import Connection
from kit.refusals import Refusal

_log = get_logger("auth")
_WINDOW = timedelta(hours=1)
_CHALLENGES_KEPT = timedelta(days=1)
SIGN_OUT_PATH = "/api/v1/public/auth/sign-out-everywhere"


@dataclass(frozen=True)
class _Confirmed:
    """What a confirmation's transaction has done; told to caches and gateways once it has committed."""

    account: Account
    session: DeviceSession
    ended: Ended
    registered: bool
    repeated: bool = False


class SignInService:
    """The way from a mailbox to a device session."""

    def __init__(
        self,
        settings: AuthSettings,
        public_base_url: str,
        transactions: Transactions,
        directory: UserDirectory,
        sessions: DeviceSessions,
        outbox: Outbox,
        countries: CountryLookup,
        mail_health: MailHealth,
        secrets: AuthSecrets,
        metrics: AuthMetrics,
        email_hash: EmailHasher,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._settings = settings
        self._public_base_url = public_base_url.rstrip("/")
        self._transactions = transactions
        self._directory = directory
        self._sessions = sessions
        self._outbox = outbox
        self._countries = countries
        self._mail_health = mail_health
        self._secrets = secrets
        self._metrics = metrics
        self._email_hash = email_hash
        self._clock = clock
        self._new_id = new_id

    async def send_code(self, email: str, locale: str | None, address: str) -> SentCode:
        """Send a code to an address in place of one that the same household asked for; `address` is the asking client's IP.

        Codes of other households stay: no stranger voids what its owner waits for. Each has tries of its own, or a stranger
        could spend the owner's; the hourly limit bounds them all together.

        What it does, takes and answers is the same whoever the address belongs to, if anybody. Raises AddressMalformed and
        TooManyCodes.
        """
        mailbox, household = normalise_email(email), household_of(address)
        account = self._directory.find_by_email(mailbox)
        wording = locale or (account.locale if account is not None else "en")
        now = self._clock.now()
        challenge_id, code = self._new_id(), self._secrets.new_code()
        expires_at = now + self._settings.code_ttl
        async with self._transactions.write() as connection:
            sends = await storage.sends_since(connection, mailbox, household, now - _WINDOW)
            self._check_limits(sends, now, mailbox)
            await storage.replace_challenge(
                connection,
                challenge_id,
                mailbox,
                wording,
                household,
                self._secrets.code_hash(challenge_id, code),
                self._settings.code_tries,
                now,
                expires_at,
            )
            await self._outbox.add_mail(
                connection,
                MailCommand(
                    delivery_id=self._new_id(),
                    idempotency_key=f"code:{challenge_id}",
                    template_id="auth.sign_in_code",
                    locale=wording,
                    to=mailbox,
                    variables={"code": code, "minutes": int(self._settings.code_ttl.total_seconds() // 60)},
                    sealed=True,
                    expires_at=expires_at,
                ),
            )
        self._metrics.code("sent")
        _log.info("sign_in_code_sent", challenge_id=challenge_id, email_hash=self._email_hash(mailbox))
        return SentCode(challenge_id, expires_at, await self._mail_health.codes_delayed())

    def _check_limits(self, sends: storage.Sends, now: datetime, mailbox: str) -> None:
        for count, limit, oldest in (
            (sends.by_address, self._settings.codes_per_address_hour, sends.address_oldest),
            (sends.by_ip, self._settings.codes_per_ip_hour, sends.ip_oldest),
        ):
            if count >= limit and oldest is not None:
                self._metrics.code("limited")
                _log.info("sign_in_code_limited", email_hash=self._email_hash(mailbox))
                wait = (oldest + _WINDOW - now).total_seconds()
                raise TooManyCodes(retry_after_seconds=max(1, int(wait) + 1))

    async def confirm(self, challenge_id: str, code: str, device: Device) -> SignIn:
        """Turn a code into a device session, registering the account on the first one of an address.

        A repeat by the same device (its answer was lost) gives the same session again; otherwise a code works once. Raises
        UnknownTimeZone, CodeWrong (says how many tries are left), ChallengeOver, AccountBlocked.
        """
        check_time_zone(device.time_zone)
        async with self._transactions.write() as connection:
            # A refusal is returned, not raised, where it must commit: a wrong code costs a try.
            result = await self._confirm(connection, challenge_id, code, device)
        match result:
            case Refusal():
                self._metrics.confirmation("wrong" if isinstance(result, CodeWrong) else "over")
                _log.info("sign_in_refused", challenge_id=challenge_id, code=result.code)
                raise result
            case _Confirmed(account, session, ended, registered, repeated):
                self._directory.committed(account)
                ended.announce()
                self._sessions.cache.put(session)
                if repeated:
                    self._metrics.confirmation("repeated")
                    return SignIn(session.device_session_id, account.user_id, registered)
                self._metrics.confirmation("registered" if registered else "signed_in")
                _log.info(
                    "signed_in",
                    user_id=account.user_id,
                    device_session_id=session.device_session_id,
                    new_account=registered,
                    email_hash=self._email_hash(account.email),
                )
                return SignIn(session.device_session_id, account.user_id, registered)

    async def _confirm(
        self, connection: Connection, challenge_id: str, code: str, device: Device
    ) -> _Confirmed | Refusal:
        challenge = await storage.lock_challenge(connection, challenge_id)
        now = self._clock.now()
        if challenge is None or now >= challenge.expires_at:
            return ChallengeOver()
        matches = self._secrets.code_matches(challenge_id, code, challenge.code_hash)
        if challenge.state is ChallengeState.CONFIRMED and matches:
            return await self._repeat(connection, challenge, device)
        if challenge.state is not ChallengeState.OPEN:
            return ChallengeOver()
        if not matches:
            return CodeWrong(tries_left=await storage.spend_try(connection, challenge_id))
        country = self._countries.country_of(device.address)
        account, registered = await self._directory.register(
            connection, challenge.email, challenge.locale, device.time_zone, country, now
        )
        if account.status is not AccountStatus.ACTIVE:
            return AccountBlocked()
        session = await storage.insert_session(
            connection, self._new_id(), account.user_id, device.public_key, device.name, country, now
        )
        await storage.confirm_challenge(connection, challenge_id, session.device_session_id)
        ended = await self._sessions.begun(connection, session, self._settings.sessions_per_user)
        if not registered:  # the first device of an account is not a new one: nobody had another
            await self._announce_device(connection, session)
        return _Confirmed(account, session, ended, registered)

    async def _repeat(
        self, connection: Connection, challenge: Challenge, device: Device
    ) -> _Confirmed | Refusal:
        # Everything is read from Postgres: the answer may have been lost between it and us, and then no cache knows.
        assert challenge.device_session_id is not None
        session = await storage.get_session(connection, challenge.device_session_id)
        if session.client_public_key != device.public_key:
            return ChallengeOver()
        account = await self._directory.stored(connection, session.user_id)
        if account.status is not AccountStatus.ACTIVE:
            return AccountBlocked()
        ended = await self._sessions.over_of(connection, session.user_id)
        registered = account.created_at == session.created_at
        return _Confirmed(account, session, ended, registered, repeated=True)

    async def _announce_device(self, connection: Connection, session: DeviceSession) -> None:
        token = self._secrets.new_link_token()
        expires_at = session.created_at + self._settings.sign_out_link_ttl
        await storage.insert_link(
            connection, self._secrets.link_hash(token), session.user_id, session.created_at, expires_at
        )
        await self._outbox.add_intent(
            connection,
            Intent(
                "account.new_device",
                f"new_device:{session.device_session_id}",
                {
                    "device_name": session.device_name,
                    "country": session.country,
                    "signed_in_at": rfc3339(session.created_at),
                    "sign_out_url": f"{self._public_base_url}{SIGN_OUT_PATH}?token={quote(token)}",
                },
                [session.user_id],
                occurred_at=session.created_at,
            ),
        )

    async def whose_link(self, token: str) -> Account:
        """Return whose sign-out-everywhere link it is. Raises LinkOver."""
        async with self._transactions.read() as connection:
            found = await storage.find_link(connection, self._secrets.link_hash(token), self._clock.now())
        if found is None:
            raise LinkOver
        return self._directory.get(found[0])

    async def sign_out_everywhere(self, token: str) -> Account:
        """End every session of the link's owner; a link works once, and again does nothing more. Raises LinkOver."""
        token_hash = self._secrets.link_hash(token)
        now = self._clock.now()
        async with self._transactions.write() as connection:
            found = await storage.find_link(connection, token_hash, now)
            if found is None:
                raise LinkOver
            user_id, used = found
            if used:
                ended = await self._sessions.over_of(connection, user_id)
            else:
                await storage.use_link(connection, token_hash, now)
                ended = await self._sessions.end_all(
                    connection, user_id, InvalidationReason.SIGNED_OUT_EVERYWHERE
                )
        ended.announce()
        return self._directory.get(user_id)

    async def forget_challenges(self, limit: int) -> int:
        """Delete up to `limit` challenges that no limit counts any more; return how many."""
        async with self._transactions.write() as connection:
            return await storage.forget_challenges(connection, self._clock.now() - _CHALLENGES_KEPT, limit)

    async def forget_links(self, limit: int) -> int:
        """Delete up to `limit` links that have run out; return how many."""
        async with self._transactions.write() as connection:
            return await storage.forget_links(connection, self._clock.now(), limit)
