"""Invites and members in the tables: what rooms say of them, in whatever batches it comes; whose they are; what is forgotten."""

from collections.abc import Sequence
from itertools import count

import pytest

from commonroom.engine.private import pack
from commonroom.errors import Invalid
from commonroom.identity import Principal
from commonroom.ids import Random, invite_digest, new_id, seeded
from commonroom.protocol.invite import InviteCreated, InviteFacts, InviteRevoked, MemberAdded, MemberRemoved, membership
from commonroom.protocol.moderation import RoomModerated
from commonroom.protocol.wire import DurablePush
from commonroom.storage.pool import Database, Transaction
from commonroom.storage.projection.membership import MembershipProjection
from commonroom.storage.projection.projection import SlotEvent
from commonroom.storage.repository.account_change import account_change
from commonroom.storage.repository.membership import Memberships
from commonroom.storage.repository.personal_data import PersonalData
from tests.storage.test_block import guest, sign_in, user

ADA = Principal("guest", "ada")


class Story:
    """Events of one room, in order."""

    def __init__(self, room: str | None = None, after: int = 1, at: int | None = None) -> None:
        self.room = room or new_id(1)
        self._at = at
        self.events: list[SlotEvent] = []
        self._offsets = count(after + 1)

    def add(self, event: DurablePush, facts: InviteFacts | None = None) -> None:
        self.events.append(SlotEvent(f"room/{self.room}", event.offset, event, pack(facts, None)[1]))

    def invite(self, name: str, code: str, forgotten: Sequence[str] = (), author: Principal = ADA) -> None:
        event = InviteCreated(*self._stamp(author), invite=name, expires_at=9, uses=3)
        self.add(event, InviteFacts(invite_digest(code), list(forgotten)))

    def revoke(self, name: str) -> None:
        self.add(InviteRevoked(*self._stamp(ADA), invite=name))

    def enter(self, person: Principal, invite: str | None = "i") -> None:
        self.add(MemberAdded(*self._stamp(person), person=person, invite=invite))

    def leave(self, person: Principal) -> None:
        self.add(MemberRemoved(*self._stamp(person), person=person))

    def kick(self, person: Principal, *guests: Principal) -> None:
        self.add(RoomModerated(*self._stamp(ADA), action="kick", person=person, guests=list(guests)))

    def demote(self, person: Principal) -> None:
        self.add(RoomModerated(*self._stamp(ADA), action="role", person=person, role="participant"))

    def _stamp(self, author: Principal) -> tuple[str, int, int, Principal, str]:
        offset = next(self._offsets)
        return self.room, offset, 1000 + offset if self._at is None else self._at, author, "nonce-0001"


async def project(database: Database, *batches: Sequence[SlotEvent]) -> None:
    projection = MembershipProjection()
    for batch in batches:
        async with database.transaction() as connection:
            await projection.apply(connection, batch)


async def members(database: Database, room: str) -> dict[str, tuple[int, str | None]]:
    page, _ = await Memberships(database).page(room, None, 1000)
    return {one.principal.actor_id: (one.at, one.invite) for one in page}


async def test_P17_a_code_finds_its_room_until_it_is_revoked_or_forgotten(database: Database) -> None:
    story, codes = Story(), [new_id(1) for _ in range(3)]
    for number, code in enumerate(codes):
        story.invite(f"i{number}", code)
    await project(database, story.events)
    find = Memberships(database).room_of
    assert [await find(invite_digest(code)) for code in (*codes, new_id(1))] == [story.room] * 3 + [None]
    later = Story(story.room)
    later.revoke("i0")
    later.invite("i3", new_id(1), forgotten=["i1"])
    await project(database, later.events)
    assert [await find(invite_digest(code)) for code in codes] == [None, None, story.room]


async def test_P17_a_code_of_one_room_is_not_forgotten_by_another(database: Database) -> None:
    mine, other, code = Story(), Story(), new_id(1)
    mine.invite("i", code)
    other.revoke("i")
    await project(database, mine.events, other.events)
    assert await Memberships(database).room_of(invite_digest(code)) == mine.room


async def test_P35_whoever_is_sent_away_is_a_member_no_longer_by_any_name(database: Database) -> None:
    story = Story()
    eve, was = Principal("user", "eve"), Principal("guest", "was")
    for person in (eve, was, ADA):
        story.enter(person)
    story.kick(eve, was)
    await project(database, story.events)
    assert list(await members(database, story.room)) == ["ada"]


@pytest.mark.parametrize("nth", range(20))
async def test_P17_in_whatever_batches_the_events_come_the_members_are_the_rooms(database: Database, seed: int, nth: int) -> None:
    random, story, other = seeded(f"{seed} {nth}"), Story(), Story()
    people = [Principal("guest", f"g{number}") for number in range(4)]
    for _ in range(40):
        _happen(random, random.choice([story, story, other]), people)
    events = sorted([*story.events, *other.events], key=lambda one: one.slot_pos)
    await project(database, *_cut(random, events))
    for one in (story, other):
        assert await members(database, one.room) == _folded(one.events)


