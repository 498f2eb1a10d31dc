"""One letter to one SMTP server, by aiosmtplib: composed, handed in once, and what became of it."""

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import aiosmtplib

from commonroom.account.address import parse_address
from commonroom.account.letter import Letter
from commonroom.config.check import is_loopback
from commonroom.config.mail import SmtpServer, sender_of, smtp_server_of
from commonroom.config.settings import MailSettings
from commonroom.errors import Unavailable

__all__ = ["SmtpClient", "Undelivered"]

QUIT_TIMEOUT_S = 1.0
"""The letter is accepted by then; this is manners."""


class Undelivered(Unavailable):
    """The server did not take the letter. Neither message nor detail names address or text.

    Args:
        transient: whether the same attempt may succeed a little later.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class SmtpClient:
    """Hands letters in, each on a connection of its own: they are few, and idle ones get cut.

    Args:
        settings: with an `smtp_url` and a sender that were checked.
        tls: for tests with an authority of their own; None: the system's authorities.
    """

    def __init__(self, settings: MailSettings, tls: ssl.SSLContext | None = None) -> None:
        self._server = smtp_server_of(settings.smtp_url)
        self._sender = sender_of(settings.sender)
        self._starttls = _starttls(settings.starttls, self._server)
        self._timeout_s = settings.timeout_s
        self._tls = tls

    async def deliver(self, letter: Letter, letter_id: str, now_ms: int) -> None:
        """One attempt, of `timeout_s` at most. Cancelling it leaves unknown whether the letter goes out.

        Args:
            letter: what to send.
            letter_id: for the `Message-ID`, by which the server's log and ours are compared.
            now_ms: for the `Date`.

        Raises:
            Undelivered: refused, or the outcome is unknown.
        """
        recipient = parse_address(letter.to)
        message = _compose(letter, self._sender, recipient, letter_id, now_ms)
        client = self._client()
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.connect()
                await client.send_message(message, sender=self._sender.addr_spec, recipients=[recipient])
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit(timeout=QUIT_TIMEOUT_S)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise _undelivered(error) from None  # the cause names the address
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password if server.username else None,
            local_hostname=self._sender.domain,  # its default asks the DNS, and tells this machine's name
            timeout=self._timeout_s,
            use_tls=server.tls,
            start_tls=False if server.tls else self._starttls,
            tls_context=self._tls,
        )


def _starttls(choice: str, server: SmtpServer) -> bool | None:
    """True: demand it; None: take it where it is offered.

    An attacker in between removes the offer (RFC 3207 section 6), so a password is never left to that.
    """
    if choice == "auto":
        return True if server.username and not is_loopback(server.host) else None
    return choice == "always"


def _compose(letter: Letter, sender: Address, recipient: str, letter_id: str, now_ms: int) -> EmailMessage:
    """`EmailMessage` refuses line breaks in headers, but that has had holes: what it writes is read again."""
    local, _, domain = recipient.rpartition("@")
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1000, UTC))
    message["Message-ID"] = f"<{letter_id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday reply, please
    message.set_content(letter.text)
    if message_from_bytes(message.as_bytes()).keys() != message.keys():
        raise Undelivered("the headers of the letter hold other headers", transient=False)
    return message


def _undelivered(error: Exception) -> Undelivered:
    """By what the server said: 4xx is for now, 5xx for good (RFC 5321 section 4.2.1)."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return Undelivered(f"the mail server refused the letter with {error.code}", transient=400 <= error.code < 500)
    if isinstance(tls := error.__cause__ or error, ssl.SSLError):
        return Undelivered(f"no encrypted connection to the mail server ({tls.reason})", transient=False)
    if isinstance(error, TimeoutError | OSError):
        return Undelivered("the mail server does not answer", transient=True)
    return Undelivered(f"the mail server cannot take the letter ({type(error).__name__})", transient=False)
