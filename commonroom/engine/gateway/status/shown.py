"""Who sees what of whose status: one pure function (FEATURES P20, P28; ADR 15).

| who looks | is shown |
|---|---|
| the user | everything |
| somebody who is in a room with them now | their status, and that room |
| another user | their status, last seen, a public room; without what the user hides |
| another guest, whoever is blocked or blocks, whoever asks for nobody | offline |

What must not be seen looks the same whatever the reason: offline, and nothing besides.
"""

from collections.abc import Callable

from commonroom.identity import Principal
from commonroom.protocol.status import UserStatus
from commonroom.protocol.user import UserState
from commonroom.storage.repository.preference import StatusFacts

__all__ = ["later", "shown"]


def shown(
    user: str,
    state: UserState | None,
    facts: StatusFacts | None,
    *,
    reader: Principal,
    hidden: frozenset[Principal],
    is_in: Callable[[str], bool],
) -> UserStatus:
    """A user's status as `reader` may know it.

    Args:
        state: as the user's actor told it; None: it told nothing yet.
        facts: None: not known, or there is no such user.
        hidden: whom the reader does not see.
        is_in: whether the reader is in a room now.
    """
    nothing, whom = UserStatus(user, "offline"), Principal("user", user)
    if state is None or facts is None or whom in hidden:
        return nothing
    is_self = reader == whom
    shared = next((place.room for place in state.places if is_in(place.room)), None)
    if not is_self and shared is None and (facts.hide_status or reader.actor_type == "guest"):
        return nothing
    if state.status == "offline":
        return UserStatus(user, "offline", later(state.seen_at, facts.seen_at))
    if shared is None and (is_self or not facts.hide_room):
        shared = next((place.room for place in state.places if is_self or place.is_public), None)
    return UserStatus(user, state.status, None, shared)


def later(one: int | None, other: int | None) -> int | None:
    """Of two moments the later one; None is before all."""
    return max((at for at in (one, other) if at is not None), default=None)
