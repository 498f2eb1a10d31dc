"""Guests, login sessions, ws tokens: who is let in, and as what."""

import base64
import gzip
from typing import Any

import msgspec
import pytest

from commonroom.http.auth import COOKIE
from tests.http.api import Account, Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

GOOD_NAMES = {
    "Ada": "Ada",
    "  Ada\t Lovelace\n": "Ada Lovelace",
    "x" * 64: "x" * 64,
    "名前": "名前",
    "👩‍💻": "👩‍💻",
    "محمد": "محمد",
    "<script>": "<script>",
    "'; DROP TABLE login_session; --": "'; DROP TABLE login_session; --",
}
BAD_NAMES = {
    "empty": "",
    "blank": " \t\n ",
    "65 characters": "x" * 65,
    "huge": "x" * 5000,
    "control": "a\x07b",
    "NUL": "a\x00b",
    "escape": "\x1b[31mred",
    "C1 control": "a\x9bb",
    "RTL override": "a\u202eb",
    "isolate": "a\u2067b",
    "private use": "a\ue000b",
    "unassigned": "a\uffffb",
    "nothing visible": "\u200b\u200d\u2060",
    "number": 7,
    "null": None,
    "array": ["Ada"],
    "object": {"$ne": 1},
    "true": True,
}
NOT_JSON: dict[str, bytes] = {
    "nothing": b"",
    "a word": b"name=Ada",
    "cut off": b'{"name": "Ada"',
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "deep nesting": b'{"name":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "two values": b'{"name": "Ada"} {"name": "Bob"}',
    "NaN": b"NaN",
}
FOREIGN: tuple[dict[str, str], ...] = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)


@pytest.mark.parametrize(("given", "kept"), GOOD_NAMES.items())
async def test_a_guest_is_called_as_it_wants(api: Api, given: str, kept: str) -> None:
    made = await api.call("POST", "/v1/guests", {"name": given})
    assert made.status == 201
    body = made.json
    assert body["name"] == kept
    assert body["principal"] == {"actorType": "guest", "actorId": body["sessionId"], "name": kept}
    me = await api.call("GET", "/v1/me", headers={"Authorization": f"Bearer {body['accessToken']}"})
    assert (me.status, me.json) == (200, {key: body[key] for key in ("principal", "name", "sessionId", "guests")})


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES.keys())
async def test_a_name_that_is_none_is_refused_by_its_field(api: Api, name: Any) -> None:
    assert (await api.call("POST", "/v1/guests", {"name": name})).problem(422, "INVALID")["field"] == "$.name"


@pytest.mark.parametrize("body", [{}, {"name": "Ada", "role": "ADMIN"}, ["Ada"], "Ada", 7, None, {"Name": "Ada"}])
async def test_a_body_of_another_shape_is_refused(api: Api, body: Any) -> None:
    (await api.call("POST", "/v1/guests", body)).problem(422, "INVALID")


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_bytes_that_are_no_json_are_refused(api: Api, data: bytes) -> None:
    answer = await api.call("POST", "/v1/guests", data=data)
    answer.problem(answer.status, answer.json["name"])
    assert answer.status in {400, 422}


async def test_nesting_of_100_000_is_too_large_before_it_is_parsed(api: Api) -> None:
    (await api.call("POST", "/v1/guests", data=b"[" * 100_000)).problem(413, "TOO_LARGE")


@pytest.mark.parametrize(
    "declared", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/jsonx"]
)
async def test_a_body_not_declared_as_json_is_refused(api: Api, declared: str) -> None:
    (await api.call("POST", "/v1/guests", data=b'{"name":"Ada"}', headers={"Content-Type": declared})).problem(400, "BAD_REQUEST")


async def test_a_body_over_64_kib_is_too_large(api: Api, ada: Account) -> None:
    fits = b'{"name":"Ada"}'.ljust(65536)
    assert (await api.call("POST", "/v1/guests", data=fits)).status == 201
    (await api.call("POST", "/v1/guests", data=fits + b" ")).problem(413, "TOO_LARGE")
    (await api.call("PATCH", "/v1/me", data=fits + b" ", headers=ada.bearer)).problem(413, "TOO_LARGE")


