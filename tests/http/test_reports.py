"""Reports: only of what one sees, with a copy of what one saw, once, not too many; and what becomes of the copy (FEATURES C9, M6)."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from commonroom.app import Node
from commonroom.app.people import REPORTED_MS
from commonroom.http.routes import reports
from commonroom.protocol.session import Reply
from tests.http.account import registered, unused
from tests.http.admin import admin_of, peer_of
from tests.http.api import Account, Answer, Api
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(api: Api, mail: MailServer) -> Account:
    return await admin_of(api, mail)


async def say(api: Api, account: Account, room: str, *texts: str) -> list[int]:
    """The offsets of what somebody says there."""
    peer = await peer_of(api, account)
    await peer.request("room.join", room=room)
    offsets = []
    for number, text in enumerate(texts):
        sent = await peer.request("message.send", room=room, text=text, nonce=f"nonce-{number:06d}-{len(text)}")
        assert isinstance(sent, Reply)
        offsets.append(sent.offset)
    await peer.close()
    return offsets


async def report(api: Api, by: Account, **fields: Any) -> Answer:
    return await api.call("POST", "/v1/reports", {"kind": "abuse", **fields}, by.bearer)


async def shown(api: Api, admin: Account, ident: str, state: str = "open") -> dict[str, Any]:
    """The report as an admin sees it."""
    answer = await api.call("GET", f"/v1/admin/reports?limit=100&state={state}", headers=admin.bearer)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = next(one for one in answer.json["reports"] if one["id"] == ident)
    return found


async def test_M6_a_reported_message_is_kept_as_it_read_with_what_was_said_around_it(
    api: Api, node: Node, admin: Account, ada: Account, bob: Account
) -> None:
    room = await api.room(ada)
    said = await say(api, ada, room, *(f"message {number}" for number in range(20)))
    told = await report(api, bob, room=room, message=said[12], text="  look:\nthis  ")
    assert told.status == 201, told.body
    seen = await shown(api, admin, told.json["id"])
    assert [one["text"] for one in seen["copy"]] == [f"message {number}" for number in range(2, 18)]
    assert (seen["kind"], seen["text"], seen["room"], seen["message"]) == ("abuse", "look:\nthis", room, said[12])
    assert (seen["reporter"]["actorId"], seen["reporter"]["name"]) == (bob.sid, "Bob")
    assert (seen["subject"]["actorId"], seen["copy"][0]["author"]["name"]) == (ada.sid, "Ada")
    peer = await peer_of(api, ada)
    await peer.request("room.join", room=room)
    await peer.request("message.delete", room=room, message=said[12], nonce="nonce-delete")
    await peer.close()
    assert (await shown(api, admin, told.json["id"]))["copy"] == seen["copy"], "C3: the copy outlives the message"
    eve = await api.guest("Eve")
    (await report(api, eve, room=room, message=said[12])).problem(404, "NOT_FOUND")
    await node._people.reports.purge(node._clock.now() - REPORTED_MS, 0, 0)
    assert (await shown(api, admin, told.json["id"]))["copy"] == seen["copy"]
    await node._storage.database.execute("UPDATE report SET at = at - $1 WHERE id = $2", REPORTED_MS + 1000, told.json["id"])
    await node._people.reports.purge(node._clock.now() - REPORTED_MS, 0, 0)
    assert (await shown(api, admin, told.json["id"]))["copy"] is None


@pytest.mark.parametrize(("room_for", "kept"), [(64 * 1024, range(2, 18)), (1000, range(9, 16)), (10, range(12, 13))])
async def test_M6_a_copy_has_the_nearest_messages_and_so_many_bytes(
    api: Api, admin: Account, ada: Account, bob: Account, monkeypatch: pytest.MonkeyPatch, room_for: int, kept: range
) -> None:
    room = await api.room(ada)
    said = await say(api, ada, room, *(f"{number:02d}{'x' * 90}" for number in range(20)))
    monkeypatch.setattr(reports, "MAX_COPY_BYTES", room_for)
    told = (await report(api, bob, room=room, message=said[12])).json["id"]
    assert [int(one["text"][:2]) for one in (await shown(api, admin, told))["copy"]] == list(kept)


async def test_W12_what_one_does_not_see_cannot_be_reported(api: Api, ada: Account, bob: Account) -> None:
    room = await api.room(ada, visibility="private")
    (offset,) = await say(api, ada, room, "for nobody else")
    absent = [await report(api, bob, room="0" * 26, **more) for more in ({}, {"message": 2})]
    hidden = [await report(api, bob, room=room, **more) for more in ({}, {"message": offset})]
    for one, other in zip(hidden, absent, strict=True):
        assert one.problem(404, "NOT_FOUND")["detail"] == other.problem(404, "NOT_FOUND")["detail"]


async def test_A8_whoever_hides_is_not_reported_and_whom_one_hides_is(
    api: Api, admin: Account, mail: MailServer, ada: Account, bob: Account
) -> None:
    uma = await registered(api, mail, unused())
    room = await api.room(ada)
    by_uma, by_bob = (await say(api, uma, room, "hers")), (await say(api, bob, room, "his"))
    assert (await api.call("PUT", f"/v1/blocks/guest:{bob.sid}", headers=uma.bearer)).status in {200, 201, 204}
    hidden = (await report(api, bob, room=room, message=by_uma[0])).problem(404, "NOT_FOUND")
    nothing = (await report(api, bob, room=room, message=by_bob[0] + 50)).problem(404, "NOT_FOUND")
    assert {**hidden, "requestId": ""} == {**nothing, "requestId": ""}
    told = await report(api, uma, room=room, message=by_bob[0])
    assert told.status == 201, told.body
    assert [one["text"] for one in (await shown(api, admin, told.json["id"]))["copy"]] == ["hers", "his"]


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"message": 2}, {"room": "x", "user": "y"}, {"user": "x", "message": 2}, {"kind": "boring", "user": "x"}, {"user": "x" * 65},
        {"user": "x", "text": "x" * 501}, {"user": "x", "text": "a\u0000b"}, {"user": "x", "reporter": "me"}, {"room": "r", "message": -1},
    ],
)  # fmt: skip
async def test_A3_a_report_of_no_one_thing_is_refused(api: Api, ada: Account, fields: dict[str, Any]) -> None:
    (await report(api, ada, **fields)).problem(422, "INVALID")


@pytest.mark.parametrize("who", ["nobody-here", "user:" + "0" * 26, "guest:" + "0" * 26, "guest:", "a b", "robot:1"])
async def test_nobody_is_not_found(api: Api, ada: Account, who: str) -> None:
    (await report(api, ada, user=who)).problem(404, "NOT_FOUND")


async def test_what_is_no_message_is_not_found_and_ones_own_is_not_reported(api: Api, ada: Account, bob: Account) -> None:
    room = await api.room(ada)
    (offset,) = await say(api, ada, room, "mine")
    for message in (1, offset + 1, 2**53 - 1):
        (await report(api, bob, room=room, message=message)).problem(404, "NOT_FOUND")
    for thing in ({"room": room, "message": offset}, {"room": room}, {"user": f"guest:{ada.sid}"}):
        (await report(api, ada, **thing)).problem(422, "INVALID")


async def test_the_same_thing_is_reported_once_by_a_person_until_it_is_resolved(
    api: Api, admin: Account, ada: Account, bob: Account
) -> None:
    room = await api.room(ada)
    first = await report(api, bob, room=room)
    again = await report(api, bob, room=room, text="I said")
    assert (first.status, again.status, again.json) == (201, 200, first.json)
    eve = await api.guest("Eve")
    assert (await report(api, eve, room=room)).json != first.json
    resolved = await api.call("POST", f"/v1/admin/reports/{first.json['id']}/resolve", {"outcome": "dismissed"}, admin.bearer)
    assert (resolved.status, resolved.json["outcome"], resolved.json["resolvedBy"]) == (200, "dismissed", admin.principal["actorId"])
    assert (await report(api, bob, room=room)).status == 201
    (await api.call("POST", f"/v1/admin/reports/{first.json['id']}/resolve", {"outcome": "acted"}, admin.bearer)).problem(409, "CONFLICT")
    assert (await shown(api, admin, first.json["id"], "resolved"))["outcome"] == "dismissed"


async def test_two_at_once_are_one(api: Api, ada: Account, bob: Account) -> None:
    answers = await asyncio.gather(*(report(api, bob, user=f"guest:{ada.sid}") for _ in range(4)))
    assert len({answer.json["id"] for answer in answers}) == 1


async def test_P34_a_person_has_so_many_open_reports(api: Api, ada: Account, bob: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MAX_OPEN", 2)
    rooms = [await api.room(ada) for _ in range(3)]
    answers = [await report(api, bob, room=room) for room in rooms]
    assert [answer.status for answer in answers] == [201, 201, 403]
    answers[-1].problem(403, "LIMIT_EXCEEDED")
    assert (await report(api, bob, room=rooms[0])).status == 200


async def test_H1_what_somebody_told_is_in_their_export_and_nobodys_when_they_are_gone(
    api: Api, mail: MailServer, admin: Account, ada: Account
) -> None:
    user = await registered(api, mail, unused())
    told = await report(api, user, user=f"guest:{ada.sid}", text="in my words")
    exported = (await api.call("GET", "/v1/me/export", headers=user.bearer)).json
    assert [(one["text"], one["about"]["actorId"]) for one in exported["reports"]] == [("in my words", ada.sid)]
    assert (await api.call("GET", "/v1/me/export", headers=ada.bearer)).json["reports"] == []
    assert (await api.call("DELETE", "/v1/me", headers=user.bearer)).status == 204
    assert (await shown(api, admin, told.json["id"]))["reporter"] is None
