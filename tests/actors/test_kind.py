"""The table of kinds: built from what features declare, and only from consistent declarations."""

import pytest

from commonroom.actors import KINDS
from commonroom.actors.room.actor import RoomActor
from commonroom.actors.room.feature import Feature
from commonroom.actors.room.kind import FEATURES, PLANS, plan_of
from commonroom.actors.user.actor import UserActor
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.listing import ListingWatch
from commonroom.protocol.registry import COMMANDS
from commonroom.protocol.room import RoomCreate, RoomJoin, RoomLeave
from commonroom.protocol.session import HeartbeatReply, Hello, Refresh
from commonroom.protocol.status import StatusSet, StatusWatch


def test_a_study_room_takes_every_command_of_rooms() -> None:
    elsewhere = {Hello, Refresh, HeartbeatReply, RoomCreate, RoomJoin, RoomLeave, ListingWatch, StatusSet, StatusWatch}
    assert set(PLANS["study"].commands) == set(COMMANDS.values()) - elsewhere


def test_there_are_rooms_and_users_and_every_room_kind_has_a_plan() -> None:
    assert {"room": RoomActor, "user": UserActor} == KINDS
    assert set(PLANS) == set(FEATURES)


def test_two_features_cannot_own_one_command_or_one_name() -> None:
    class One(Feature):
        name = "one"
        commands = (MessageSend,)

    class Two(Feature):
        name = "two"
        commands = (MessageSend,)

    class SameName(Feature):
        name = "one"

    with pytest.raises(ValueError, match="two owners"):
        plan_of((One, Two))
    with pytest.raises(ValueError, match="two owners"):
        plan_of((One, SameName))


def test_a_feature_that_overrides_nothing_does_nothing() -> None:
    feature = Feature(None)  # type: ignore[arg-type]
    assert (feature.due(), feature.dump(), feature.resync(), feature.needs(None)) == (None,) * 4  # type: ignore[arg-type]
