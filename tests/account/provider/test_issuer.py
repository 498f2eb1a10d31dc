"""What an issuer says of itself: checked, kept, and asked for seldom."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from commonroom.account.provider import ProviderRefused, ProviderSilent
from commonroom.account.provider.document import FRESH_MS, USABLE_MS
from tests.account.provider.conftest import Stage
from tests.account.provider.hostile import NONCE, REDIRECT, VERIFIER
from tests.support.clock import HandClock

DISCOVERY = "/.well-known/openid-configuration"


async def _down(_request: web.Request) -> web.Response:
    return web.Response(status=503)


async def _begin(stage: Stage) -> str:
    return await stage.provider.authorize_url(REDIRECT, "state", NONCE, VERIFIER)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://accounts.google.com"}, {"issuer": "{issuer}/"}, {"issuer": "{ISSUER}"}, {"issuer": ...}, {"issuer": 5},
        {"token_endpoint": ...}, {"token_endpoint": "http://10.0.0.1/token"}, {"token_endpoint": "http://id.example/token"},
        {"token_endpoint": "ftp://127.0.0.1/"}, {"token_endpoint": "/token"}, {"token_endpoint": ""}, {"token_endpoint": 5},
        {"token_endpoint": "https://a@b.example/"}, {"token_endpoint": "https://" + "a" * 70_000}, {"token_endpoint": "https://999.1.1.1/"},
        {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": ...}, {"jwks_uri": "http://169.254.169.254/latest"},
        {"authorization_endpoint": "javascript:alert(1)"}, {"authorization_endpoint": ...}, {"authorization_endpoint": "http://id.example/"},
        {"authorization_endpoint": "https://id.example/\nx"}, {"userinfo_endpoint": "http://id.example/"}, {"userinfo_endpoint": 5},
    ],
    ids=lambda changed: str(changed)[:60],
)  # fmt: skip
async def test_a_discovery_document_of_another_or_of_bad_places_is_refused(stage: Stage, changed: dict[str, Any]) -> None:
    issuer = stage.server.issuer
    stage.server.discovery = {
        name: value.format(issuer=issuer, ISSUER=issuer.upper()) if isinstance(value, str) else value for name, value in changed.items()
    }
    with pytest.raises(ProviderRefused):
        await _begin(stage)
    assert set(stage.server.asked) == {DISCOVERY}


async def test_an_issuer_elsewhere_cannot_lead_to_this_machine(stage: Stage) -> None:
    """Tried without a server: it would need a certificate of its own."""
    issuer = stage.provider._issuer  # type: ignore[attr-defined]
    assert issuer._may_lead_to("http://127.0.0.1:1/jwks")
    issuer.url = "https://id.example"
    assert not issuer._may_lead_to("http://127.0.0.1:1/jwks")
    assert issuer._may_lead_to("https://keys.example/jwks?kind=sig")


async def test_a_discovery_document_is_kept_for_an_hour(stage: Stage, clock: HandClock) -> None:
    await _begin(stage)
    clock.ms += FRESH_MS - 1
    await _begin(stage)
    assert stage.server.asked[DISCOVERY] == 1
    clock.ms += 1
    await asyncio.gather(*(_begin(stage) for _ in range(20)))
    assert stage.server.asked[DISCOVERY] == 2


async def test_keys_that_were_withdrawn_are_believed_for_an_hour(stage: Stage, clock: HandClock) -> None:
    await stage.identify()
    stage.server.jwks = []
    clock.ms += FRESH_MS - 1
    await stage.identify()
    clock.ms += 1
    await stage.refuse(stage.key.sign(stage.claims()))


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks"])
async def test_what_was_said_holds_for_a_day_while_the_provider_does_not_repeat_it(stage: Stage, clock: HandClock, path: str) -> None:
    await stage.identify()
    stage.server.pages[path] = _down
    clock.ms += USABLE_MS - 1
    await stage.identify()
    assert stage.server.asked[path] == 2
    clock.ms += 60_000
    await stage.refuse(None, ProviderSilent)
    del stage.server.pages[path]
    clock.ms += 60_000
    await stage.identify()


async def test_T3_a_provider_that_fails_is_not_asked_for_keys_more_often(stage: Stage, clock: HandClock) -> None:
    stage.server.pages["/jwks"] = _down
    for _ in range(5):
        await stage.refuse(None, ProviderSilent)
    assert stage.server.asked["/jwks"] == 1
    del stage.server.pages["/jwks"]
    clock.ms += 60_000
    await stage.identify()


async def test_many_at_once_ask_a_provider_that_is_down_once(stage: Stage, clock: HandClock) -> None:
    stage.server.pages[DISCOVERY] = _down
    answers = await asyncio.gather(*(_begin(stage) for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {ProviderSilent}
    assert stage.server.asked[DISCOVERY] == 1
    del stage.server.pages[DISCOVERY]
    clock.ms += 5_000
    assert (await _begin(stage)).startswith(stage.server.issuer)


async def test_an_issuer_may_end_with_a_slash(stage: Stage) -> None:
    stage.server.discovery = {"issuer": f"{stage.server.issuer}/"}
    stage.server.issuer += "/"
    slashed = Stage(stage.server, stage.key, stage.outbound, stage.clock)
    stage.server.discovery |= {name: f"{stage.server.issuer.rstrip('/')}/{name}" for name in ("jwks_uri", "token_endpoint")}
    assert (await _begin(slashed)).startswith("http://127.0.0.1:")
