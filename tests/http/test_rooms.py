"""Rooms over HTTP: founded once, listed without gaps, shown to whom they may be shown."""

import asyncio
from typing import Any

import pytest

from commonroom.ids import is_id
from tests.http.api import Account, Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

BAD_ROOMS: dict[str, tuple[dict[str, Any], str]] = {
    "no title": ({}, "$"),
    "empty title": ({"title": ""}, "$.title"),
    "blank title": ({"title": " \u200b "}, "$.title"),
    "81 characters": ({"title": "x" * 81}, "$.title"),
    "NUL": ({"title": "a\x00b"}, "$.title"),
    "line break": ({"title": "a\nb"}, "$.title"),
    "title of another type": ({"title": {"$ne": 1}}, "$.title"),
    "long topic": ({"title": "t", "topic": "x" * 241}, "$.topic"),
    "NUL in the topic": ({"title": "t", "topic": "a\x00b"}, "$.topic"),
    "language": ({"title": "t", "language": "English!"}, "$.language"),
    "language with a line break": ({"title": "t", "language": "en\n"}, "$.language"),
    "visibility": ({"title": "t", "visibility": "secret"}, "$.visibility"),
    "unknown field": ({"title": "t", "owner": "me"}, "$"),
    "timer of another type": ({"title": "t", "timer": []}, "$.timer"),
    "focus too short": ({"title": "t", "timer": {"focusMs": 999}}, "$.timer.focusMs"),
    "focus too long": ({"title": "t", "timer": {"focusMs": 4 * 3600 * 1000 + 1}}, "$.timer.focusMs"),
    "focus of a fraction": ({"title": "t", "timer": {"focusMs": 1500.5}}, "$.timer.focusMs"),
    "focus over 64 bits": ({"title": "t", "timer": {"focusMs": 10**30}}, "$.timer.focusMs"),
    "long break never": ({"title": "t", "timer": {"longEvery": 0}}, "$.timer.longEvery"),
    "unknown timer field": ({"title": "t", "timer": {"focus_ms": 5000}}, "$.timer"),
}
BAD_KEYS = ("short", "x" * 65, "with a space", "")
ODD_IDS = ("0" * 26, "NOSUCHROOM", "%00", "a%2Fb", "..%2F..%2Fetc", "%F0%9F%92%A9", "x" * 121, "%0d%0aSet-Cookie:x=1", "$ne", "room%0A")


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
async def test_a_new_room_is_shown_as_it_was_asked_for(api: Api, ada: Account, visibility: str) -> None:
    timer = {"focusMs": 60_000, "shortBreakMs": 5_000, "longBreakMs": 9_000, "longEvery": 2, "autoStart": False}
    asked = {"title": "Thesis", "topic": "no talking", "language": "de-AT", "visibility": visibility}
    made = await api.call("POST", "/v1/rooms", {**asked, "timer": timer}, ada.bearer)
    assert made.status == 201
    room = made.json
    assert is_id(room["id"])
    assert asked.items() <= room.items()
    assert room["timer"]["settings"] == timer
    assert (room["timer"]["status"], room["timer"]["phase"], room["timer"]["remainingMs"]) == ("idle", "focus", 60_000)
    assert room["timer"]["lengthMs"] == 60_000
    assert room["createdBy"] == {"actorType": "guest", "actorId": ada.sid}
    assert (room["kind"], room["url"], room["present"]) == ("study", f"/r/{room['id']}", 0)
    assert (await api.call("GET", f"/v1/rooms/{room['id']}", headers=ada.bearer)).json == room


async def test_what_is_left_out_has_its_default(api: Api, ada: Account) -> None:
    room = (await api.call("POST", "/v1/rooms", {"title": "t"}, ada.bearer)).json
    assert (room["topic"], room["language"], room["visibility"]) == ("", "en", "unlisted")
    assert room["timer"]["settings"]["focusMs"] == 25 * 60 * 1000


@pytest.mark.parametrize(("body", "field"), BAD_ROOMS.values(), ids=BAD_ROOMS.keys())
async def test_a_room_that_is_none_is_refused_by_its_field(api: Api, ada: Account, body: dict[str, Any], field: str) -> None:
    assert (await api.call("POST", "/v1/rooms", body, ada.bearer)).problem(422, "INVALID")["field"] == field


async def test_who_is_not_signed_in_founds_nothing(api: Api) -> None:
    (await api.call("POST", "/v1/rooms", {"title": "t"})).problem(401, "UNAUTHENTICATED")


