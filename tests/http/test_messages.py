"""History over HTTP: what the socket acknowledged is there, as it reads now."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from commonroom.protocol.session import Reply
from tests.http.api import Account, Api
from tests.support.client import Peer

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Talk:
    """A person in a room, over a socket."""

    def __init__(self, peer: Peer, room: str) -> None:
        self.peer = peer
        self.room = room
        self._sent = 0

    async def do(self, command: str, **fields: object) -> int:
        self._sent += 1
        answer = await self.peer.request(command, room=self.room, nonce=f"nonce-{self._sent:04}", **fields)
        assert isinstance(answer, Reply)
        assert answer.offset is not None
        return answer.offset

    async def say(self, text: str) -> int:
        return await self.do("message.send", text=text)


@pytest_asyncio.fixture(loop_scope="session")
async def talk(api: Api, ada: Account) -> AsyncIterator[Talk]:
    room = await api.room(ada)
    token = (await api.call("POST", "/v1/ws-token", {}, ada.bearer)).json["token"]
    peer = await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)
    await peer.request("room.join", room=room)
    yield Talk(peer, room)
    await peer.close()


async def test_an_acknowledged_message_is_shown_at_once(api: Api, ada: Account, talk: Talk) -> None:
    for number in range(20):
        offset = await talk.say(f"text {number}")
        page = (await api.call("GET", f"/v1/rooms/{talk.room}/messages?limit=1", headers=ada.bearer)).json
        (row,) = page["messages"]
        assert (row["id"], row["text"]) == (offset, f"text {number}")


async def test_a_message_says_who_when_and_what(api: Api, ada: Account, bob: Account, talk: Talk) -> None:
    offset = await talk.say("héllo <b>&amp;</b> \u202e 👩‍💻")
    page = await api.call("GET", f"/v1/rooms/{talk.room}/messages", headers=bob.bearer)
    (row,) = page.json["messages"]
    assert isinstance(row.pop("at"), int)
    assert row == {
        "id": offset, "author": {"actorType": "guest", "actorId": ada.sid, "name": "Ada", "user": None},
        "text": "héllo <b>&amp;</b> \u202e 👩‍💻",
        "editedAt": None, "deleted": False, "nonce": "nonce-0001",
    }  # fmt: skip
    assert (page.json["hasMore"], page.json["nextCursor"]) == (False, None)


async def test_pages_go_back_to_the_first_message(api: Api, ada: Account, talk: Talk) -> None:
    offsets = [await talk.say(f"text {number}") for number in range(7)]
    seen: list[int] = []
    before: str | None = ""
    for expected in ([4, 5, 6], [1, 2, 3], [0]):
        page = (await api.call("GET", f"/v1/rooms/{talk.room}/messages?limit=3&before={before}", headers=ada.bearer)).json
        assert [row["text"] for row in page["messages"]] == [f"text {number}" for number in expected]
        seen += [row["id"] for row in page["messages"]]
        assert page["hasMore"] == (expected != [0])
        before = page["nextCursor"]
        await talk.say("meanwhile")
    assert before is None
    assert sorted(seen) == offsets


async def test_an_author_is_called_as_now(api: Api, ada: Account, talk: Talk) -> None:
    await talk.say("hello")
    await api.call("PATCH", "/v1/me", {"name": "Countess"}, ada.bearer)
    page = (await api.call("GET", f"/v1/rooms/{talk.room}/messages", headers=ada.bearer)).json
    assert page["messages"][0]["author"]["name"] == "Countess"


async def test_an_edit_shows_and_a_deletion_leaves_no_content(api: Api, ada: Account, talk: Talk) -> None:
    edited, deleted = await talk.say("frist"), await talk.say("canary-deleted")
    await talk.do("message.edit", message=edited, text="first")
    await talk.do("message.edit", message=deleted, text="canary-deleted again")
    await talk.do("message.delete", message=deleted)
    page = await api.call("GET", f"/v1/rooms/{talk.room}/messages", headers=ada.bearer)
    first, second = page.json["messages"]
    assert (first["id"], first["text"], first["deleted"]) == (edited, "first", False)
    assert first["editedAt"] >= first["at"]
    assert (second["id"], second["text"], second["deleted"]) == (deleted, "", True)
    assert b"canary" not in page.body


async def test_a_new_room_has_no_messages(api: Api, ada: Account) -> None:
    room = await api.room(ada)
    page = (await api.call("GET", f"/v1/rooms/{room}/messages", headers=ada.bearer)).json
    assert page == {"messages": [], "hasMore": False, "nextCursor": None}


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-5", "limit=1e308", "limit=x", "before=-1", "before=0", "before=1.5", "before=%00", "before=" + "9" * 17]
)
async def test_a_page_that_is_none_is_refused(api: Api, ada: Account, talk: Talk, query: str) -> None:
    problem = (await api.call("GET", f"/v1/rooms/{talk.room}/messages?{query}", headers=ada.bearer)).problem(422, "INVALID")
    assert problem["field"] == query.partition("=")[0]


async def test_a_huge_page_is_clamped(api: Api, ada: Account, talk: Talk) -> None:
    await talk.say("hello")
    answer = await api.call("GET", f"/v1/rooms/{talk.room}/messages?limit={10**15}&before={10**15}", headers=ada.bearer)
    assert (answer.status, len(answer.json["messages"])) == (200, 1)


async def test_who_is_not_signed_in_reads_nothing(api: Api, talk: Talk) -> None:
    (await api.call("GET", f"/v1/rooms/{talk.room}/messages")).problem(401, "UNAUTHENTICATED")
