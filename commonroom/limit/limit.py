"""Limits as data: what may be done how often, and by what it is counted. docs/SECURITY.md shows this table.

Whatever is counted by the *account* alone could be used up by a stranger to keep the owner
out. So it counts strangers only: at an address from which the account was signed in to within
`FAMILIAR_MS`, account and address count together, apart from everybody else's tries.

`LIMITS` are asked of the node's `Limiter`, which shares them with the other nodes. What `LOCAL` counts
is in one place anyhow, a connection or a room, which keeps it itself.
"""

from collections.abc import Mapping
from hashlib import blake2b
from math import ceil
from typing import Final, Literal

from msgspec import Struct

from commonroom.identity import ActorType
from commonroom.limit.gcra import Rate

__all__ = [
    "ACCOUNT_CHANGES",
    "AUTH_BY_ADDRESS",
    "BLOCKS",
    "CHALLENGES",
    "CHANGES",
    "CHANGES_OF_ROOM",
    "DATA_EXPORTS",
    "DATA_EXPORTS_BY_ADDRESS",
    "EVENTS",
    "FAMILIAR_MS",
    "FOUNDINGS",
    "GUESTS",
    "HISTORIES",
    "INVITE_CODES",
    "LETTERS",
    "LETTERS_A_DAY",
    "LIMITS",
    "LOCAL",
    "LOGINS",
    "LOGINS_OF_STRANGERS",
    "MESSAGES",
    "MESSAGES_OF_ROOM",
    "OWN_ROOMS",
    "PROFILES",
    "PROFILE_CHANGES",
    "PROOFS",
    "READS_BY_ADDRESS",
    "RECOLLECTIONS",
    "RECOLLECTIONS_BY_ADDRESS",
    "REFRESHES",
    "REPORTS",
    "REQUESTS",
    "ROOMS_FOUNDED",
    "ROOMS_OF_GUESTS",
    "ROOMS_OF_GUESTS_BY_ADDRESS",
    "ROOMS_OF_USERS",
    "ROOM_CHANGES",
    "ROOM_LISTS",
    "ROOM_READS",
    "SEARCHES",
    "SEARCHES_BY_ADDRESS",
    "STATUS_LOOKS",
    "WS_TOKENS",
    "Limit",
    "Part",
    "cap_of",
    "key_of",
]

Part = Literal["address", "account", "session", "user", "connection", "person", "room"]
"""Whom a limit tells apart: the client's address (IPv6: its /64), the account that a typed mail address means whether
or not there is one, the login session, the user, the socket, the person (a user with all the guests they were), the room."""

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86400
FAMILIAR_MS: Final = 30 * DAY_S * 1000


class Limit(Struct, frozen=True):
    """So many at once, and as many again over each period.

    Args:
        name: as clients see it in `RateLimit`; lower case, hyphens.
        amount: at once and each period, 1 or more.
        by: what has a count of its own.
        of: who is counted; None: everybody.
        longest_s: each refusal doubles the wait, up to this; 0: it changes nothing.
    """

    name: str
    amount: int
    period_s: int
    by: tuple[Part, ...]
    of: ActorType | None = None
    longest_s: int = 0

    @property
    def is_of_strangers(self) -> bool:
        """Counted by the account alone. What is left of it is not told: it says what others do."""
        return self.by == ("account",)

    def rate(self, scale: float) -> Rate:
        """As GCRA takes it, with `scale` times the amount, 1 at least."""
        amount = max(1, round(self.amount * scale))
        interval_us = ceil(self.period_s * 1_000_000 / amount)
        return Rate(interval_us, amount, self.longest_s and max(self.longest_s * 1_000_000, interval_us))


AUTH_BY_ADDRESS: Final = Limit("auth", 60, MINUTE_S, ("address",))
LOGINS: Final = Limit("login", 5, MINUTE_S, ("account", "address"))
LOGINS_OF_STRANGERS: Final = Limit("login-account", 20, HOUR_S, ("account",))
PROOFS: Final = Limit("proof", 5, MINUTE_S, ("account", "address"))
LETTERS: Final = Limit("letter", 5, 15 * MINUTE_S, ("account",))
LETTERS_A_DAY: Final = Limit("letter-day", 20, DAY_S, ("account",))
ACCOUNT_CHANGES: Final = Limit("account-change", 5, MINUTE_S, ("user",))
REFRESHES: Final = Limit("refresh", 30, MINUTE_S, ("session",))
WS_TOKENS: Final = Limit("ws-token", 30, MINUTE_S, ("session",))
GUESTS: Final = Limit("guest", 60, MINUTE_S, ("address",))
SEARCHES: Final = Limit("search", 30, MINUTE_S, ("user",))
SEARCHES_BY_ADDRESS: Final = Limit("search-address", 120, MINUTE_S, ("address",))
BLOCKS: Final = Limit("block", 60, MINUTE_S, ("user",))
ROOMS_OF_GUESTS: Final = Limit("room-guest", 2, HOUR_S, ("session",), "guest", DAY_S)
ROOMS_OF_GUESTS_BY_ADDRESS: Final = Limit("room-guest-address", 2, HOUR_S, ("address",), "guest")  # does not double: many share one
ROOMS_OF_USERS: Final = Limit("room-user", 10, HOUR_S, ("user",), "user", DAY_S)
PROFILES: Final = Limit("profile", 120, MINUTE_S, ("session",))
PROFILE_CHANGES: Final = Limit("profile-change", 30, MINUTE_S, ("session",))
REQUESTS: Final = Limit("request", 1200, MINUTE_S, ("address",))
"""Of routes that have no other, and of those that have one by login session alone: whoever makes guests has many of these."""

