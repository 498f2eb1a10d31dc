"""Which features a kind of room has, and who is responsible for what in it."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from commonroom.actors.room.cast import Casting
from commonroom.actors.room.chat import Chat
from commonroom.actors.room.feature import Feature
from commonroom.actors.room.invites import Invites
from commonroom.actors.room.moderation import Moderation
from commonroom.actors.room.presence import Presence
from commonroom.actors.room.settings import RoomSettings
from commonroom.actors.room.speech import Speech
from commonroom.actors.room.succession import Succession
from commonroom.actors.room.timer import SharedTimer
from commonroom.actors.room.typing import TypingIndicator
from commonroom.protocol.room import RoomKind
from commonroom.protocol.wire import Command, DurablePush

__all__ = ["FEATURES", "PLANS", "Plan", "plan_of"]

FEATURES: dict[RoomKind, tuple[type[Feature], ...]] = {
    "study": (RoomSettings, Moderation, Invites, Succession, Speech, Chat, SharedTimer, Presence, TypingIndicator, Casting),
}
"""In the order in which they are called where a hook concerns several."""


class Plan(Struct, frozen=True):
    """A kind's features, and their places in that order: one table for all rooms of the kind."""

    features: tuple[type[Feature], ...]
    commands: dict[type[Command], int]
    observers: dict[type[Command], tuple[int, ...]]
    events: dict[type[DurablePush], tuple[int, ...]]
    names: dict[str, int]
    due: tuple[int, ...]
    silencers: tuple[int, ...]


def plan_of(features: tuple[type[Feature], ...]) -> Plan:
    """The tables from what the features declare.

    Raises:
        ValueError: two of them claim one command or one name.
    """
    return Plan(
        features=features,
        commands=_single((command, place) for place, feature in enumerate(features) for command in feature.commands),
        observers=_several((command, place) for place, feature in enumerate(features) for command in feature.observes),
        events=_several((event, place) for place, feature in enumerate(features) for event in feature.events),
        names=_single((feature.name, place) for place, feature in enumerate(features)),
        due=tuple(place for place, feature in enumerate(features) if feature.due is not Feature.due),
        silencers=tuple(place for place, feature in enumerate(features) if feature.silences is not Feature.silences),
    )


def _single(claims: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    owners: dict[Any, int] = {}
    for claimed, place in claims:
        if owners.setdefault(claimed, place) != place:
            raise ValueError(f"{claimed!r} has two owners")
    return owners


def _several(claims: Iterable[tuple[Any, int]]) -> dict[Any, tuple[int, ...]]:
    interested: dict[Any, tuple[int, ...]] = {}
    for subject, place in claims:
        interested[subject] = (*interested.get(subject, ()), place)
    return interested


PLANS: dict[RoomKind, Plan] = {kind: plan_of(features) for kind, features in FEATURES.items()}
