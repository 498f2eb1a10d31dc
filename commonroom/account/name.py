"""Names: how they are searched, and what a username may be.

A username is lower-case ASCII, so nothing of Unicode can be confused; look-alikes within
ASCII (0 and o, 1 and l and i, rn and m, separators) count as the same name.
"""

import re
from typing import Final

from commonroom.errors import Invalid
from commonroom.search import folded

__all__ = ["RESERVED", "folded", "username_key"]

USERNAME: Final = re.compile(r"[a-z][a-z0-9_.]{1,30}[a-z0-9]")
DOUBLED: Final = re.compile(r"[_.]{2}")
LOOK_ALIKES: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "8": "b", "_": None, ".": None})
WIDE: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))

_WORDS: Final = (
    "about account admin administrator anonymous api auth billing bot commonroom contact deleted docs everyone guest guests help here host "
    "info login logout mail me mod moderator none null official owner privacy register root rooms security settings setup signin signup "
    "staff status support system team terms undefined user users webhook"
)


def _skeleton(username: str) -> str:
    key = username.translate(LOOK_ALIKES)
    for wide, narrow in WIDE:
        key = key.replace(wide, narrow)
    return key


RESERVED: Final = frozenset(map(_skeleton, _WORDS.split()))
"""What would be taken for us, or for a page of ours."""


def username_key(username: str) -> str:
    """By which a username is unique: the same for names that look alike.

    Raises:
        Invalid: it has not 3 to 32 of a-z, 0-9, `_` and `.` from a letter on, or is reserved.
    """
    if USERNAME.fullmatch(username) is None or DOUBLED.search(username):
        raise Invalid("a username has 3 to 32 of a-z, 0-9, _ and ., begins with a letter and ends with one or a digit", field="$.username")
    key = _skeleton(username)
    if key in RESERVED:
        raise Invalid("this username is reserved", field="$.username")
    return key