async def test_a_body_that_does_not_unpack_is_refused(api: Api) -> None:
    (await api.call("POST", "/v1/guests", data=b"this is no gzip", headers={"Content-Encoding": "gzip"})).problem(400, "BAD_REQUEST")


async def test_a_body_that_unpacks_to_over_64_kib_is_too_large(api: Api) -> None:
    packed = gzip.compress(b'{"name":"Ada"}'.ljust(5_000_000))
    (await api.call("POST", "/v1/guests", data=packed, headers={"Content-Encoding": "gzip"})).problem(413, "TOO_LARGE")


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(api: Api) -> None:
    made = await api.call("POST", "/v1/guests", {"name": "Ada"})
    cookie = made.cookies[COOKIE]
    assert made.json["refreshToken"] is None
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/v1/auth", "")
    assert not cookie["secure"]  # development on loopback
    assert int(cookie["max-age"]) == 30 * 86400


async def test_a_guest_renames_itself(api: Api, ada: Account) -> None:
    renamed = await api.call("PATCH", "/v1/me", {"name": " Ada  L. "}, ada.bearer)
    assert (renamed.status, renamed.json["name"], renamed.json["principal"]["name"]) == (200, "Ada L.", "Ada L.")
    assert (await api.call("GET", "/v1/me", headers=ada.bearer)).json["name"] == "Ada L."
    (await api.call("PATCH", "/v1/me", {"statusText": "reading"}, ada.bearer)).problem(403, "SIGN_IN_NEEDED")


@pytest.mark.parametrize("name", ["", "x" * 65, "a\x00b"])
async def test_a_bad_new_name_changes_nothing(api: Api, ada: Account, name: str) -> None:
    (await api.call("PATCH", "/v1/me", {"name": name}, ada.bearer)).problem(422, "INVALID")
    assert (await api.call("GET", "/v1/me", headers=ada.bearer)).json["name"] == "Ada"


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/me"), ("PATCH", "/v1/me"), ("POST", "/v1/rooms"), ("POST", "/v1/ws-token")])
async def test_S8_the_cookie_alone_opens_nothing_but_its_own_routes(api: Api, ada: Account, method: str, path: str) -> None:
    """No page can make a browser write: what it sends by itself is the refresh token, which is no proof here."""
    (await api.call(method, path, {"name": "Mallory"}, {**ada.cookie, "Origin": api.url})).problem(401, "UNAUTHENTICATED")


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/v1/auth/refresh", "/v1/auth/logout"])
async def test_S8_a_write_by_cookie_from_another_site_is_refused(api: Api, ada: Account, path: str, foreign: dict[str, str]) -> None:
    (await api.call("POST", path, headers={**ada.cookie, **foreign})).problem(403, "FORBIDDEN")
    assert (await api.call("GET", "/v1/me", headers=ada.bearer)).status == 200


