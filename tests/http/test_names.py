"""What is asked for by name, and how: names are ids and never patterns (A2), a search is no query language (A6), nobody is counted (A9)."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import pytest
import pytest_asyncio

from commonroom.protocol.chat import MessageCreate
from commonroom.protocol.session import ResumeAt
from commonroom.protocol.wire import StreamPosition
from tests.http.account import registered, unused
from tests.http.api import UNSAID, Account, Answer, Api
from tests.support.client import Peer, Refused, until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOPICS: Final = (
    "*", "**", "#", "+", "?", "%", "_", ">", "room:#", "room:*", "room/*", "user:2", "user/2", "$SYS/#", "__keyspace@0__:*",
    "__keyevent@0__:del", "[a-z]*",
    "..", "../room", "room/x", "/", "", " ", "\x00", "a\x00b", "\n", "\u202e", "\u2028", "é" * 60, "x" * 121, "x" * 10_000, "null",
    "undefined",
    "commonroom:bus", "node", "leaderboard/all", "' or '1'='1", "01hroom' --", "%2e%2e", "☃",
)  # fmt: skip


@pytest_asyncio.fixture(loop_scope="session")
async def eve(api: Api, bob: Account) -> AsyncIterator[Peer]:
    peer = await peer_of(api, bob)
    yield peer
    await peer.close()


async def peer_of(api: Api, who: Account, resume: tuple[ResumeAt, ...] = ()) -> Peer:
    token = (await api.call("POST", "/v1/ws-token", {}, who.bearer)).json["token"]
    return await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token, resume)


async def refusal(peer: Peer, command: str, **fields: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        await peer.request(command, **fields)
    return refused.value.error.name, refused.value.error.message


class TestA2:
    @pytest.mark.parametrize("topic", TOPICS, ids=range(len(TOPICS)))
    async def test_A2_a_pattern_joins_nothing(self, eve: Peer, topic: str) -> None:
        for command, fields in (("room.join", {}), ("message.send", {"text": "all of you", "nonce": "nonce-0001"}), ("typing.start", {})):
            name, _ = await refusal(eve, command, room=topic, **fields)
            assert name in {"NOT_FOUND", "INVALID", "NOT_JOINED"}

    async def test_A2_who_asked_for_all_rooms_hears_of_none(self, api: Api, ada: Account, bob: Account) -> None:
        room = await api.room(ada)
        everywhere = tuple(ResumeAt(topic, StreamPosition(1, 0)) for topic in TOPICS if 0 < len(topic) <= 120)
        eve, speaker = await peer_of(api, bob, everywhere), await peer_of(api, ada)
        await speaker.request("room.join", room=room)
        await speaker.request("message.send", room=room, text="between us", nonce="nonce-0001")
        await until(lambda: speaker.pushes(room, MessageCreate), "the message")
        assert eve.seen == {}
        for one in (eve, speaker):
            await one.close()

    @pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic not in {"", "..", "/"}], ids=repr)
    async def test_A2_no_path_takes_a_pattern(self, api: Api, ada: Account, topic: str) -> None:
        name = quote(topic, safe="")
        for method, path in (("GET", f"/v1/rooms/{name}"), ("GET", f"/v1/rooms/{name}/messages"), ("GET", f"/v1/users/{name}")):
            answer = await api.call(method, path, headers=ada.bearer)
            assert answer.status in {400, 404, 414, 422}
        answer = await api.call("DELETE", f"/v1/me/sessions/{name}", headers=ada.bearer)
        assert answer.status in {400, 404, 414}, "a session that is none is not found"
        assert (await api.call("GET", "/v1/me", headers=ada.bearer)).status == 200


QUERIES: Final = (
    "& |", "a & & b", "!!", "'", "a:*b", "(((", "<->", "\\", "!" * 64, "%%", "__", "%_%_", "a%", "'); drop table app_user;--",
    "' or '1'='1", "\\u0000x",
    '"', "ab\x00", "\u202eab", "\U0001f4a9\U0001f4a9", "ab" * 33, "x" * 10_000, " ".join(["term"] * 1000), "\x7f\x7f", "ﷺﷺ", "ſſ", "ıİ",
)  # fmt: skip
"""R12's, wildcards, quotes, and what grows when it is folded."""


