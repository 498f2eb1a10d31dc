"""What a profile may say, and what would do harm to who looks at it."""

import pytest

from commonroom.errors import Invalid
from commonroom.http.profile import clean_avatar, clean_status
from tests.http.account import registered, unused
from tests.http.api import Api
from tests.support.mail import MailServer

GOOD_STATUSES = {
    "": "",
    "  \n ": "",
    " two\nlines\t here ": "two lines here",
    "x" * 140: "x" * 140,
    "👩‍💻" * 46: "👩‍💻" * 46,
    "قراءة": "قراءة",
    "<b>&amp;": "<b>&amp;",
}
BAD_STATUSES = ("x" * 141, "a\x00b", "a\x1b[31m", "a\u202eb", "\u2066a", "a\x9bb", "a\ue000", "a\uffff", "a\ud800")
GOOD_AVATARS = (
    "", "https://example.org/a.png", "https://example.org", "https://example.org:8443/a%20b?size=1&x=(1)#top", "https://EXAMPLE.org/~ada/",
    "/assets/avatars/1.png", "/a",
)  # fmt: skip
BAD_AVATARS = (
    "javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:image/png;base64,AAAA",
    "vbscript:x", "blob:https://example.org/1", "file:///etc/passwd", "http://example.org/a.png", "ftp://example.org/a.png",
    "//evil.example/a.png",
    "/\\evil.example", "\\\\evil.example", "https:/example.org", "https:example.org", "https://", "https:///a", "https://:443/",
    "https://a@b.example/", "https://a:b@c.example/", "https://example.org:x/", "https://example.org:99999/", "https://ex ample.org/",
    "https://example.org/\"onerror=", "https://example.org/<b>", "https://example.org/a\u202eb", "https://exämple.org/", "a.png", "./a.png",
    "/../v1/me", "/a/../v1/me", "/a//b", "/v1/auth/google/start", "/assets/a.png?x=1", "/assets/a%2e", "/",
    "https://example.org/" + "a" * 500, "https://example.org/\x00", "https://example.org/a\nb",
)  # fmt: skip


@pytest.mark.parametrize(("given", "kept"), GOOD_STATUSES.items())
def test_a_status_is_one_line(given: str, kept: str) -> None:
    assert clean_status(given) == kept


@pytest.mark.parametrize("given", BAD_STATUSES, ids=ascii)
def test_a_status_that_would_upset_a_page_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        clean_status(given)
    assert refused.value.field == "$.statusText"


@pytest.mark.parametrize("given", GOOD_AVATARS)
def test_an_avatar_is_nothing_a_https_url_or_a_file_of_ours(given: str) -> None:
    assert clean_avatar(f" {given} ") == given


@pytest.mark.parametrize("given", BAD_AVATARS, ids=ascii)
def test_an_avatar_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(Invalid) as refused:
        clean_avatar(given)
    assert refused.value.field == "$.avatar"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_profile_is_changed_as_a_whole_or_not(api: Api, mail: MailServer) -> None:
    user = await registered(api, mail, unused())
    wanted = {"name": " Ada  K. ", "avatar": "https://example.org/ada.png", "statusText": " reading\n"}
    changed = await api.call("PATCH", "/v1/me", wanted, user.bearer)
    assert (changed.status, changed.json["name"], changed.json["avatar"], changed.json["statusText"]) == (
        200, "Ada K.", "https://example.org/ada.png", "reading",
    )  # fmt: skip
    for field, value in (("avatar", "javascript:alert(1)"), ("statusText", "a\x00b"), ("statusText", "x" * 141)):
        refused = await api.call("PATCH", "/v1/me", {"name": "Mallory", field: value}, user.bearer)
        assert refused.problem(422, "INVALID")["field"] == f"$.{field}"
    kept = await api.call("PATCH", "/v1/me", {"avatar": ""}, user.bearer)
    assert (kept.json["name"], kept.json["avatar"], kept.json["statusText"]) == ("Ada K.", "", "reading")
