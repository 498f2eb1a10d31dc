"""Preferences over HTTP, and the status that a profile shows (FEATURES P20, P22)."""

from typing import Any

import pytest

from commonroom.protocol.status import StatusUpdate
from tests.http.account import registered, unused
from tests.http.api import Account, Api
from tests.support.client import Peer, until
from tests.support.mail import MailServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEFAULTS = {
    "dnd": False, "busy": "active", "hideStatus": False, "hideRoom": False, "theme": "system", "sounds": True, "timeZone": "UTC",
}  # fmt: skip
PATH = "/v1/me/preferences"
OFFLINE = {"status": "offline", "lastSeen": None, "room": None}


async def named(api: Api, mail: MailServer) -> tuple[Account, str]:
    """A new user, and their profile's path."""
    who = await registered(api, mail, unused())
    username = f"u{who.sid[-10:]}"
    assert (await api.call("PUT", "/v1/me/username", {"username": username}, who.bearer)).status == 204
    return who, f"/v1/users/{username}"


async def socket(api: Api, who: Account) -> Peer:
    token = (await api.call("POST", "/v1/ws-token", {}, who.bearer)).json["token"]
    return await Peer.open(api.url.replace("http", "ws", 1) + "/v1/ws", token)


async def profile_until(api: Api, path: str, reader: Account, expected: dict[str, Any]) -> None:
    """Ask until it shows that."""
    shown: dict[str, Any] = {}
    while shown != expected:
        answered = await api.call("GET", path, headers=reader.bearer)
        assert answered.status == 200, answered.body
        shown = {name: answered.json[name] for name in expected}


async def test_P22_preferences_are_kept_for_all_devices(api: Api, mail: MailServer) -> None:
    ada = await registered(api, mail, unused())
    assert (await api.call("GET", PATH, headers=ada.bearer)).json == DEFAULTS
    changed = await api.call("PATCH", PATH, {"theme": "dark", "timeZone": "Europe/Lisbon"}, ada.bearer)
    assert (changed.status, changed.json) == (200, {**DEFAULTS, "theme": "dark", "timeZone": "Europe/Lisbon"})
    assert (await api.call("PATCH", PATH, {}, ada.bearer)).json == changed.json
    assert (await api.call("GET", PATH, headers=ada.bearer)).json == changed.json


@pytest.mark.parametrize(
    "body", [{"theme": "neon"}, {"busy": "always"}, {"timeZone": "Mars/Olympus"}, {"timeZone": ""}, {"dnd": 1}, {"font": "serif"}]
)
async def test_P22_what_nobody_can_prefer_is_refused(api: Api, uma: Account, body: dict[str, Any]) -> None:
    (await api.call("PATCH", PATH, body, uma.bearer)).problem(422, "INVALID")


async def test_P22_guests_have_no_preferences_here(api: Api, bob: Account) -> None:
    (await api.call("GET", PATH, headers=bob.bearer)).problem(403, "SIGN_IN_NEEDED")


async def test_P20_a_profile_shows_a_status_to_whom_it_may(api: Api, mail: MailServer, uma: Account, bob: Account) -> None:
    ada, path = await named(api, mail)
    assert OFFLINE.items() <= (await api.call("GET", path, headers=uma.bearer)).json.items()
    peer = await socket(api, ada)
    online = {"status": "online", "lastSeen": None, "room": None}
    await profile_until(api, path, uma, online)
    assert OFFLINE.items() <= (await api.call("GET", path, headers=bob.bearer)).json.items()  # a guest
    await api.call("PATCH", PATH, {"dnd": True}, ada.bearer)
    await profile_until(api, path, uma, {**online, "status": "dnd"})
    await api.call("PATCH", PATH, {"hideStatus": True}, ada.bearer)
    await profile_until(api, path, uma, OFFLINE)
    await profile_until(api, path, ada, {**online, "status": "dnd"})
    await peer.close()


async def test_P20_a_hidden_status_is_shown_to_who_shares_a_private_room_and_to_nobody_else(
    api: Api, mail: MailServer, uma: Account
) -> None:
    ada, path = await named(api, mail)
    eve = await registered(api, mail, unused())
    await api.call("PATCH", PATH, {"hideStatus": True}, ada.bearer)
    room = await api.room(ada, visibility="unlisted")
    peers = [await socket(api, who) for who in (ada, uma)]
    for peer in peers:
        await peer.request("room.join", room=room)
    await profile_until(api, path, uma, {"status": "online", "lastSeen": None, "room": room})
    assert OFFLINE.items() <= (await api.call("GET", path, headers=eve.bearer)).json.items()
    for peer in peers:
        await peer.close()


async def test_P20_P28_a_block_makes_a_profile_look_as_if_nobody_were_there(api: Api, mail: MailServer) -> None:
    ada, path = await named(api, mail)
    eve, _ = await named(api, mail)
    peer = await socket(api, ada)
    await profile_until(api, path, eve, {"status": "online"})
    blocked = await api.call("PUT", f"/v1/blocks/user:{eve.principal['actorId']}", headers=ada.bearer)
    assert blocked.status == 204, blocked.body
    await profile_until(api, path, eve, OFFLINE)
    await peer.close()


async def test_P20_last_seen_is_told_once_somebody_left_and_kept(api: Api, mail: MailServer, uma: Account) -> None:
    ada, path = await named(api, mail)
    peer = await socket(api, ada)
    await profile_until(api, path, uma, {"status": "online"})
    await peer.close()
    await profile_until(api, path, uma, {"status": "offline"})
    seen = None
    while seen is None:
        seen = (await api.call("GET", path, headers=uma.bearer)).json["lastSeen"]
    assert seen % 60_000 == 0
    assert abs(api.node._clock.now() - seen) < 600_000


async def test_P20_who_looks_is_pushed_what_is_chosen_elsewhere(api: Api, mail: MailServer, uma: Account) -> None:
    ada, _ = await named(api, mail)
    user = ada.principal["actorId"]
    viewer, phone, laptop = await socket(api, uma), await socket(api, ada), await socket(api, ada)
    await viewer.request("status.watch", users=[user])

    def told() -> list[str]:
        return [one.status for push in viewer.pushes("", StatusUpdate) for one in push.users]

    await until(lambda: told()[-1:] == ["online"], "the status is told")
    await phone.request("status.set", status="dnd")
    await until(lambda: told()[-1:] == ["dnd"], "the choice is told")
    await phone.close()
    await laptop.request("status.set", status="online", idle=True)
    await until(lambda: told()[-1:] == ["idle"], "the device is told")
    for peer in (viewer, laptop):
        await peer.close()


async def test_H1_an_export_tells_preferences_and_last_seen(api: Api, mail: MailServer) -> None:
    ada = await registered(api, mail, unused())
    await api.call("PATCH", PATH, {"sounds": False}, ada.bearer)
    export = (await api.call("GET", "/v1/me/export", headers=ada.bearer)).json
    assert (export["preferences"], export["lastSeen"]) == ({**DEFAULTS, "sounds": False}, None)