class TestA6:
    @pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
    async def test_A6_whatever_is_searched_for_is_text(self, api: Api, mail: MailServer, searcher: Account, query: str) -> None:
        answer = await api.call("GET", f"/v1/users/search?q={quote(query, safe='')}", headers=searcher.bearer)
        assert answer.status in {200, 400, 414, 422}
        if answer.status == 200:
            assert answer.json["users"] == [], "a wildcard finds nobody"

    async def test_A6_people_are_still_there_and_found(self, api: Api, searcher: Account) -> None:
        found = await api.call("GET", "/v1/users/search?q=searcher.of", headers=searcher.bearer)
        assert [one["username"][:11] for one in found.json["users"]] == ["searcher.of"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def searcher(api: Api, mail: MailServer) -> Account:
    """A user who can be found."""
    user = await registered(api, mail, unused())
    assert (await api.call("PUT", "/v1/me/username", {"username": f"searcher.of{user.sid[-6:]}"}, user.bearer)).status == 204
    return user


ABSENT: Final = "01" + "0" * 24


def uniform(answer: Answer) -> tuple[int, dict[str, Any]]:
    """An answer without what differs between any two."""
    return answer.status, {name: told for name, told in answer.json.items() if name != "requestId"}


class TestA9:
    async def test_A9_a_room_that_one_is_not_in_is_as_absent_as_one_that_does_not_exist(self, api: Api, ada: Account, bob: Account) -> None:
        room = await api.room(ada, "Secret", visibility="private")
        host = await peer_of(api, ada)
        await host.request("room.join", room=room)
        for method, path, body in (
            ("GET", "/v1/rooms/{}", UNSAID),
            ("GET", "/v1/rooms/{}/messages", UNSAID),
            ("GET", "/v1/rooms/{}/members", UNSAID),
            ("GET", "/v1/rooms/{}/presence", UNSAID),
            ("POST", "/v1/ws-token", {"roomId": "{}"}),
        ):
            told = [
                uniform(await api.call(method, path.format(one), {"roomId": one} if body is not UNSAID else body, bob.bearer))
                for one in (room, ABSENT)
            ]
            assert told[0] == told[1]
            assert told[0][0] == 404
        await host.close()

    async def test_A9_the_socket_tells_no_difference_either(self, api: Api, ada: Account, eve: Peer) -> None:
        room = await api.room(ada, "Secret", visibility="private")
        host = await peer_of(api, ada)
        await host.request("room.join", room=room)
        for command, fields in (
            ("room.join", {}),
            ("room.join", {"resume": StreamPosition(1, 1)}),
            ("message.send", {"text": "hello", "nonce": "nonce-0001"}),
            ("typing.start", {}),
            ("timer.start", {"nonce": "nonce-0002"}),
        ):
            told = [(await refusal(eve, command, room=one, **fields)) for one in (room, ABSENT)]
            assert told[0][0] == told[1][0]
            assert told[0][1].replace(room, "") == told[1][1].replace(ABSENT, "")
        assert eve.seen == {}
        await host.close()

    @pytest.mark.parametrize("path", ["/v1/users?email={}", "/v1/users/search?q={}", "/v1/users/search?email={}&q=zz", "/v1/users/{}"])
    async def test_A9_an_address_finds_nobody_whether_it_is_known_or_not(
        self, api: Api, mail: MailServer, searcher: Account, path: str
    ) -> None:
        known = unused()
        await registered(api, mail, known)
        told = [uniform(await api.call("GET", path.format(quote(one)), headers=searcher.bearer)) for one in (known, unused())]
        assert told[0] == told[1]
        assert told[0] in [(404, told[0][1]), (200, {"users": []}), (422, told[0][1])]
