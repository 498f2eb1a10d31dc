"""The page and the client: from memory, cached as long as it is right to."""

import gzip
import re
from importlib import resources

import pytest

from tests.http.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="session")

FILES = {
    "app.js": "text/javascript; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "favicon.svg": "image/svg+xml",
    "figtree-latin-wght-normal.woff2": "font/woff2",
}


async def _assets(api: Api) -> list[str]:
    return re.findall(r'(?:src|href)="(/assets/[^"]+)"', (await api.call("GET", "/")).body.decode())


def _on_disk(name: str) -> bytes:
    return (resources.files("commonroom.http") / "static" / name).read_bytes()


@pytest.mark.parametrize("path", ["/", "/rooms", "/admin", "/r/x", "/r/01m7y229e2eea871b66ngwwj9r", "/?from=mail"])
async def test_every_address_of_the_page_is_the_page(api: Api, path: str) -> None:
    answer = await api.call("GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert b'<div id="app">' in answer.body


@pytest.mark.parametrize("path", ["/nowhere", "/room/x", "/rooms/x", "/r/", "/admin.php", "/v1x", "/docs/x"])
async def test_a_person_at_an_unknown_address_sees_the_page(api: Api, path: str) -> None:
    page = await api.call("GET", "/")
    answer = await api.call("GET", path, headers={"Accept": "text/html,*/*;q=0.8", "If-None-Match": page.headers["ETag"]})
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (404, "text/html; charset=utf-8", page.body)
    assert answer.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"]
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert (await api.call("GET", path)).problem(404, "NOT_FOUND")
    (await api.call("POST", path, headers={"Accept": "text/html"})).problem(404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nowhere", "/assets/x", "/assets/x/app.js"])
async def test_where_programs_ask_an_unknown_address_is_a_problem(api: Api, path: str) -> None:
    (await api.call("GET", path, headers={"Accept": "text/html"})).problem(404, "NOT_FOUND")


async def test_a_slash_too_many_leads_to_the_page(api: Api) -> None:
    for path, target in (("/rooms/?tag=a%20b", "/rooms?tag=a%20b"), ("/r/x%2Fy/", "/r/x%2Fy"), ("/login/link/", "/login/link")):
        answer = await api.call("GET", path)
        assert (answer.status, answer.headers["Location"]) == (308, target)


async def test_the_page_names_files_by_hash_and_nobody_elses(api: Api) -> None:
    page = (await api.call("GET", "/")).body.decode()
    assets = await _assets(api)
    assert len(assets) >= 3
    assert len({asset.split("/")[2] for asset in assets}) == 1
    assert "/assets/@/" not in page
    assert "://" not in page
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page)  # the policy forbids them
    for asset in assets:
        assert (await api.call("GET", asset)).status == 200


@pytest.mark.parametrize(("name", "kind"), FILES.items())
async def test_a_hashed_file_never_changes(api: Api, name: str, kind: str) -> None:
    version = (await _assets(api))[0].split("/")[2]
    answer = await api.call("GET", f"/assets/{version}/{name}")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == kind
    assert answer.body == _on_disk(name)


async def test_text_goes_packed_to_who_takes_it(api: Api) -> None:
    plain = await api.call("GET", "/client.js")
    packed = await api.call("GET", "/client.js", headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert len(packed.body) < len(plain.body) / 2
    assert gzip.decompress(packed.body) == plain.body == _on_disk("client.js")


async def test_a_font_is_not_packed_again(api: Api) -> None:
    version = (await _assets(api))[0].split("/")[2]
    answer = await api.call("GET", f"/assets/{version}/figtree-latin-wght-normal.woff2", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/client.js", "/client.iife.js"])
async def test_what_one_has_is_not_sent_again(api: Api, path: str) -> None:
    etag = (await api.call("GET", path)).headers["ETag"]
    again = await api.call("GET", path, headers={"If-None-Match": etag})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert "Content-Security-Policy" in again.headers
    assert (await api.call("GET", path, headers={"If-None-Match": '"other"'})).status == 200


@pytest.mark.parametrize("path", ["/client.js", "/client.iife.js"])
async def test_the_client_has_a_stable_address(api: Api, path: str) -> None:
    answer = await api.call("GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_a_file_of_another_build_is_gone(api: Api) -> None:
    for version in ("000000000000", "@"):
        (await api.call("GET", f"/assets/{version}/app.js")).problem(404, "NOT_FOUND")


@pytest.mark.parametrize("name", ["no.js", "..%2F..%2Fapp.py", "%2e%2e%2fapp.py", "%2Fetc%2Fpasswd", "BUILD", "%00", "app.js%00.css"])
async def test_nothing_but_the_built_files_is_served(api: Api, name: str) -> None:
    version = (await _assets(api))[0].split("/")[2]
    (await api.call("GET", f"/assets/{version}/{name}")).problem(404, "NOT_FOUND")


async def test_a_head_request_has_no_body(api: Api) -> None:
    answer = await api.call("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")