@pytest.mark.parametrize("ours", [{"Origin": "https://friend.example"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
async def test_a_write_by_cookie_from_our_page_is_served(api: Api, ada: Account, ours: dict[str, str]) -> None:
    assert (await api.call("POST", "/v1/auth/refresh", headers={**ada.cookie, **ours})).status == 200


@pytest.mark.parametrize(
    "origin", ["{url}.evil.example", "{url}/", "x{url}", "https://friend.example.evil.example", "HTTPS://FRIEND.EXAMPLE@evil.example"]
)
async def test_an_origin_that_only_looks_like_ours_is_refused(api: Api, ada: Account, origin: str) -> None:
    sent = {**ada.cookie, "Origin": origin.format(url=api.url)}
    (await api.call("POST", "/v1/auth/refresh", headers=sent)).problem(403, "FORBIDDEN")


async def test_a_bearer_is_proof_by_itself(api: Api, ada: Account) -> None:
    sent = {**ada.bearer, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await api.call("POST", "/v1/ws-token", {}, sent)).status == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer nobody", "Bearer " + "x" * 5000, "bearer a b", "Bearer é", "x"]
)
async def test_who_is_not_known_is_not_let_in(api: Api, ada: Account, header: str) -> None:
    sent = {"Authorization": header, **ada.cookie}  # a wrong bearer is not made good by a cookie
    (await api.call("GET", "/v1/me", headers=sent)).problem(401, "UNAUTHENTICATED")


@pytest.mark.parametrize("sent", [{}, {"Cookie": f"{COOKIE}=nobody"}, {"Cookie": f"{COOKIE}="}, {"Cookie": "\x01;=;;"[1:]}], ids=str)
async def test_without_a_login_session_nothing_is_told(api: Api, sent: dict[str, str]) -> None:
    for path in ("/v1/me", "/v1/rooms/x", "/v1/rooms/x/messages"):
        (await api.call("GET", path, headers=sent)).problem(401, "UNAUTHENTICATED")


async def test_a_bearer_scheme_is_matched_without_case(api: Api, ada: Account) -> None:
    assert (await api.call("GET", "/v1/me", headers={"Authorization": f"bEARER {ada.access}"})).status == 200


async def test_an_unbound_token_says_who_and_nothing_about_rooms(api: Api, ada: Account) -> None:
    minted = await api.call("POST", "/v1/ws-token", {}, ada.bearer)
    claims = _claims(minted.json["token"])
    assert minted.headers["Cache-Control"] == "no-store"
    assert (claims["actorType"], claims["actorId"], claims["sessionId"], claims["name"]) == ("guest", ada.sid, ada.sid, "Ada")
    assert "roomId" not in claims
    assert claims["exp"] - claims["iat"] == 300
    assert minted.json["expiresAt"] == claims["exp"] * 1000


async def test_a_bound_token_names_its_room_and_role(api: Api, ada: Account, bob: Account) -> None:
    room = await api.room(ada)
    for account, role in ((ada, "host"), (bob, "participant")):
        minted = await api.call("POST", "/v1/ws-token", {"roomId": room}, account.bearer)
        claims = _claims(minted.json["token"])
        assert (claims["roomId"], claims["participantId"], claims["roomRole"]) == (room, account.sid, role)


async def test_no_token_is_bound_to_a_room_that_is_not_shown(api: Api, ada: Account, bob: Account) -> None:
    secret = await api.room(ada, visibility="private")
    refusals = [await api.call("POST", "/v1/ws-token", {"roomId": room}, bob.bearer) for room in (secret, "0" * 26)]
    details = {refusal.problem(404, "NOT_FOUND")["detail"] for refusal in refusals}
    assert len(details) == 1  # a private room looks like none
    assert (await api.call("POST", "/v1/ws-token", {"roomId": secret}, ada.bearer)).status == 200


@pytest.mark.parametrize("room", ["No such/..", "%00", "\x00", "room\n", "ROOM", "é"])
async def test_what_cannot_be_a_room_is_not_found(api: Api, ada: Account, room: str) -> None:
    (await api.call("POST", "/v1/ws-token", {"roomId": room}, ada.bearer)).problem(404, "NOT_FOUND")


@pytest.mark.parametrize("body", [{"roomId": ""}, {"roomId": "x" * 121}, {"roomId": 7}, {"roomId": {"$ne": 1}}, {"room": "x"}, []])
async def test_a_binding_of_another_shape_is_refused(api: Api, ada: Account, body: Any) -> None:
    (await api.call("POST", "/v1/ws-token", body, ada.bearer)).problem(422, "INVALID")


async def test_a_ws_token_is_no_bearer(api: Api, ada: Account) -> None:
    token = (await api.call("POST", "/v1/ws-token", {}, ada.bearer)).json["token"]
    (await api.call("GET", "/v1/me", headers={"Authorization": f"Bearer {token}"})).problem(401, "UNAUTHENTICATED")


async def test_a_new_name_is_in_the_next_ws_token(api: Api, ada: Account) -> None:
    await api.call("PATCH", "/v1/me", {"name": "Countess"}, ada.bearer)
    assert _claims((await api.call("POST", "/v1/ws-token", {}, ada.bearer)).json["token"])["name"] == "Countess"


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims
