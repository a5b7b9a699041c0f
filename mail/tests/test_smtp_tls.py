"""The connection to a relay that wants TLS and a login, on a real server with a certificate of its own."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mail.smtp.connection import SmtpConnection
from mail.smtp.model import Accepted, NotSent, Refused, Relay, Stage, TlsMode

MESSAGE = b"Subject: x\r\nMessage-ID: <1@mail.test>\r\n\r\n.a line with a dot\r\n"


def in_five_seconds() -> float:
    return asyncio.get_running_loop().time() + 5


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "relay.pem", tmp_path / "relay.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return public, private


class Box:
    """A handler that keeps what it is given, and whether STARTTLS had come before it."""

    def __init__(self, *, pipelining: bool) -> None:
        self.mails: list[tuple[bytes, bool]] = []
        self._pipelining = pipelining

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *(["250-PIPELINING"] if self._pipelining else []), responses[-1]]

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.mails.append((envelope.content, session.ssl is not None))
        return "250 2.0.0 kept"


@dataclass
class Door:
    """A relay of one kind."""

    mode: TlsMode
    box: Box
    port: int

    def relay(
        self, ca_path: str = "", username: str = "", password: str = "", mode: TlsMode | None = None
    ) -> Relay:
        return Relay(
            "127.0.0.1", self.port, "galaxy@mail.test", mode or self.mode, ca_path, username, password
        )


@asynccontextmanager
async def opened(
    certificate: tuple[Path, Path], mode: TlsMode, *, pipelining: bool = False
) -> AsyncIterator[Door]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    box = Box(pipelining=pipelining)

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"galaxy", b"right"), handled=False)

    def session() -> SMTP:
        starttls = mode is TlsMode.STARTTLS
        return SMTP(
            box,
            hostname="relay.test",
            authenticator=check,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            auth_require_tls=starttls,
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", 0, ssl=context if mode is TlsMode.TLS else None
    )
    try:
        yield Door(mode, box, server.sockets[0].getsockname()[1])
    finally:
        server.close()


@pytest.fixture(params=[False, True])
def pipelining(request: pytest.FixtureRequest) -> bool:
    chosen: bool = request.param
    return chosen


@pytest.fixture(params=[TlsMode.STARTTLS, TlsMode.TLS])
async def door(
    request: pytest.FixtureRequest, certificate: tuple[Path, Path], pipelining: bool
) -> AsyncIterator[Door]:
    async with opened(certificate, request.param, pipelining=pipelining) as relay:
        yield relay


async def test_mail_goes_over_tls_with_a_login(door: Door, certificate: tuple[Path, Path]):
    connection = SmtpConnection(door.relay(str(certificate[0]), "galaxy", "right"))
    for _ in range(2):
        assert isinstance(await connection.send("ada@x.test", MESSAGE, in_five_seconds(), 5), Accepted)
    connection.leave()
    assert door.box.mails == [(MESSAGE, door.mode is TlsMode.STARTTLS)] * 2


async def test_a_certificate_that_nobody_vouches_for_ends_the_try(door: Door):
    result = await SmtpConnection(door.relay()).send("ada@x.test", MESSAGE, in_five_seconds(), 5)
    assert isinstance(result, NotSent)
    assert result.classification == "smtp_tls_failed"
    assert door.box.mails == []


async def test_a_wrong_password_says_nothing_of_the_mail(door: Door, certificate: tuple[Path, Path]):
    connection = SmtpConnection(door.relay(str(certificate[0]), "galaxy", "wrong"))
    result = await connection.send("ada@x.test", MESSAGE, in_five_seconds(), 5)
    assert isinstance(result, Refused)
    assert (result.stage, result.permanent) == (Stage.CONNECT, False)


async def test_without_starttls_nothing_is_sent_in_clear(certificate: tuple[Path, Path]):
    async with opened(certificate, TlsMode.NONE) as plain:
        relay = plain.relay(str(certificate[0]), mode=TlsMode.STARTTLS)
        result = await SmtpConnection(relay).send("ada@x.test", MESSAGE, in_five_seconds(), 5)
    assert isinstance(result, NotSent)
    assert result.classification == "smtp_tls_failed"
    assert plain.box.mails == []