def _happen(random: Random, story: Story, people: Sequence[Principal]) -> None:
    one, another = random.sample(people, 2)
    match random.randrange(4):
        case 0:
            story.enter(one, f"i{random.randrange(3)}")
        case 1:
            story.leave(one)
        case 2:
            story.kick(one, another)
        case _:
            story.demote(one)


def _cut(random: Random, events: Sequence[SlotEvent]) -> list[Sequence[SlotEvent]]:
    places = sorted(random.sample(range(1, len(events)), random.randrange(6)))
    return [events[first:last] for first, last in zip([0, *places], [*places, len(events)], strict=True)]


def _folded(events: Sequence[SlotEvent]) -> dict[str, tuple[int, str | None]]:
    found: dict[str, tuple[int, str | None]] = {}
    for one in events:
        if (change := membership(one.event)) is not None:
            for person in change.removed:
                found.pop(person.actor_id, None)
            for person in change.added:
                found.setdefault(person.actor_id, (one.event.at, change.invite))
    return found


async def test_P17_members_are_paged_whole_the_oldest_first_while_others_come(database: Database) -> None:
    story, repository = Story(at=1000), Memberships(database)  # all at once: a page ends between two of one moment
    for number in range(7):
        story.enter(Principal("guest", f"g{number}"))
    await project(database, story.events)
    seen, cursor = [], None
    while True:
        page, cursor = await repository.page(story.room, cursor, 3)
        seen += [one.principal.actor_id for one in page]
        if cursor is None:
            break
        later = Story(story.room, after=100 * len(seen))
        later.enter(Principal("guest", f"later{len(seen)}"))
        later.leave(Principal("guest", seen[0]))
        await project(database, later.events)
    assert seen == [*(f"g{number}" for number in range(7)), "later3", "later6"]


async def test_A8_pages_of_members_are_full_and_no_cursor_names_somebody_hidden(database: Database) -> None:
    story, repository = Story(at=1000), Memberships(database)
    for number in range(6):
        story.enter(Principal("guest", f"g{number}"))
    await project(database, story.events)
    page, cursor = await repository.page(story.room, None, 2, {"g0", "g2", "g4", "g5"})
    assert ([one.principal.actor_id for one in page], cursor) == (["g1", "g3"], None)
    page, cursor = await repository.page(story.room, None, 1, {"g0", "g2"})
    assert ([one.principal.actor_id for one in page], cursor) == (["g1"], f"{page[0].at}.g1")


@pytest.mark.parametrize("cursor", ["x", ".", "1", "-1.x", "1" * 17 + ".x", "1.\0", "٣.x"])
async def test_a_cursor_that_is_not_ours_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(Invalid):
        await Memberships(database).page("r", cursor, 3)


async def test_an_export_has_the_memberships_and_invites_of_a_person_and_nobody_elses(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commonroom.storage.repository.personal_data.ROWS", 2)
    me, was, other = await user(database), await guest(database), await user(database)
    stories = [Story() for _ in range(5)]
    for number, story in enumerate(stories):
        story.enter(was if number == 4 else me)
        story.enter(other)
        story.invite("i", new_id(1), author=was if number == 4 else me)
        story.invite("j", new_id(1), author=other)
    await project(database, *(story.events for story in stories))
    data, actors = PersonalData(database), [me.actor_id, was.actor_id]
    memberships = [one async for batch in data.memberships(actors) for one in batch]
    invites = [one async for batch in data.invites(actors) for one in batch]
    rooms = sorted(story.room for story in stories)
    assert sorted(one.room for one in memberships) == sorted(one.room for one in invites) == rooms
    assert {(one.invite, one.at) for one in memberships} == {("i", 1002)}
    assert {(one.expires_at, one.uses) for one in invites} == {(9, 3)}


async def test_a_deleted_account_is_in_no_list_and_made_nothing(database: Database) -> None:
    me, was, other = await user(database), await guest(database), await user(database)
    await sign_in(database, me, was)
    story, code = Story(), new_id(1)
    for person in (me, was, other):
        story.enter(person)
    story.invite("i", code, author=was)
    await project(database, story.events)
    async with account_change(database, me.actor_id) as change:
        assert change is not None
        assert isinstance(change.within, Transaction)
        await change.delete(5)
    assert list(await members(database, story.room)) == [other.actor_id]
    assert await Memberships(database).room_of(invite_digest(code)) == story.room, "it is the room's"
    data = PersonalData(database)
    assert [one async for batch in data.invites([me.actor_id, was.actor_id]) for one in batch] == []
