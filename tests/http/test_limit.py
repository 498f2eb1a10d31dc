"""Limits of routes, asked of nodes with the limits that everybody has: one that is alone, and two that share Redis."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from commonroom.app import Node
from commonroom.bench.target.port import free_port
from commonroom.config.settings import ClusterSettings, HttpSettings, MailSettings, PostgresSettings, RedisSettings, Settings
from commonroom.errors import InternalError
from commonroom.http.application import routes
from commonroom.http.limit import limited
from commonroom.http.route import Route
from commonroom.http.services import SERVICES
from commonroom.ids import new_id
from commonroom.limit import Limiter
from commonroom.limit.limit import (
    AUTH_BY_ADDRESS,
    GUESTS,
    HISTORIES,
    INVITE_CODES,
    LOGINS,
    LOGINS_OF_STRANGERS,
    READS_BY_ADDRESS,
    RECOLLECTIONS_BY_ADDRESS,
    ROOMS_FOUNDED,
    SEARCHES,
    SEARCHES_BY_ADDRESS,
)
from commonroom.protocol.chat import MessageSend
from commonroom.protocol.invite import InviteAccept
from commonroom.protocol.room import RoomCreate, RoomJoin
from commonroom.protocol.session import Error, Hello, Reply, Welcome
from commonroom.protocol.status import StatusSet
from tests.gateway.socket import RawSocket
from tests.http.account import PASSWORD, letter_to, registered, unused
from tests.http.api import UNSAID, Account, Answer, Api
from tests.support.mail import MailServer
from tests.support.postgres import create_database
from tests.support.redis import redis_url

__all__ = ["redis_url"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG = "wrong horse battery"


class Street:
    """Addresses to come from, and the doors that are open there."""

    def __init__(self, nodes: list[Node], parts: AsyncExitStack, url: str) -> None:
        self.nodes = nodes
        self.url = url
        """Of the database."""
        self.last = ""
        """The address that was given last."""
        self._parts = parts
        self._count = 1

    async def address(self) -> list[Api]:
        """An address where nobody was before: a client of each node."""
        self._count += 1
        self.last = f"127.0.{self._count // 250}.{1 + self._count % 250}"
        connector = aiohttp.TCPConnector(local_addr=(self.last, 0))
        session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), connector=connector)
        await self._parts.enter_async_context(session)
        return [Api(node, session) for node in self.nodes]

    async def socket(self, api: Api, account: Account, source: str) -> RawSocket:
        """A session of theirs, from that address."""
        token = (await api.call("POST", "/v1/ws-token", {}, account.bearer)).json["token"]
        socket = await RawSocket.open(int(api.url.rpartition(":")[2]), source)
        self._parts.callback(socket.abort)
        await socket.upgrade()
        socket.command(Hello(1, token))
        assert isinstance(await socket.message(), Welcome)
        return socket

    async def projected(self, founder: str, kind: str, number: int) -> None:
        """Somebody has founded so many rooms more, long ago."""
        connection = await asyncpg.connect(self.url)
        rooms = [(new_id(number), founder, kind) for number in range(number)]
        await connection.executemany("INSERT INTO room VALUES ($1, 'study', 'Room', '', 'en', 'private', 1, $3, $2)", rooms)
        await connection.close()

    async def until_projected(self, room: str) -> None:
        connection = await asyncpg.connect(self.url)
        async with asyncio.timeout(60):
            while await connection.fetchval("SELECT count(*) FROM room WHERE room = $1", room) == 0:
                await asyncio.sleep(0.02)
        await connection.close()


def _settings(url: str, redis: RedisSettings, mail: MailServer) -> Settings:
    return Settings(
        http=HttpSettings(port=0, metrics_port=free_port()),
        postgres=PostgresSettings(url=url, pool_size=3),
        redis=redis,
        mail=MailSettings(smtp_url=mail.url, sender="Commonroom <rooms@example.org>"),
        cluster=ClusterSettings(ttl_s=1.5, beat_s=0.2, drain_s=0.0, neighbours=False),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["alone", "together"])
async def street(request: pytest.FixtureRequest, dsn: str, redis_url: str, mail: MailServer) -> AsyncIterator[Street]:
    name = f"street{new_id(1)}"
    redis = RedisSettings(url=redis_url, cluster=name) if request.param == "together" else RedisSettings()
    own = dsn.rpartition("/")[2].partition("?")[0]
    url = await create_database(dsn.replace(f"/{own}?", "/commonroom?"), name)
    async with AsyncExitStack() as parts:
        nodes = [Node(_settings(url, redis, mail)) for _ in range(2 if redis.url else 1)]
        await nodes[0].open()
        for other in nodes[1:]:
            await other.open()
        for node in nodes:
            parts.push_async_callback(node.close)
        yield Street(nodes, parts, url)
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


def check_limited(found: Counter[int], amount: int, tries: int) -> None:
    """About so many were let through: more flow in meanwhile, and a node that hears nothing of Redis for long counts alone."""
    assert set(found) - {503} == {401, 429}, "503: the database has too much to do"
    assert sum(found.values()) == tries
    assert amount <= found[401] + found[503] <= 2 * amount


async def log_in(api: Api, address: str, password: str, headers: dict[str, str] | None = None) -> Answer:
    return await api.call("POST", "/v1/auth/login", {"email": address, "password": password}, headers)


def variants(address: str) -> list[str]:
    """Ways to type one address: they differ in case, in how characters are composed, and in spaces around."""
    local, _, domain = address.partition("@")
    return [address, address.upper(), f" {address}", f"{local.title()}@{domain.title()}", f"{local}@{domain.replace('e', 'ｅ')}"]


async def statuses(answers: Iterable[Awaitable[Answer]]) -> Counter[int]:
    return Counter(answer.status for answer in await asyncio.gather(*answers))


class TestT16:
    async def test_T16_a_race_of_wrong_passwords_is_limited_by_account_and_the_owner_gets_in(
        self, street: Street, mail: MailServer
    ) -> None:
        owner, attacker = (await street.address())[0], await street.address()
        address = unused()
        await registered(owner, mail, address)
        typed = variants(address)
        tries = [
            log_in(attacker[number % len(attacker)], typed[number % len(typed)], WRONG, {"X-Forwarded-For": f"1.2.3.{number}"})
            for number in range(100)
        ]
        check_limited(await statuses(tries), LOGINS.amount, 100)
        assert (await log_in(attacker[0], address, PASSWORD)).status == 429
        assert (await log_in(owner, address, PASSWORD)).status == 200

    async def test_T16_many_addresses_together_are_limited_by_account_and_the_owner_gets_in(self, street: Street, mail: MailServer) -> None:
        owner = (await street.address())[0]
        address = unused()
        await registered(owner, mail, address)
        attackers = [await street.address() for _ in range(20)]
        found = await statuses(log_in(attackers[number % 20][number % len(street.nodes)], address, WRONG) for number in range(100))
        check_limited(found, LOGINS_OF_STRANGERS.amount, 100)
        assert (await log_in(owner, address, PASSWORD)).status == 200

    async def test_T16_many_accounts_from_one_address_are_limited_by_address(self, street: Street) -> None:
        attacker = await street.address()
        bodies = [{"email": unused(), "code": "123456"} for _ in range(200)]
        tries = (attacker[number % len(attacker)].call("POST", "/v1/auth/confirm", body) for number, body in enumerate(bodies))
        check_limited(await statuses(tries), AUTH_BY_ADDRESS.amount, 200)

    async def test_T16_known_and_unknown_addresses_are_limited_alike(self, street: Street, mail: MailServer) -> None:
        known, unknown = unused(), unused()
        await registered((await street.address())[0], mail, known)
        stranger = (await street.address())[0]
        seen = [[await log_in(stranger, address, WRONG) for _ in range(6)] for address in (known, unknown)]
        told = [[(one.status, one.headers["RateLimit"].split(",")[1].partition(";t=")[0]) for one in answers] for answers in seen]
        assert told[0] == told[1]


class TestAnswer:
    async def test_it_says_how_long_to_wait_and_what_is_left(self, street: Street) -> None:
        client, address = (await street.address())[0], unused()
        first = await log_in(client, address, WRONG)
        first.problem(401, "UNAUTHENTICATED")
        assert first.headers["RateLimit-Policy"] == '"auth";q=60;w=60, "login";q=5;w=60'
        assert first.headers["RateLimit"] == '"auth";r=59;t=1, "login";r=4;t=12'
        for _ in range(4):
            await log_in(client, address, WRONG)
        refused = await log_in(client, address, WRONG)
        problem = refused.problem(429, "RATE_LIMITED")
        assert (problem["code"], problem["retryable"]) == (151, True)
        assert 0 < problem["retryAfterMs"] <= 12_000
        assert refused.headers["Retry-After"] == str(-(-problem["retryAfterMs"] // 1000))
        assert '"login";r=0;t=' in refused.headers["RateLimit"]

    async def test_what_others_did_to_an_account_is_not_told(self, street: Street) -> None:
        client = (await street.address())[0]
        asked = await client.call("POST", "/v1/auth/magic", {"email": unused()})
        assert (asked.status, asked.headers["RateLimit-Policy"]) == (202, '"auth";q=60;w=60')


class TestRoutes:
    async def test_a_mailbox_gets_five_letters_whoever_asks(self, street: Street, mail: MailServer) -> None:
        address = unused()
        asks = ("magic", "password/forgot", "magic", "magic", "magic", "magic", "password/forgot")
        found = [(await (await street.address())[0].call("POST", f"/v1/auth/{ask}", {"email": address})).status for ask in asks]
        assert found == [202] * 5 + [429] * 2
        await letter_to(mail, address, 4)

    async def test_the_owner_gets_letters_though_strangers_asked_for_all(self, street: Street, mail: MailServer) -> None:
        owner, address = (await street.address())[0], unused()
        await registered(owner, mail, address)
        for _ in range(2):
            stranger = (await street.address())[0]
            found = [(await stranger.call("POST", "/v1/auth/magic", {"email": address})).status for _ in range(5)]
        assert found[-1] == 429
        assert (await owner.call("POST", "/v1/auth/magic", {"email": address})).status == 202

    async def test_a_code_is_guessed_five_times(self, street: Street) -> None:
        guesser, body = (await street.address())[0], {"email": unused(), "code": "123456"}
        found = [(await guesser.call("POST", "/v1/auth/confirm", body)).status for _ in range(7)]
        assert found == [401] * 5 + [429] * 2

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [("POST", "/v1/ws-token", {}), ("GET", "/v1/users/search?q=ada", UNSAID)],
    )
    async def test_thirty_a_minute_by_who_asks_wherever_they_are(
        self, street: Street, mail: MailServer, method: str, path: str, body: Any
    ) -> None:
        places = [(await street.address())[0] for _ in range(2)]
        ada, bob = [await registered(places[0], mail, unused()) for _ in range(2)]

        found = await statuses(places[number % 2].call(method, path, body, ada.bearer) for number in range(40))
        assert 1 <= found[429] <= 10  # one in two seconds flows in meanwhile
        assert (await places[0].call(method, path, body, bob.bearer)).status != 429

    async def test_a_login_session_is_refreshed_thirty_times_by_body_or_cookie(self, street: Street) -> None:
        client = (await street.address())[0]
        ada = await client.guest()
        asks = [client.call("POST", "/v1/auth/refresh", {"refreshToken": ada.refresh}) for _ in range(20)]
        own = {**ada.cookie, "Sec-Fetch-Site": "same-origin"}
        asks += [client.call("POST", "/v1/auth/refresh", headers=own) for _ in range(20)]
        found = await statuses(asks)
        assert 1 <= found[429] <= 10
        assert set(found) == {200, 429}

    async def test_sixty_guests_come_from_one_address(self, street: Street) -> None:
        client, elsewhere = (await street.address())[0], (await street.address())[0]
        found = await statuses(client.call("POST", "/v1/guests", {"name": "Ada"}) for _ in range(120))
        assert set(found) == {201, 429}
        assert GUESTS.amount <= found[201] < 120
        assert (await elsewhere.call("POST", "/v1/guests", {"name": "Ada"})).status == 201

    async def test_a_password_is_changed_five_times(self, street: Street, mail: MailServer) -> None:
        client = (await street.address())[0]
        ada = await registered(client, mail, unused())
        body = {"current": WRONG, "password": "a new one, longer"}
        found = [(await client.call("PUT", "/v1/me/password", body, ada.bearer)).status for _ in range(7)]
        assert found == [403] * 5 + [429] * 2


NEW_ROOM = {"title": "Reading room"}
HOUR_S = 3600


async def found(api: Api, account: Account, headers: dict[str, str] | None = None, **fields: Any) -> Answer:
    return await api.call("POST", "/v1/rooms", {**NEW_ROOM, **fields}, {**account.bearer, **(headers or {})})


async def found_by_socket(socket: RawSocket, ref: int) -> Reply | Error:
    room = new_id(ref)
    socket.command(RoomCreate(ref, room, room, "study", "Reading room"))
    answer = await socket.message()
    assert isinstance(answer, Reply | Error)
    return answer


class TestRooms:
    async def test_P11_a_guest_founds_two_an_hour_over_http_and_by_socket_together(self, street: Street) -> None:
        places = await street.address()
        ada = await places[0].guest()
        socket = await street.socket(places[-1], ada, street.last)
        assert (await found(places[0], ada)).status == 201
        assert isinstance(await found_by_socket(socket, 10), Reply)
        refused = await found(places[-1], ada)
        assert 0.9 * HOUR_S < refused.problem(429, "RATE_LIMITED")["retryAfterMs"] / 1000 <= HOUR_S
        assert refused.json["remaining"] == 0
        assert refused.headers["RateLimit-Policy"] == '"room-guest";q=2;w=3600, "room-guest-address";q=2;w=3600'
        assert refused.headers["RateLimit"].startswith('"room-guest";r=0;t=')
        told = await found_by_socket(socket, 11)
        assert isinstance(told, Error)
        assert (told.code, told.remaining) == (151, 0)
        assert 1.9 * HOUR_S < (told.retry_after_ms or 0) / 1000 <= 2 * HOUR_S, "each refusal doubles the wait"

    async def test_P11_neither_another_address_nor_another_login_session_helps_a_guest(self, street: Street) -> None:
        here, there = [(await street.address())[0] for _ in range(2)]
        ada, bob = await here.guest(), await here.guest()
        assert [(await found(here, ada)).status for _ in range(2)] == [201, 201]
        assert '"room-guest-address";r=0' in (await found(here, bob)).headers["RateLimit"]
        assert '"room-guest";r=0' in (await found(there, ada)).headers["RateLimit"]
        assert (await found(there, bob)).status == 201

    async def test_P11_a_user_founds_ten_an_hour_wherever_they_are(self, street: Street, mail: MailServer) -> None:
        places = [(await street.address())[0] for _ in range(2)]
        ada = await registered(places[0], mail, unused())
        answers = [await found(places[number % 2], ada) for number in range(12)]
        assert [one.status for one in answers] == [201] * 10 + [429] * 2
        waits_s = [one.json["retryAfterMs"] / 1000 for one in answers[10:]]
        assert 0.9 < waits_s[0] / 720 <= 1
        assert 1.9 < waits_s[1] / 720 <= 2

    async def test_what_is_refused_for_another_reason_uses_nothing_up(self, street: Street) -> None:
        client = (await street.address())[0]
        ada = await client.guest()
        for _ in range(5):
            (await found(client, ada, title="")).problem(422, "INVALID")
            (await found(client, ada, visibility="public")).problem(403, "SIGN_IN_NEEDED")
        assert (await found(client, ada)).status == 201

    async def test_a_retry_counts_as_another_try(self, street: Street) -> None:
        client = (await street.address())[0]
        ada, key = await client.guest(), {"Idempotency-Key": "a-key-of-mine"}
        answers = [await found(client, ada, key) for _ in range(3)]
        assert [one.status for one in answers] == [201, 201, 429]
        assert answers[0].json["id"] == answers[1].json["id"]

    async def test_a_room_is_founded_with_one_round_trip_to_the_limits(self, street: Street) -> None:
        client = (await street.address())[0]
        ada = await client.guest()
        await found(client, ada)
        shared = client.node._engine.limiter._shared
        before = 0 if shared is None else shared._client.commands  # type: ignore[attr-defined]
        await found(client, ada)
        after = 0 if shared is None else shared._client.commands  # type: ignore[attr-defined]
        assert after - before == (0 if shared is None else 1)

    async def test_A10_a_guest_has_founded_twenty_rooms_at_most(self, street: Street) -> None:
        client = (await street.address())[0]
        ada = await client.guest()
        await street.projected(ada.principal["actorId"], "guest", ROOMS_FOUNDED["guest"])
        socket = await street.socket(client, ada, street.last)
        refused = (await found(client, ada)).problem(403, "LIMIT_EXCEEDED")
        assert (refused["remaining"], "retryable" in refused) == (0, False)
        told = await found_by_socket(socket, 10)
        assert isinstance(told, Error)
        assert (told.name, told.remaining, told.retry_after_ms) == ("LIMIT_EXCEEDED", 0, None)

    async def test_A10_a_user_has_founded_two_hundred_rooms_at_most_with_those_of_the_guest(self, street: Street, mail: MailServer) -> None:
        client = (await street.address())[0]
        guest = await client.guest()
        ada = await registered(client, mail, unused(), guest.bearer)
        assert ada.principal["actorType"] == "user"
        await street.projected(ada.principal["actorId"], "user", 150)
        await street.projected(guest.principal["actorId"], "guest", ROOMS_FOUNDED["user"] - 151)
        key = {"Idempotency-Key": "the-last-of-mine"}
        last = await found(client, ada, key)
        assert last.status == 201
        await street.until_projected(last.json["id"])
        (await found(client, ada)).problem(403, "LIMIT_EXCEEDED")
        assert (await found(client, ada, key)).json["id"] == last.json["id"]

    @pytest.mark.parametrize("path", ["/v1/rooms/{room}", "/v1/rooms/{room}/messages"])
    async def test_P8_reading_is_limited_by_login_session(self, street: Street, path: str) -> None:
        client = (await street.address())[0]
        ada, bob = await client.guest(), await client.guest()
        path = path.format(room=(await found(client, ada)).json["id"])
        answers = await statuses(client.call("GET", path, headers=ada.bearer) for _ in range(150))
        assert set(answers) == {200, 429}
        assert answers[200] >= 120
        assert (await client.call("GET", path, headers=bob.bearer)).status == 200

    async def test_many_guests_of_one_address_are_limited_together(self, street: Street) -> None:
        client = (await street.address())[0]
        guests = [await client.guest() for _ in range(25)]
        read = await statuses(client.call("GET", "/v1/users/nobody-here", headers=one.bearer) for one in guests for _ in range(100))
        assert set(read) == {404, 429}
        assert READS_BY_ADDRESS.amount <= read[404] < 2 * READS_BY_ADDRESS.amount
        asked = await statuses(client.call("GET", "/v1/me/connections", headers=one.bearer) for one in guests for _ in range(12))
        assert set(asked) == {200, 429}
        assert RECOLLECTIONS_BY_ADDRESS.amount <= asked[200] < 200

    async def test_P20_choosing_a_status_by_socket_counts_as_changing_a_preference(self, street: Street, mail: MailServer) -> None:
        client = (await street.address())[0]
        ada = await registered(client, mail, unused())
        changed = await statuses(client.call("PATCH", "/v1/me/preferences", {"sounds": False}, ada.bearer) for _ in range(40))
        assert set(changed) == {200, 429}
        socket = await street.socket(client, ada, street.last)
        told = []
        for ref in range(10, 20):
            socket.command(StatusSet(ref, "dnd"))
            told.append(await socket.message())
        assert "RATE_LIMITED" in {one.name for one in told if isinstance(one, Error)}

    async def test_P8_the_list_of_rooms_is_limited_by_address(self, street: Street) -> None:
        here, there = [(await street.address())[0] for _ in range(2)]
        answers = await statuses(here.call("GET", "/v1/rooms") for _ in range(400))
        assert set(answers) == {200, 429}
        assert answers[200] >= 300
        assert (await there.call("GET", "/v1/rooms")).status == 200


class TestSocket:
    async def test_P10_messages_and_commands_are_limited(self, street: Street) -> None:
        client = (await street.address())[0]
        ada = await client.guest()
        room = (await found(client, ada)).json["id"]
        socket = await street.socket(client, ada, street.last)
        socket.command(RoomJoin(9, room))
        for ref in range(10, 19):
            socket.command(MessageSend(ref, room, "hello", f"nonce-{ref}"))
        refused = await refusals(socket, 2)
        assert [(one.ref, one.code, one.remaining) for one in refused] == [(17, 151, 0), (18, 151, 0)]
        assert all(2000 < (one.retry_after_ms or 0) <= 3000 for one in refused)
        for ref in range(100, 140):
            socket.command(MessageSend(ref, "elsewhere", "hello", f"nonce-{ref}"))
        answers = await refusals(socket, 40)
        assert {one.name for one in answers} == {"NOT_JOINED", "RATE_LIMITED"}
        assert all((one.retry_after_ms or 0) <= 334 for one in answers if one.name == "RATE_LIMITED")


async def refusals(socket: RawSocket, count: int) -> list[Error]:
    """The next errors, whatever comes in between."""
    errors: list[Error] = []
    while len(errors) < count:
        if isinstance(got := await socket.message(), Error):
            errors.append(got)
    return errors


async def _forgetful(_request: web.Request) -> web.Response:
    return web.Response()


class TestP17:
    """Codes of invites, right or wrong."""

    async def test_P17_a_guest_tries_ten_codes_a_minute_over_http_and_by_socket_together(self, street: Street) -> None:
        places = await street.address()
        ada = await places[0].guest()
        room = (await found(places[0], ada)).json["id"]
        asks = [places[number % len(places)].call("POST", f"/v1/invites/wrong{number}", headers=ada.bearer) for number in range(40)]
        answers = await statuses(asks)
        assert set(answers) == {404, 429}
        assert answers[404] >= 10
        socket = await street.socket(places[-1], ada, street.last)
        for ref in range(10, 30):  # fewer than a connection may send at once
            socket.command(InviteAccept(ref, room, f"nonce-{ref:04d}", "wrong"))
        told = [await socket.message() for _ in range(20)]
        assert "RATE_LIMITED" in {one.name for one in told if isinstance(one, Error)}  # one in six seconds flows in meanwhile

    async def test_P17_invites_are_made_used_and_listed_through_any_node(self, street: Street) -> None:
        places = await street.address()
        ada, bob = await places[0].guest(), await places[0].guest("Bob")
        for place in places:  # rooms are anywhere: one of two is asked for across nodes
            room = (await found(place, ada, visibility="private")).json["id"]
            for here in places:
                made = await here.call("POST", f"/v1/rooms/{room}/invites", {"uses": 1}, ada.bearer)
                assert made.status == 201, made.body
                assert (await here.call("POST", f"/v1/invites/{made.json['code']}?room={room}", headers=bob.bearer)).status == 200
                listed = (await here.call("GET", f"/v1/rooms/{room}/invites", headers=ada.bearer)).json["invites"]
                assert made.json["id"] in {one["id"] for one in listed}
                assert sum(one["used"] for one in listed) == 1, "a member uses nothing up"

    async def test_P17_one_address_tries_sixty_whoever_asks(self, street: Street) -> None:
        places = await street.address()
        guests = [await places[0].guest() for _ in range(12)]
        answers = await statuses(places[0].call("POST", "/v1/invites/wrong", headers=one.bearer) for one in guests for _ in range(10))
        assert INVITE_CODES[-1].amount <= answers[404] < 120
        assert set(answers) == {404, 429}


async def test_a_handler_that_forgets_its_limits_fails() -> None:
    handler = limited(Route("POST", "/", "auth.sign_in", _forgetful, limits=(LOGINS,)))
    app = web.Application()
    app[SERVICES] = type("Services", (), {"limiter": Limiter(), "proxies": ()})()
    with pytest.raises(InternalError):
        await handler(make_mocked_request("POST", "/", app=app))


async def test_every_route_that_hashes_or_sends_or_tells_who_is_there_is_limited() -> None:
    limits = {route.path: route.limits for route in routes(with_docs=False)}
    public = ("register", "magic", "confirm", "login", "password/forgot", "password/reset")
    assert all(AUTH_BY_ADDRESS in limits[f"/v1/auth/{name}"] for name in public)
    others = ("/v1/auth/refresh", "/v1/ws-token", "/v1/guests", "/v1/users/search", "/v1/me/password", "/v1/me/email", "/v1/me/export")
    assert all(limits[path] for path in others)
    assert limits["/v1/rooms/{room}/messages"] == (HISTORIES, READS_BY_ADDRESS)
    assert limits["/v1/users/search"] == (SEARCHES, SEARCHES_BY_ADDRESS)


async def test_what_counts_login_sessions_counts_their_address_too() -> None:
    """Whoever makes guests has many sessions. A cookie's own session proves itself."""
    by_session = [route for route in routes(with_docs=False) if any("session" in limit.by for limit in route.limits)]
    assert {route.path for route in by_session if not any(limit.by == ("address",) for limit in route.limits)} == {"/v1/auth/refresh"}
    assert len(by_session) > 20
