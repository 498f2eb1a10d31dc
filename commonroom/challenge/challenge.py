"""Whether a guest has proved to be a person (FEATURES P9).

The page shows the provider's widget, which gives a *challenge token*; the token comes along with what
is to be done, and the provider is asked about it. Nothing but its yes, for a page of ours and for this very
action, lets anything happen: no answer is a no, that may be asked again.
"""

from collections.abc import Callable
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

import structlog
from msgspec import Meta

from commonroom.challenge.siteverify import Siteverify, Verdict
from commonroom.challenge.taken import Taken
from commonroom.clock import monotonic_s
from commonroom.config.check import origin_of
from commonroom.config.settings import ChallengeSettings
from commonroom.errors import ChallengeFailed, Unavailable

__all__ = ["ROOM_CREATE", "Challenge", "ChallengeToken", "Widget"]

log = structlog.get_logger(__name__)

ROOM_CREATE: Final = "room-create"
"""The widget's action when a room is opened."""

ChallengeToken = Annotated[str, Meta(max_length=2048)]
"""As long as a provider's may be."""

RETRY_MS: Final = 2000
OUR_FAULT: Final = frozenset({"missing-input-secret", "invalid-input-secret", "bad-request"})
THEIR_FAULT: Final = "internal-error"


class Widget(NamedTuple):
    """What the page needs to show it."""

    site_key: str
    script_url: str
    action: str


class Challenge:
    """Verifies challenge tokens. Off unless the settings have keys.

    Args:
        public_url: of the page; its host is the one whose tokens are taken, unless the settings name hosts.
        now_s: seconds of an arbitrary origin.
    """

    def __init__(self, settings: ChallengeSettings, public_url: Callable[[], str], now_s: Callable[[], float] = monotonic_s) -> None:
        self._settings = settings
        self._public_url = public_url
        self._hostnames = frozenset(name.lower() for name in settings.hostnames)
        self._siteverify = Siteverify(settings) if settings.site_key else None
        self._taken = Taken(now_s)

    @property
    def is_on(self) -> bool:
        """Whether anything has to be proved here."""
        return self._siteverify is not None

    @property
    def origin(self) -> str:
        """Where script and frames of the widget come from; empty where there is none."""
        return (origin_of(self._settings.script_url) or "") if self.is_on else ""

    def widget(self, action: str) -> Widget | None:
        """What the page is told; None: it is off."""
        return Widget(self._settings.site_key, self._settings.script_url, action) if self.is_on else None

    async def verify(self, token: str, address: str, action: str, purpose: str = "") -> None:
        """Take a token, once. Nothing to do where it is off.

        Args:
            token: as the widget gave it; empty: there is none.
            address: whose browser it is said to come from; empty: unknown.
            action: what the widget was shown for.
            purpose: the one thing that the token is to allow. While it is remembered it allows the same thing again, as
                an answer may be lost or the thing fail for another reason; empty: never again.

        Raises:
            ChallengeFailed: none, or one that does not hold: another is needed.
            Unavailable: the provider cannot be asked. The same token may be tried again.
        """
        if self._siteverify is None:
            return
        if not token:
            raise ChallengeFailed("a guest has to prove being a person: send a challenge token")
        if not self._taken.claim(token, purpose):
            return
        holds = False
        try:
            self._check(await self._siteverify.ask(token, address), action)
            holds = True
        finally:
            if holds:
                self._taken.settle(token, purpose)
            else:
                self._taken.release(token)

    async def close(self) -> None:
        """Close the connections."""
        if self._siteverify is not None:
            await self._siteverify.close()

    def _check(self, verdict: Verdict, action: str) -> None:
        codes = [code[:64] for code in verdict.error_codes[:8]]
        if not OUR_FAULT.isdisjoint(codes):
            log.error("challenge_misconfigured", codes=codes)
            raise Unavailable("the check cannot be made: its operator has to set it up", detail=" ".join(codes))
        if not verdict.success and THEIR_FAULT in codes:
            raise Unavailable("the check cannot be made now: try again", retry_after_ms=RETRY_MS, detail=THEIR_FAULT)
        if not verdict.success:
            raise ChallengeFailed("the check was not passed, or too long ago: take it again")
        if (verdict.hostname or "").lower() not in self._hosts():
            log.warning("challenge_of_another_host", hostname=(verdict.hostname or "")[:253], taken=sorted(self._hosts()))
            raise ChallengeFailed("the check was passed on another page: take it here")
        if verdict.action != action:
            raise ChallengeFailed("the check was passed for something else: take it for this")

    def _hosts(self) -> frozenset[str]:
        return self._hostnames or frozenset({(urlsplit(self._public_url()).hostname or "").lower()})