ROOM_LISTS: Final = Limit("room-list", 300, MINUTE_S, ("address",))
ROOM_READS: Final = Limit("room-read", 120, MINUTE_S, ("session",))
OWN_ROOMS: Final = Limit("own-room", 30, MINUTE_S, ("user",))
HISTORIES: Final = Limit("history", 120, MINUTE_S, ("session",))
READS_BY_ADDRESS: Final = Limit("read-address", 1200, MINUTE_S, ("address",))
DATA_EXPORTS: Final = Limit("export", 3, HOUR_S, ("session",))
DATA_EXPORTS_BY_ADDRESS: Final = Limit("export-address", 10, HOUR_S, ("address",))

RECOLLECTIONS: Final = Limit("recollection", 30, MINUTE_S, ("session",))
RECOLLECTIONS_BY_ADDRESS: Final = Limit("recollection-address", 120, MINUTE_S, ("address",))
"""Each asks all nodes."""

REPORTS_OF_GUESTS: Final = Limit("report-guest", 5, HOUR_S, ("session",), "guest")
REPORTS_OF_USERS: Final = Limit("report-user", 20, HOUR_S, ("user",), "user")
REPORTS_BY_ADDRESS: Final = Limit("report-address", 60, HOUR_S, ("address",))

REPORTS: Final = (REPORTS_OF_GUESTS, REPORTS_OF_USERS, REPORTS_BY_ADDRESS)

FOUNDINGS: Final = (ROOMS_OF_GUESTS, ROOMS_OF_GUESTS_BY_ADDRESS, ROOMS_OF_USERS)
"""Of founding a room, over HTTP and by socket."""

CHALLENGES_OF_GUESTS: Final = Limit("challenge", 10, MINUTE_S, ("session",), "guest")
CHALLENGES_BY_ADDRESS: Final = Limit("challenge-address", 120, MINUTE_S, ("address",), "guest")

CHALLENGES: Final = (CHALLENGES_OF_GUESTS, CHALLENGES_BY_ADDRESS)
"""Of having a challenge token verified, whether it holds or not: each asks the provider."""

ROOM_CHANGES: Final = Limit("room-change", 60, MINUTE_S, ("session",))

INVITE_CODES_OF_GUESTS: Final = Limit("invite-guest", 10, MINUTE_S, ("session",), "guest")
INVITE_CODES_OF_USERS: Final = Limit("invite-user", 10, MINUTE_S, ("user",), "user")
INVITE_CODES_BY_ADDRESS: Final = Limit("invite-address", 60, MINUTE_S, ("address",))

INVITE_CODES: Final = (INVITE_CODES_OF_GUESTS, INVITE_CODES_OF_USERS, INVITE_CODES_BY_ADDRESS)
"""Of bringing an invite's code, right or wrong, over HTTP and by socket: 50 bits take a while to guess."""

LIMITS: Final = (
    AUTH_BY_ADDRESS, LOGINS, LOGINS_OF_STRANGERS, PROOFS, LETTERS, LETTERS_A_DAY, ACCOUNT_CHANGES, REFRESHES, WS_TOKENS, GUESTS,
    *FOUNDINGS, *CHALLENGES, ROOM_LISTS, ROOM_READS, OWN_ROOMS, HISTORIES, READS_BY_ADDRESS, SEARCHES, SEARCHES_BY_ADDRESS,
    PROFILES, PROFILE_CHANGES, BLOCKS, DATA_EXPORTS, DATA_EXPORTS_BY_ADDRESS, RECOLLECTIONS, RECOLLECTIONS_BY_ADDRESS,
    *REPORTS, ROOM_CHANGES, *INVITE_CODES, REQUESTS,
)  # fmt: skip

EVENTS: Final = Limit("event", 30, 10, ("connection",))
STATUS_LOOKS: Final = Limit("status-watch", 10, 10, ("connection",))
MESSAGES: Final = Limit("message", 5, 5, ("person", "room"))
MESSAGES_OF_ROOM: Final = Limit("message-room", 20, 1, ("room",))
CHANGES: Final = Limit("change", 10, 10, ("person", "room"))
CHANGES_OF_ROOM: Final = Limit("change-room", 30, 10, ("room",))
LOCAL: Final = (EVENTS, STATUS_LOOKS, MESSAGES, MESSAGES_OF_ROOM, CHANGES, CHANGES_OF_ROOM)

ROOMS_FOUNDED: Final[Mapping[ActorType, int]] = {"user": 200, "guest": 20}
"""Rooms that somebody may have founded, all told (FEATURES P34)."""

MOST_COUNTED: Final = 10_000
"""A cap beyond this is none: to count so far costs a millisecond for each room that is founded."""


def cap_of(amount: int, scale: float) -> int | None:
    """A cap under `limits.scale`, 1 at least; None: there is none."""
    cap = max(1, round(amount * scale))
    return cap if scale > 0 and cap <= MOST_COUNTED else None


def key_of(parts: tuple[Part, ...], subject: Mapping[Part, str]) -> str:
    """What is counted under: short whatever was typed, and no address of anybody in clear. Not a secret: it can be guessed at."""
    values = "\0".join(subject[part] for part in parts)
    return blake2b(values.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
