"""What every answer has: an id, security headers, no word about the inside. Health and metrics beside it."""

import asyncio
import io
import json
import re

import pytest

from commonroom.app import Node
from commonroom.http.auth import COOKIE
from commonroom.http.middleware import SECURITY_HEADERS
from commonroom.ids import is_id
from tests.http.api import Account, Answer, Api
from tests.support.client import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

VERSIONS = re.compile(r"aiohttp|python|uvloop|postgres|\d+\.\d+\.\d+", re.IGNORECASE)
EVERY_KIND = (
    ("GET", "/", 200),
    ("GET", "/r/some-room", 200),
    ("GET", "/client.js", 200),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/v1/rooms", 200),
    ("GET", "/v1/me", 401),
    ("GET", "/v1/rooms?limit=x", 422),
    ("POST", "/v1/guests", 400),
    ("DELETE", "/v1/rooms", 405),
    ("GET", "/assets/stale/app.js", 404),
    ("GET", "/no/such/route", 404),
    ("GET", "/v1/rooms/", 404),
    ("GET", "//evil.example/%2e%2e", 404),
    ("OPTIONS", "/v1/rooms", 405),
    ("TRACE", "/", 405),
)


@pytest.mark.parametrize(("method", "path", "status"), EVERY_KIND)
async def test_every_answer_is_armoured(api: Api, method: str, path: str, status: int) -> None:
    answer = await api.call(method, path)
    assert answer.status == status
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["Server"] == "Commonroom"
    assert not VERSIONS.search(str({name: value for name, value in answer.headers.items() if name not in {"Date", "ETag"}}))
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert is_id(answer.headers["X-Request-Id"])
    if status >= 400:
        answer.problem(status, answer.json["name"])
        assert answer.headers["Cache-Control"] == "no-store"


async def test_the_policy_lets_in_only_our_own_scripts() -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in SECURITY_HEADERS["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == "'self'"
    assert rules.get("script-src", "'self'") == "'self'"
    assert (rules["frame-ancestors"], rules["base-uri"], rules["object-src"]) == ("'none'", "'none'", "'none'")
    assert "unsafe" not in str(rules)


@pytest.mark.parametrize("path", ["/v1/me", "/healthz"])
async def test_what_is_no_file_is_not_stored(api: Api, ada: Account, path: str) -> None:
    assert (await api.call("GET", path, headers=ada.bearer)).headers["Cache-Control"] == "no-store"


async def test_a_well_formed_request_id_is_kept(api: Api) -> None:
    for path in ("/healthz", "/no/such/route"):
        assert (await api.call("GET", path, headers={"X-Request-Id": "proxy-1.2_X"})).headers["X-Request-Id"] == "proxy-1.2_X"


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "<script>", "a;b", "é"])
async def test_any_other_request_id_is_replaced(api: Api, given: str) -> None:
    assert is_id((await api.call("GET", "/healthz", headers={"X-Request-Id": given})).headers["X-Request-Id"])


async def test_no_two_requests_have_one_id(api: Api) -> None:
    assert len({(await api.call("GET", "/healthz")).headers["X-Request-Id"] for _ in range(20)}) == 20


async def test_a_method_that_is_not_there_names_those_that_are(api: Api) -> None:
    answer = await api.call("DELETE", "/v1/rooms")
    assert set(answer.headers["Allow"].split(",")) == {"GET", "POST"}
    answer.problem(405, "BAD_REQUEST")


async def test_health_tells_nothing_but_that(api: Api) -> None:
    for path in ("/healthz", "/health"):
        assert (await api.call("GET", path)).json == {"status": "ok"}
    assert (await api.call("GET", "/readyz")).json == {"status": "ok", "reasons": []}


async def test_metrics_are_on_their_own_port_only(api: Api, node: Node, ada: Account) -> None:
    (await api.call("GET", "/metrics")).problem(404, "NOT_FOUND")
    await api.room(ada)
    answer = await _metrics(api, node)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    values = dict(line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    assert float(values["commonroom_journal_healthy"]) == 1
    assert float(values["commonroom_engine_live"]) >= 1
    assert "commonroom_gateway_connections" in values
    assert all(re.fullmatch(r'commonroom_[a-z0-9_]+({le="[^"]+"})?', name) for name in values)
    assert ada.sid not in answer.body.decode()


async def test_metrics_do_not_name_versions(api: Api, node: Node) -> None:
    assert "Server" not in (await _metrics(api, node)).headers or not VERSIONS.search((await _metrics(api, node)).headers["Server"])


async def test_logs_hold_no_secret(api: Api, log: io.StringIO) -> None:
    made = await api.call("POST", "/v1/guests", {"name": "canary-name"})
    secret = made.json["accessToken"]
    refresh = made.cookies[COOKIE].value
    bearer = {"Authorization": f"Bearer {secret}"}
    ours = {"Cookie": f"{COOKIE}={refresh}", "Origin": api.url}
    token = (await api.call("POST", "/v1/ws-token", {}, bearer)).json["token"]
    await api.call("PATCH", "/v1/me", {"name": "canary-renamed"}, bearer)
    renewed = await api.call("POST", "/v1/auth/refresh", headers=ours)
    await api.call("POST", "/v1/rooms", {"title": "canary-title"}, bearer)
    await api.call("POST", "/v1/rooms", {"title": "canary-refused", "timer": "canary-timer"}, bearer)
    await api.call("GET", f"/v1/rooms?cursor={secret}", headers=bearer)
    await api.call("GET", "/v1/me", headers={"Authorization": f"Bearer {secret}x"})
    written = log.getvalue()
    requests = [json.loads(line) for line in written.splitlines()]
    statuses = [line["status"] for line in requests if line["event"] == "request"]
    assert statuses == [201, 200, 200, 200, 201, 422, 422, 401]
    for canary in (secret, refresh, renewed.json["accessToken"], renewed.cookies[COOKIE].value):
        assert canary not in written
    assert token not in written
    assert token.rpartition(".")[2] not in written
    assert "canary" not in written


async def test_a_request_is_logged_with_the_id_it_was_answered_with(api: Api, log: io.StringIO) -> None:
    answer = await api.call("GET", "/v1/rooms")
    await api.call("GET", "/healthz")  # asked every few seconds, hence not logged
    (line,) = [json.loads(line) for line in log.getvalue().splitlines()]
    assert (line["request_id"], line["method"], line["path"]) == (answer.headers["X-Request-Id"], "GET", "/v1/rooms")


async def test_a_path_cannot_forge_a_log_line(api: Api, log: io.StringIO) -> None:
    await api.call("GET", "/x%0a%7B%22event%22:%22forged%22%7D%1b[31m")
    (line,) = log.getvalue().splitlines()
    assert json.loads(line)["event"] == "request"
    assert "\x1b" not in line


async def _metrics(api: Api, node: Node) -> Answer:
    http = node.settings.http
    return await api.call("GET", "/metrics", url=f"http://{http.metrics_host}:{http.metrics_port}")


async def test_a_client_that_leaves_in_the_middle_of_its_request_is_no_error(api: Api, log: io.StringIO) -> None:
    host, _, port = api.url.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/guests HTTP/1.1\r\nHost: room\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{")
    await writer.drain()
    await api.call("GET", "/healthz")  # the request before it has been begun
    writer.transport.abort()
    await until(lambda: "client_left" in log.getvalue(), "the log's line")
    assert [json.loads(line)["level"] for line in log.getvalue().splitlines()] == ["info"]
