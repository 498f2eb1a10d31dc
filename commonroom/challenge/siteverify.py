"""The question to the provider: Turnstile's siteverify, a form in, JSON out.

As https://developers.cloudflare.com/turnstile/get-started/server-side-validation/ says. hCaptcha and reCAPTCHA speak
almost the same, but name no action for a checkbox; without it a token is refused here.
"""

import asyncio
from ipaddress import ip_address
from typing import Final

import httpx
import msgspec
import structlog
from msgspec import Struct, field

from commonroom.config.settings import ChallengeSettings
from commonroom.errors import Unavailable
from commonroom.ids import new_uuid
from commonroom.outbound import BoundedTransport, Bounds, NoAnswer, OutboundError
from commonroom.outbound.address import is_public

__all__ = ["Siteverify", "Verdict"]

log = structlog.get_logger(__name__)

MAX_BYTES: Final = 65536
AT_ONCE: Final = 32
RETRY_MS: Final = 2000
TOO_MANY: Final = 429


class Verdict(Struct, frozen=True):
    """What it says of a token. `hostname`: of the page that showed the widget; `action`: what that page said it was for."""

    success: bool
    hostname: str | None = None
    action: str | None = None
    error_codes: list[str] = field(name="error-codes", default_factory=list)


class Siteverify:
    """One provider. The secret is in the form alone: no URL, log or error holds it."""

    def __init__(self, settings: ChallengeSettings) -> None:
        self._settings = settings
        self._transport = BoundedTransport(Bounds(settings.timeout_s, MAX_BYTES, AT_ONCE, kept=AT_ONCE))
        self._client = httpx.AsyncClient(transport=self._transport, timeout=None, trust_env=False)  # noqa: S113 - the transport has one

    async def ask(self, token: str, address: str) -> Verdict:
        """About one token. A broken connection is tried once more, under the same idempotency key: else it would look used.

        Raises:
            Unavailable: there is no verdict: no answer in time, a server's error, or nothing that can be read.
        """
        form = {"secret": self._settings.secret, "response": token, "idempotency_key": new_uuid()}
        if _is_public(address):
            form["remoteip"] = address
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                try:
                    response = await self._client.post(self._settings.verify_url, data=form)
                except NoAnswer:
                    response = await self._client.post(self._settings.verify_url, data=form)
        except TimeoutError:
            raise _silent(f"no verdict within {self._settings.timeout_s:g} s") from None
        except OutboundError as error:
            raise _silent(error.reason) from None
        return _verdict(response)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._transport.close()


def _verdict(response: httpx.Response) -> Verdict:
    if response.is_server_error or response.is_redirect or response.status_code == TOO_MANY:
        raise _silent(f"status {response.status_code}")
    try:
        return msgspec.json.decode(response.content, type=Verdict)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise _silent(f"status {response.status_code}, no verdict that can be read") from None


def _silent(reason: str) -> Unavailable:
    log.warning("challenge_not_verified", reason=reason)
    return Unavailable("the check cannot be made now: try again", retry_after_ms=RETRY_MS, detail=reason)


def _is_public(address: str) -> bool:
    """Whether it can be a browser's. Any other is a proxy's that is not known as one, and would only mislead."""
    try:
        return is_public(ip_address(address))
    except ValueError:
        return False
