"""A real SMTP server on loopback, that misbehaves when asked to."""

import asyncio
import ipaddress
import logging
import ssl
from collections import deque
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, NamedTuple, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

__all__ = ["Certificate", "MailServer", "Received", "certificate"]

WAIT_S = 20.0


class Received(NamedTuple):
    """A letter as it arrived: the envelope's two ends, and what is in it."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    tls: bool
    login: str | None

    @property
    def text(self) -> str:
        """The decoded body, with the line ends of text."""
        content: str = self.message.get_content()
        return content.replace("\r\n", "\n")


class Certificate(NamedTuple):
    """A certificate of a name on loopback, and who trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


class MailServer:
    """`async with MailServer() as server`: plain SMTP, with STARTTLS if it has a certificate, or TLS from the start.

    `faults` has one entry for each letter to come, the first for the next: an answer in place of `250`, `"drop"` (the connection
    ends), `"stall"` (no answer until `resume`), `"no goodbye"` (taken, and no answer to QUIT until `resume`).
    `login`: the only user and password; none: nobody has to.
    """

    def __init__(
        self, *, tls: Certificate | None = None, implicit: bool = False, login: tuple[str, str] | None = None, utf8: bool = True
    ) -> None:
        self.letters: list[Received] = []
        self.faults: deque[str] = deque()
        self.attempts = 0
        self.busy = 0
        self.most_busy = 0
        self.resume = asyncio.Event()
        self._login = login
        self._implicit = tls.server if tls and implicit else None
        self._options: dict[str, Any] = {"enable_SMTPUTF8": utf8, "hostname": "mail.test", "authenticator": self._authenticate}
        self._options |= {"auth_required": login is not None, "auth_require_tls": tls is not None and not implicit}
        if tls and not implicit:
            self._options |= {"tls_context": tls.server, "require_starttls": True}
        self._changed = asyncio.Condition()
        self._server: asyncio.Server
        self._sessions: list[SMTP] = []

    async def __aenter__(self) -> Self:
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # the server's own, which names addresses
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", 0, ssl=self._implicit)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.resume.set()
        self._server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.abort()  # type: ignore[attr-defined]  # asyncio's stub knows no abort of the base class
        async with asyncio.timeout(WAIT_S):
            while any(session.transport is not None for session in self._sessions):
                await asyncio.sleep(0)

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        who = "" if self._login is None else "{}:{}@".format(*self._login)
        return f"{'smtps' if self._implicit else 'smtp'}://{who}127.0.0.1:{self.port}"

    async def received(self, count: int) -> list[Received]:
        """The letters, once there are so many."""
        await self._until(lambda: len(self.letters) >= count)
        return self.letters

    async def sent_to(self, address: str, count: int = 1) -> Received:
        """The letter to this address that came as number `count`, once it is there."""
        await self._until(lambda: len(self._to(address)) >= count)
        return self._to(address)[count - 1]

    def _to(self, address: str) -> list[Received]:
        return [letter for letter in self.letters if address in letter.recipients]

    async def attempted(self, count: int) -> None:
        """Once so many letters were begun with."""
        await self._until(lambda: self.attempts >= count)

    async def _until(self, met: Any) -> None:
        async with asyncio.timeout(WAIT_S), self._changed:
            await self._changed.wait_for(met)

    # -- what aiosmtpd calls ---------------------------------------------------

    def _session(self) -> SMTP:
        session = SMTP(SimpleNamespace(handle_DATA=self._data, handle_QUIT=self._quit), loop=asyncio.get_running_loop(), **self._options)
        self._sessions.append(session)
        return session

    def _authenticate(self, _server: SMTP, _session: Any, _envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self._login, auth_data=given and given[0], handled=False)

    async def _data(self, server: SMTP, session: Any, envelope: Envelope) -> str:
        self.attempts += 1
        fault = self.faults.popleft() if self.faults else ""
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        async with self._changed:
            self._changed.notify_all()
        if fault == "drop":
            assert server.transport is not None
            server.transport.abort()  # type: ignore[attr-defined]
        if fault == "stall":
            await self.resume.wait()
        self.busy -= 1
        if fault not in {"", "stall", "no goodbye"}:
            return fault
        if fault == "no goodbye":
            session.silent = True
        await self._take(session, envelope)
        return "250 taken"

    async def _quit(self, _server: SMTP, session: Any, _envelope: Envelope) -> str:
        if getattr(session, "silent", False):
            await self.resume.wait()
        return "221 bye"

    async def _take(self, session: Any, envelope: Envelope) -> None:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        tls = session.ssl is not None or self._implicit is not None
        received = Received(envelope.mail_from or "", envelope.rcpt_tos, message, tls, session.auth_data)
        async with self._changed:
            self.letters.append(received)
            self._changed.notify_all()


def certificate(folder: Path, *, name: str = "127.0.0.1") -> Certificate:
    """A self-signed certificate of an IP address, good for an hour either way."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .sign(key, SHA256())
    )
    file = folder / "mail.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + signed.public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return Certificate(server, ssl.create_default_context(cadata=signed.public_bytes(Encoding.PEM).decode()))
