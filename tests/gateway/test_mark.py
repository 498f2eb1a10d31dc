"""What an admin imposes on people who are connected, through a gateway in front of real rooms on virtual time."""

from msgspec.structs import replace

from commonroom.actors.room.succession import AWAY_MS
from commonroom.identity import Authority
from commonroom.protocol.moderation import RoomModerated
from tests.gateway.house import House, guest

ROOM = "quiet"


def _muted(authority: Authority) -> Authority:
    return replace(authority, sanction="mute")


def test_a_room_hears_of_a_mute_of_somebody_who_says_nothing() -> None:
    with House() as house:
        ada, bob, cem = (house.person(guest(name)) for name in ("ada", "bob", "cem"))
        ada.do("room.create", room=ROOM, kind="study", title="Quiet")
        for person in (ada, bob, cem):
            person.join(ROOM)
            house.pass_s(1)
        house.loop.call_soon(house.gateway.mark, {"bob"}, _muted)
        ada.leave()
        house.pass_s(AWAY_MS / 1000 + 5)
        heirs = [event.person for event in house.events(ROOM) if isinstance(event, RoomModerated) and event.role == "host"]
        assert heirs == [guest("cem")]