async def test_a_repeat_under_its_key_is_the_same_room(api: Api, uma: Account) -> None:
    sent = {**uma.bearer, "Idempotency-Key": "key-of-test-1"}
    answers = await asyncio.gather(*(api.call("POST", "/v1/rooms", {"title": "Once only", "visibility": "public"}, sent) for _ in range(5)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    await _listed(api, {answers[0].json["id"]})
    assert [room["title"] for room in await _all_rooms(api)].count("Once only") == 1


async def test_a_key_belongs_to_who_used_it(api: Api, ada: Account, bob: Account) -> None:
    key = {"Idempotency-Key": "key-of-test-2"}
    ids = {(await api.call("POST", "/v1/rooms", {"title": "t"}, {**who.bearer, **key})).json["id"] for who in (ada, bob)}
    other = (await api.call("POST", "/v1/rooms", {"title": "t"}, {**ada.bearer, "Idempotency-Key": "key-of-test-3"})).json["id"]
    assert len(ids | {other}) == 3


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_bad_key_founds_nothing(api: Api, ada: Account, key: str) -> None:
    (await api.call("POST", "/v1/rooms", {"title": "t"}, {**ada.bearer, "Idempotency-Key": key})).problem(400, "BAD_REQUEST")


async def test_pages_neither_skip_nor_repeat_while_others_found_rooms(api: Api, uma: Account) -> None:
    wanted = {await api.room(uma, f"Paged {number}", visibility="public") for number in range(7)}
    await _listed(api, wanted)
    seen: list[str] = []
    cursor: str | None = ""
    for _ in range(200):
        page = (await api.call("GET", f"/v1/rooms?limit=2&cursor={cursor}")).json
        seen += [room["id"] for room in page["rooms"]]
        if (cursor := page["nextCursor"]) is None:
            break
        if not wanted <= set(seen):
            await _listed(api, {await api.room(uma, "Came meanwhile", visibility="public")})
    assert cursor is None
    assert wanted <= set(seen)
    assert len(seen) == len(set(seen))


async def test_the_list_is_open_newest_first_and_of_public_rooms_only(api: Api, uma: Account) -> None:
    hidden = {await api.room(uma, visibility=visibility) for visibility in ("unlisted", "private")}
    shown = await api.room(uma, visibility="public")  # of the same journal, hence projected after the hidden ones or with them
    await _listed(api, {shown})
    rooms = await _all_rooms(api)
    assert {room["visibility"] for room in rooms} == {"public"}
    assert not hidden & {room["id"] for room in rooms}
    moments = [(room["createdAt"], room["id"]) for room in rooms]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("limit", ["0", "-1", "1e308", "1.5", "x", "%00", "٣", "NaN", "1" * 400, "0x10", "' OR 1=1"])
async def test_a_limit_that_is_no_number_is_refused(api: Api, limit: str) -> None:
    assert (await api.call("GET", f"/v1/rooms?limit={limit}")).problem(422, "INVALID")["field"] == "limit"


async def test_a_huge_limit_is_clamped(api: Api) -> None:
    answer = await api.call("GET", "/v1/rooms?limit=9999999999999999")
    assert answer.status == 200
    assert len(answer.json["rooms"]) <= 100


@pytest.mark.parametrize("cursor", ["x", ".", "1", "-1.x", "1e9.x", "1" * 17 + ".x", "1.%00", "x" * 201, "٣.x", "' OR 1=1 --", "1.\u202e"])
async def test_a_cursor_that_is_not_ours_is_refused(api: Api, cursor: str) -> None:
    assert (await api.call("GET", f"/v1/rooms?cursor={cursor}")).problem(422, "INVALID")["field"] == "cursor"


@pytest.mark.parametrize("room", ODD_IDS)
async def test_a_room_that_is_not_there_is_not_found(api: Api, ada: Account, room: str) -> None:
    for path in (f"/v1/rooms/{room}", f"/v1/rooms/{room}/messages"):
        (await api.call("GET", path, headers=ada.bearer)).problem(404, "NOT_FOUND")


async def test_a_private_room_looks_like_none_to_a_stranger(api: Api, ada: Account, bob: Account) -> None:
    private, unlisted = await api.room(ada, visibility="private"), await api.room(ada, visibility="unlisted")
    assert (await api.call("GET", f"/v1/rooms/{private}", headers=ada.bearer)).status == 200
    assert (await api.call("GET", f"/v1/rooms/{unlisted}", headers=bob.bearer)).status == 200
    for suffix in ("", "/messages"):
        hidden = (await api.call("GET", f"/v1/rooms/{private}{suffix}", headers=bob.bearer)).problem(404, "NOT_FOUND")
        absent = (await api.call("GET", f"/v1/rooms/{'0' * 26}{suffix}", headers=bob.bearer)).problem(404, "NOT_FOUND")
        assert {**hidden, "requestId": ""} == {**absent, "requestId": ""}


async def _all_rooms(api: Api) -> list[dict[str, Any]]:
    rooms: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.call("GET", f"/v1/rooms?limit=100&cursor={cursor}")).json
        rooms += page["rooms"]
        cursor = page["nextCursor"]
    return rooms


async def _listed(api: Api, wanted: set[str]) -> None:
    """Wait until the projection has these rooms; they are among the newest."""
    async with asyncio.timeout(20):
        while not wanted <= {room["id"] for room in (await api.call("GET", "/v1/rooms?limit=100")).json["rooms"]}:
            await asyncio.sleep(0.01)
