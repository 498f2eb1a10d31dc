"""What is sent to a token endpoint, and what is taken from one."""

from base64 import b64encode
from typing import Any

import pytest
from aiohttp import web

from tests.account.provider.conftest import CODE, SECRET, Stage
from tests.account.provider.hostile import CLIENT_ID, REDIRECT, VERIFIER

BOTH = ["client_secret_basic", "client_secret_post"]


@pytest.mark.parametrize("methods", [BOTH, ["client_secret_post"]])
async def test_the_secret_goes_into_the_body_where_that_is_taken(stage: Stage, methods: list[str]) -> None:
    stage.server.discovery["token_endpoint_auth_methods_supported"] = methods
    await stage.identify()
    (form,) = stage.server.forms
    assert stage.server.authorizations == [""]
    assert form == {
        "grant_type": "authorization_code", "code": CODE, "redirect_uri": REDIRECT, "code_verifier": VERIFIER,
        "client_id": CLIENT_ID, "client_secret": SECRET,
    }  # fmt: skip


@pytest.mark.parametrize("methods", [..., ["client_secret_basic"], ["private_key_jwt"]])
async def test_the_secret_goes_into_a_header_elsewhere(stage: Stage, methods: Any) -> None:
    stage.server.discovery["token_endpoint_auth_methods_supported"] = methods
    await stage.identify()
    (form,) = stage.server.forms
    assert stage.server.authorizations == [f"Basic {b64encode(f'{CLIENT_ID}:{SECRET}'.encode()).decode()}"]
    assert form.keys() == {"grant_type", "code", "redirect_uri", "code_verifier"}


@pytest.mark.parametrize(
    "answer",
    [
        {"token_type": "mac"}, {"token_type": ""}, {"token_type": None}, {"token_type": 5}, {"token_type": "Bearer\n"},
        {"access_token": ""}, {"access_token": None}, {"access_token": 5}, {"access_token": "a b"}, {"access_token": "é"},
        {"access_token": "a\r\nX-Evil: 1"}, {"access_token": ["a"]},
        {"id_token": ""}, {"id_token": None}, {"id_token": 5}, {"error": "invalid_grant"}, {"error": 5},
    ],
    ids=str,
)  # fmt: skip
async def test_an_answer_without_tokens_that_can_be_used_is_refused(stage: Stage, answer: dict[str, Any]) -> None:
    stage.server.token = answer
    await stage.refuse(None)
    assert stage.server.asked["/userinfo"] == 0


@pytest.mark.parametrize(
    "answer", [{"token_type": "bearer"}, {"token_type": "BEARER"}, {"expires_in": "x"}, {"expires_in": [1e300], "expires_at": {}}]
)
async def test_what_is_not_used_does_not_matter(stage: Stage, answer: dict[str, Any]) -> None:
    stage.server.token = answer
    assert (await stage.identify()).subject == "ada"


@pytest.mark.parametrize("status", [200, 400, 401])
async def test_a_refusal_is_told_in_known_words_only(stage: Stage, status: int) -> None:
    for error, told in (("invalid_client", "invalid_client"), ("the code was code-hunter2", "no"), ("", "no")):

        async def page(_request: web.Request, error: str = error) -> web.Response:
            return web.json_response({"error": error, "error_description": "code-hunter2"}, status=status)

        stage.server.pages["/token"] = page
        refusal = await stage.refuse(None)
        assert refusal in {
            f"the provider refused: the token endpoint says {told}",
            "the provider refused: the token endpoint gave no bearer token",
        }
