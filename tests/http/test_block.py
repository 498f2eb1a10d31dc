"""Blocks over HTTP: the list, what it does to history and counts, and that nothing else shows it (RELIABILITY A8)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from commonroom.identity import Principal
from commonroom.ids import new_id
from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.presence import PresenceReset
from commonroom.protocol.room import Joined, RoomRemoved
from commonroom.protocol.session import Reply, Skip
from commonroom.storage.repository import block
from tests.http.account import registered, unused
from tests.http.api import Account, Answer, Api
from tests.support.client import Peer, until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

NewUser = Callable[[], Awaitable[Account]]


@pytest.fixture
def new_user(api: Api, mail: MailServer) -> NewUser:
    async def make() -> Account:
        return await registered(api, mail, unused())

    return make


async def named(api: Api, account: Account) -> str:
    username = "u" + new_id(0)[-10:].translate(str.maketrans("0123456789", "abcdefghjk"))
    made = await api.call("PUT", "/v1/me/username", {"username": username}, account.bearer)
    assert made.status in {200, 204}, made.body
    return username


def who(account: Account) -> str:
    return f"{account.principal['actorType']}:{account.principal['actorId']}"


async def change(api: Api, method: str, blocker: Account, blocked: str) -> Answer:
    return await api.call(method, f"/v1/blocks/{blocked}", headers=blocker.bearer)


async def blocks(api: Api, account: Account) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.call("GET", "/v1/blocks", headers=account.bearer)).json["blocks"]
    return found


async def enter(api: Api, peers: list[Peer], account: Account, room: str) -> tuple[Peer, Joined]:
    token = (await api.call("POST", "/v1/ws-token", {}, account.bearer)).json["token"]
    peer = await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)
    peers.append(peer)
    joined = await peer.request("room.join", room=room)
    assert isinstance(joined, Joined)
    return peer, joined


async def say(peer: Peer, room: str, text: str) -> int:
    answer = await peer.request("message.send", room=room, text=text, nonce=new_id(0))
    assert isinstance(answer, Reply)
    return answer.offset


async def test_who_is_blocked_is_listed_by_the_name_of_today(api: Api, new_user: NewUser, bob: Account) -> None:
    ada, eve = await new_user(), await new_user()
    username = await named(api, eve)
    for one in (who(bob), username, who(eve)):
        assert (await change(api, "PUT", ada, one)).status == 204
    listed = await blocks(api, ada)
    assert {type(one.pop("blockedAt")) for one in listed} == {int}
    assert listed == [
        {**eve.principal, "name": "Ada L.", "username": username},
        {**bob.principal, "name": "Bob", "username": None},
    ]
    for one in (who(eve), who(eve), who(bob)):
        assert (await change(api, "DELETE", ada, one)).status == 204
    assert await blocks(api, ada) == []
    assert await blocks(api, eve) == []


async def test_only_users_block_and_only_somebody_else_who_exists(api: Api, new_user: NewUser, bob: Account) -> None:
    ada = await new_user()
    username = await named(api, ada)
    (await change(api, "PUT", bob, who(ada))).problem(403, "SIGN_IN_NEEDED")
    for method in ("PUT", "DELETE"):
        for nobody in ("user:nobody", "guest:nobody", "nobody.of.that.name", "%00", "user:"):
            (await change(api, method, ada, nobody)).problem(404, "NOT_FOUND")
    for myself in (username, who(ada)):
        (await change(api, "PUT", ada, myself)).problem(422, "INVALID")
    assert await blocks(api, ada) == []


async def test_a_user_blocks_so_many_at_most(api: Api, new_user: NewUser, bob: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, eve = await new_user(), await new_user()
    monkeypatch.setattr(block.Blocks.add, "__defaults__", (1,))
    assert (await change(api, "PUT", ada, who(bob))).status == 204
    (await change(api, "PUT", ada, who(eve))).problem(403, "LIMIT_EXCEEDED")
    assert (await change(api, "PUT", ada, who(bob))).status == 204


async def test_who_deleted_their_account_stays_blocked_and_can_be_taken_off_the_list(api: Api, new_user: NewUser) -> None:
    ada, eve = await new_user(), await new_user()
    assert (await change(api, "PUT", ada, who(eve))).status == 204
    assert (await api.call("DELETE", "/v1/me", headers=eve.bearer)).status == 204
    assert [one["name"] for one in await blocks(api, ada)] == [""]
    assert (await change(api, "DELETE", ada, who(eve))).status == 204
    (await change(api, "DELETE", ada, who(eve))).problem(404, "NOT_FOUND")


async def test_my_data_names_whom_i_block(api: Api, new_user: NewUser, bob: Account) -> None:
    ada = await new_user()
    await change(api, "PUT", ada, who(bob))
    exported = (await api.call("GET", "/v1/me/export", headers=ada.bearer)).json
    assert [one["actorId"] for one in exported["blocks"]] == [bob.sid]


async def test_A8_history_leaves_the_hidden_out_in_both_directions_and_pages_go_on(
    api: Api, new_user: NewUser, bob: Account, peers: list[Peer]
) -> None:
    ada, carol = await new_user(), await new_user()
    room = await api.room(carol)
    speakers = [(await enter(api, peers, one, room))[0] for one in (ada, bob, carol)]
    for number in range(4):
        for speaker, name in zip(speakers, ("ada", "bob", "carol"), strict=True):
            await say(speaker, room, f"{name} {number}")
    await change(api, "PUT", ada, who(bob))

    async def texts(reader: Account, limit: int) -> list[str]:
        read: list[str] = []
        before: str | None = ""
        while before is not None:
            page = (await api.call("GET", f"/v1/rooms/{room}/messages?limit={limit}&before={before}", headers=reader.bearer)).json
            assert len(page["messages"]) == limit or not page["hasMore"], "a page is full while there is more"
            read = [row["text"] for row in page["messages"]] + read
            before = page["nextCursor"]
        return read

    everything = [f"{name} {number}" for number in range(4) for name in ("ada", "bob", "carol")]
    for limit in (1, 2, 3, 100):
        assert await texts(bob, limit) == [text for text in everything if "ada" not in text]
        assert await texts(ada, limit) == [text for text in everything if "bob" not in text]
        assert await texts(carol, limit) == everything
    await change(api, "DELETE", ada, who(bob))
    assert await texts(bob, 3) == everything


async def test_A8_a_room_counts_for_a_reader_whom_the_reader_sees(api: Api, new_user: NewUser, bob: Account, peers: list[Peer]) -> None:
    ada, carol = await new_user(), await new_user()
    room = await api.room(carol)
    for one in (ada, carol, bob):
        await enter(api, peers, one, room)
    await change(api, "PUT", ada, who(bob))

    async def present(reader: Account) -> int:
        count: int = (await api.call("GET", f"/v1/rooms/{room}", headers=reader.bearer)).json["present"]
        return count

    assert [await present(one) for one in (ada, bob, carol)] == [2, 2, 3]


async def test_A8_a_block_hides_both_from_each_other_on_live_sockets_and_its_end_replays_nothing(
    api: Api, new_user: NewUser, peers: list[Peer]
) -> None:
    ada, bob, carol = await new_user(), await new_user(), await new_user()
    room = await api.room(carol)
    everybody = [(await enter(api, peers, one, room))[0] for one in (ada, bob, carol)]
    of_ada, of_bob, of_carol = everybody
    await change(api, "PUT", ada, who(bob))
    for peer in (of_ada, of_bob):
        await until(lambda peer=peer: peer.pushes(room, PresenceReset), "a fresh snapshot")  # type: ignore[misc]
        assert len(peer.pushes(room, PresenceReset)[-1].presence.people) == 2
    hidden = await say(of_ada, room, "not for Bob")
    last = await say(of_carol, room, "for all")
    await until(lambda: of_bob.pushes(room, MessageCreate), "what Carol said")
    assert [one.offset for one in of_bob.pushes(room, MessageCreate)] == [last]
    assert [one.offset for one in of_bob.pushes(room, Skip)] == [hidden]
    await change(api, "DELETE", ada, who(bob))
    await until(lambda: len(of_bob.pushes(room, PresenceReset)) == 2, "a fresh snapshot")
    assert len(of_bob.pushes(room, PresenceReset)[-1].presence.people) == 3
    after = await say(of_ada, room, "for Bob again")
    await until(lambda: len(of_bob.pushes(room, MessageCreate)) == 2, "what Ada said")
    assert [one.offset for one in of_bob.pushes(room, MessageCreate)] == [last, after]


async def test_A8_profile_and_search_show_a_blocker_as_they_show_anybody(api: Api, new_user: NewUser, peers: list[Peer]) -> None:
    ada, bob, carol = await new_user(), await new_user(), await new_user()
    username = await named(api, ada)
    room = await api.room(carol)

    async def seen_by(reader: Account) -> list[bytes]:
        asked = (f"/v1/users/{username}", f"/v1/users/search?q={username}")
        return [(await api.call("GET", path, headers=reader.bearer)).body for path in asked]

    before = await seen_by(bob)
    await change(api, "PUT", ada, who(bob))
    assert await seen_by(bob) == before == await seen_by(carol)
    await enter(api, peers, ada, room)
    assert await seen_by(bob) == before, "from now on Carol may see that Ada is here"
    assert username.encode() in before[1], "a public username is found by everybody"


async def test_A8_who_blocks_a_guest_does_not_meet_the_user_that_it_becomes(
    api: Api, mail: MailServer, new_user: NewUser, peers: list[Peer]
) -> None:
    ada, carol, gus = await new_user(), await new_user(), await api.guest("Gus")
    room = await api.room(carol)
    of_gus, _ = await enter(api, peers, gus, room)
    of_ada, _ = await enter(api, peers, ada, room)
    await say(of_gus, room, "as a guest")
    await change(api, "PUT", ada, who(gus))
    await until(lambda: of_ada.pushes(room, PresenceReset), "a fresh snapshot")
    user = await registered(api, mail, unused(), gus.bearer)
    assert user.sid == gus.sid
    await until(lambda: len(of_ada.pushes(room, PresenceReset)) == 2, "the new name of Gus")
    of_user, _ = await enter(api, peers, user, room)
    await say(of_user, room, "as a user")
    _, joined = await enter(api, peers, ada, room)
    assert [person.principal.actor_id for person in joined.presence.people] == [ada.principal["actorId"]]
    assert joined.messages == []
    assert [one["actorId"] for one in await blocks(api, ada)] == [user.principal["actorId"]]


async def test_A8_a_host_sends_away_by_name_who_hides_from_them_and_a_co_host_sees_that_one(
    api: Api, new_user: NewUser, peers: list[Peer]
) -> None:
    host, troll, helper = await new_user(), await new_user(), await new_user()
    username = await named(api, troll)
    room = await api.room(host)
    await change(api, "PUT", troll, who(host))
    of_host, of_troll, of_helper = [(await enter(api, peers, one, room))[0] for one in (host, troll, helper)]
    helping = {"person": who(helper), "role": "cohost"}
    assert (await api.call("POST", f"/v1/rooms/{room}/role", helping, host.bearer)).status == 204
    offset = await say(of_troll, room, "abuse")
    await until(lambda: of_helper.pushes(room, MessageCreate), "the abuse")
    assert of_helper.pushes(room, MessageCreate)[0].author == Principal("user", troll.principal["actorId"])
    await until(lambda: offset in [one.offset for one in of_host.pushes(room, Skip)], "all that the host gets of it")
    assert not of_host.pushes(room, MessageCreate)
    assert (await api.call("POST", f"/v1/rooms/{room}/ban", {"person": username}, host.bearer)).status == 204
    await until(lambda: of_troll.pushes(room, RoomRemoved), "the ban")
    banned = (await api.call("GET", f"/v1/rooms/{room}/bans", headers=host.bearer)).json["bans"]
    assert [one["actorId"] for one in banned] == [troll.principal["actorId"]]


async def test_blocks_of_many_at_once_are_all_there(api: Api, new_user: NewUser) -> None:
    ada = await new_user()
    others = [await api.guest(f"G{number}") for number in range(8)]
    answers = await asyncio.gather(*(change(api, "PUT", ada, who(one)) for one in others))
    assert {answer.status for answer in answers} == {204}
    assert {one["actorId"] for one in await blocks(api, ada)} == {one.sid for one in others}
