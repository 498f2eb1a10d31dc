"""RELIABILITY A7: what people write is stored as it is and served as data; what could not be shown as written is refused."""

from typing import Final
from urllib.parse import quote

import pytest

from commonroom.protocol.session import Reply
from tests.http.account import registered, unused
from tests.http.api import Account, Answer, Api
from tests.support.client import Peer, Refused
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKS: Final = "e" + "\u0301" * 1500
HOSTILE: Final = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "<svg onload=alert(1)>", "</title><b>",
    "&lt;b&gt;", "{{7*7}}",
    "${7*7}", "%00", "\\u003cscript\\u003e", "]]>", "' or 1=1--", "a\u2028b", "a\u200db", "👩\u200d🚀", "\ufeffx", "ﷺ", MARKS,
)  # fmt: skip
TURNED: Final = ("\u202etxt.exe", "a\u2066b", "\u202dabc")


async def spoken(api: Api, who: Account, room: str, text: str) -> None:
    token = (await api.call("POST", "/v1/ws-token", {}, who.bearer)).json["token"]
    peer = await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)
    await peer.request("room.join", room=room)
    assert isinstance(await peer.request("message.send", room=room, text=text, nonce="nonce-0001"), Reply)
    await peer.close()


def is_data(answer: Answer) -> bool:
    """Whether a browser can take it for nothing else, wherever it is opened."""
    policy = answer.headers["Content-Security-Policy"]
    sniffs = answer.headers["X-Content-Type-Options"] != "nosniff"
    return answer.headers["Content-Type"] in {"application/json", "application/problem+json"} and not sniffs and "unsafe" not in policy


@pytest.mark.parametrize("text", [*HOSTILE, *TURNED], ids=range(len(HOSTILE) + len(TURNED)))
async def test_A7_a_message_is_stored_and_served_as_it_was_written(api: Api, ada: Account, text: str) -> None:
    room = await api.room(ada)
    await spoken(api, ada, room, text)
    page = await api.call("GET", f"/v1/rooms/{room}/messages", headers={**ada.bearer, "Accept": "text/html"})
    assert [one["text"] for one in page.json["messages"]] == [text]
    assert is_data(page)


async def test_A7_a_message_of_100_kilobytes_of_marks_is_refused(api: Api, ada: Account) -> None:
    with pytest.raises(Refused) as refused:
        await spoken(api, ada, await api.room(ada), "e" + "\u0301" * 25_000)
    assert refused.value.error.name == "INVALID"


@pytest.mark.parametrize("text", [one for one in HOSTILE if len(one) <= 60 and "\u2028" not in one], ids=repr)
async def test_A7_a_room_and_a_person_are_called_as_they_were_named(api: Api, ada: Account, mail: MailServer, text: str) -> None:
    made = await api.call("POST", "/v1/rooms", {"title": text, "topic": text}, ada.bearer)
    assert (made.status, made.json["title"], made.json["topic"]) == (201, text, text)
    renamed = await api.call("PATCH", "/v1/me", {"name": text}, ada.bearer)
    assert (renamed.status, renamed.json["name"]) == (200, " ".join(text.split()))
    for answer in (made, renamed, await api.call("GET", f"/v1/rooms/{made.json['id']}", headers=ada.bearer)):
        assert is_data(answer)


@pytest.mark.parametrize("text", TURNED)
async def test_A7_no_name_turns_the_text_around_it(api: Api, ada: Account, mail: MailServer, text: str) -> None:
    (await api.call("PATCH", "/v1/me", {"name": text}, ada.bearer)).problem(422, "INVALID")
    user = await registered(api, mail, unused())
    (await api.call("PATCH", "/v1/me", {"statusText": text}, user.bearer)).problem(422, "INVALID")


async def test_A7_a_custom_status_is_shown_as_it_was_written(api: Api, mail: MailServer) -> None:
    user = await registered(api, mail, unused())
    username = f"status.of{user.sid[-8:]}"
    assert (await api.call("PUT", "/v1/me/username", {"username": username}, user.bearer)).status == 204
    for text in HOSTILE[:7]:
        changed = await api.call("PATCH", "/v1/me", {"statusText": text}, user.bearer)
        assert (changed.status, changed.json["statusText"]) == (200, text)
        profile = await api.call("GET", f"/v1/users/{username}", headers=user.bearer)
        assert profile.json["statusText"] == text
        assert is_data(profile)


@pytest.mark.parametrize("path", ["/v1/rooms/{}", "/v1/users/{}", "/v1/rooms?cursor={}", "/r/{}", "/{}", "/v1/auth/{}/start"])
async def test_A7_an_answer_repeats_no_markup_of_the_address(api: Api, ada: Account, path: str) -> None:
    markup = "<script>alert(1)</script>"
    for sent in (markup, quote(markup)):
        answer = await api.call("GET", path.format(sent).replace(" ", "%20"), headers=ada.bearer)
        assert b"<script>alert" not in answer.body
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
