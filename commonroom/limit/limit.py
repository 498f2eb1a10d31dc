"""Limits as data: what may be done how often, and by what it is counted. docs/SECURITY.md shows this table.

Whatever is counted by the *account* alone could be used up by a stranger to keep the owner
out. So it counts strangers only: at an address from which the account was signed in to within
`FAMILIAR_MS`, account and address count together, apart from everybody else's tries.
"""

from collections.abc import Mapping
from hashlib import blake2b
from math import ceil
from typing import Final, Literal

from msgspec import Struct

from commonroom.limit.gcra import Rate

__all__ = [
    "ACCOUNT_CHANGES",
    "AUTH_BY_ADDRESS",
    "DATA_EXPORTS",
    "DATA_EXPORTS_BY_ADDRESS",
    "FAMILIAR_MS",
    "GUESTS",
    "LETTERS",
    "LETTERS_A_DAY",
    "LIMITS",
    "LOGINS",
    "LOGINS_OF_STRANGERS",
    "PROOFS",
    "REFRESHES",
    "SEARCHES",
    "WS_TOKENS",
    "Limit",
    "Part",
    "key_of",
]

Part = Literal["address", "account", "session", "user"]
"""Whom a limit tells apart: the client's address (IPv6: its /64), the account that a typed mail address means whether
or not there is one, the login session, the user."""

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
    """

    name: str
    amount: int
    period_s: int
    by: tuple[Part, ...]

    @property
    def is_of_strangers(self) -> bool:
        """Counted by the account alone. What is left of it is not told: it says what others do."""
        return self.by == ("account",)

    def rate(self, scale: float) -> Rate:
        """As GCRA takes it, with `scale` times the amount, 1 at least."""
        amount = max(1, round(self.amount * scale))
        return Rate(ceil(self.period_s * 1_000_000 / amount), amount)


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
DATA_EXPORTS: Final = Limit("export", 3, HOUR_S, ("session",))
DATA_EXPORTS_BY_ADDRESS: Final = Limit("export-address", 10, HOUR_S, ("address",))

LIMITS: Final = (
    AUTH_BY_ADDRESS, LOGINS, LOGINS_OF_STRANGERS, PROOFS, LETTERS, LETTERS_A_DAY, ACCOUNT_CHANGES, REFRESHES, WS_TOKENS, GUESTS, SEARCHES,
    DATA_EXPORTS, DATA_EXPORTS_BY_ADDRESS,
)  # fmt: skip


def key_of(parts: tuple[Part, ...], subject: Mapping[Part, str]) -> str:
    """What is counted under: short whatever was typed, and no address of anybody in clear. Not a secret: it can be guessed at."""
    values = "\0".join(subject[part] for part in parts)
    return blake2b(values.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
