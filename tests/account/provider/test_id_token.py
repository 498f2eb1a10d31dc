"""What no id token may do (RELIABILITY T1-T6, T13), tried by a provider over real sockets."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from commonroom.account.provider import Identity, Outbound, ProviderRefused
from commonroom.account.provider.oidc import OidcProvider
from tests.account.provider.conftest import Stage
from tests.account.provider.hostile import CLIENT_ID, NONCE, HostileProvider, Key, b64, unsigned
from tests.support.clock import HandClock

ADA = Identity("school", "ada", "ada@example.org", email_verified=True, name="Ada")
HOUR_S = 3600


class Listener(NamedTuple):
    """Somebody who must hear nothing."""

    url: str
    heard: list[str]


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    heard: list[str] = []

    def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append("a connection")
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield Listener(f"http://{host}:{port}/jwks", heard)
    before = len(heard)
    reader, writer = await asyncio.open_connection(host, port)  # it does hear who comes
    assert await reader.read() == b""
    writer.close()
    server.close()
    await server.wait_closed()
    assert (before, len(heard)) == (0, 1)


def _hmac(token: str, secret: bytes) -> str:
    return f"{token}.{b64(hmac.new(secret, token.encode(), hashlib.sha256).digest())}"


async def test_a_good_token_says_who_somebody_is(stage: Stage) -> None:
    """The rows below differ from this one in one thing each."""
    assert await stage.identify() == ADA


@pytest.mark.parametrize("make", [Key.ec, Key.ed25519])
async def test_each_kind_of_key_verifies_with_its_own_algorithm(stage: Stage, make: Any) -> None:
    stage.key = make()
    stage.server.jwks.append(stage.key.jwk())
    assert await stage.identify() == ADA


@pytest.mark.parametrize(
    "alg", ["none", "None", "nOnE", "NONE", "", None, 5, ["RS256"], "HS256", "RS512", "PS256", "ES256", "EdDSA", "x" * 5000]
)
async def test_T1_a_token_of_another_algorithm_is_refused(stage: Stage, alg: Any) -> None:
    header = {"alg": alg, "kid": stage.key.kid}
    signature = stage.key.sign(stage.claims(), alg=alg).rpartition(".")[2]
    for last in ("", signature):
        await stage.refuse(f"{unsigned(header, stage.claims())}.{last}")


async def test_T1_a_token_without_its_signature_is_refused(stage: Stage) -> None:
    head, body, signature = stage.key.sign(stage.claims()).split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for bad in (
        f"{head}.{body}.",
        f"{head}.{body}",
        head,
        f"{head}.{body}.{flipped}",
        f"{head}.{body}.{signature}.",
        f"..{signature}",
        ".",
    ):
        await stage.refuse(bad)


async def test_T1_a_token_signed_by_somebody_else_is_refused(stage: Stage) -> None:
    await stage.refuse(Key.rsa(stage.key.kid).sign(stage.claims()))


async def test_T2_the_public_key_is_no_secret_to_sign_with(stage: Stage) -> None:
    secrets = [
        stage.key.public(encoding, form)
        for encoding in (Encoding.PEM, Encoding.DER)
        for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1)
    ]
    secrets += [secrets[0].strip(), json.dumps(stage.key.jwk()).encode(), stage.key.jwk()["n"].encode(), b""]
    for secret in secrets:
        for alg in ("HS256", "HS384", "RS256"):
            await stage.refuse(_hmac(unsigned({"alg": alg, "kid": stage.key.kid}, stage.claims()), secret))


async def test_T2_a_symmetric_key_in_the_set_verifies_nothing(stage: Stage) -> None:
    secret = b"s" * 32
    stage.server.jwks.append({"kty": "oct", "kid": "s1", "k": b64(secret), "alg": "HS256"})
    await stage.refuse(_hmac(unsigned({"alg": "HS256", "kid": "s1"}, stage.claims()), secret))


@pytest.mark.parametrize(
    "kid", ["../../../dev/null", "' or 1=1--", "", "unknown", None, 5, ["r1"], {"kid": "r1"}, "r1\0", "k" * 256], ids=repr
)
async def test_T3_a_key_that_is_not_the_issuer_s_is_not_found(stage: Stage, kid: Any) -> None:
    await stage.refuse(stage.key.sign(stage.claims(), kid=kid))
    await stage.refuse(_hmac(unsigned({"alg": "HS256", "kid": kid}, stage.claims()), b""))


async def test_T3_a_key_id_of_a_megabyte_is_refused_for_its_size(stage: Stage) -> None:
    await stage.refuse(stage.key.sign(stage.claims(), kid="k" * 300_000))


async def test_a_token_is_no_longer_than_it_has_to_be(stage: Stage) -> None:
    assert await stage.identify(stage.key.sign(stage.claims(groups="g" * 40_000))) == ADA
    await stage.refuse(stage.key.sign(stage.claims(groups="g" * 50_000)))


async def test_T3_a_thousand_unknown_keys_make_one_question_a_minute(stage: Stage, clock: HandClock) -> None:
    assert isinstance(stage.provider, OidcProvider)
    await stage.identify()
    clock.ms += 60_000
    for nth in range(20):
        await stage.refuse(stage.key.sign(stage.claims(), kid=f"unknown {nth}"))
    asked = [stage.provider._issuer.key(f"unknown {nth}") for nth in range(20, 1000)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {ProviderRefused}
    assert stage.server.asked["/jwks"] == 2
    clock.ms += 59_999
    await stage.refuse(stage.key.sign(stage.claims(), kid="unknown"))
    assert stage.server.asked["/jwks"] == 2
    clock.ms += 1
    await stage.refuse(stage.key.sign(stage.claims(), kid="unknown"))
    assert stage.server.asked["/jwks"] == 3
    assert await stage.identify() == ADA


async def test_T3_a_new_key_is_found_after_a_minute_at_the_latest(stage: Stage, clock: HandClock) -> None:
    await stage.identify()
    stage.key = Key.rsa("r2")
    stage.server.jwks = [stage.key.jwk()]
    await stage.refuse(stage.key.sign(stage.claims()))
    clock.ms += 60_000
    assert await stage.identify() == ADA


async def test_T3_another_issuer_s_key_is_none_of_this_one_s(stage: Stage, outbound: Outbound, clock: HandClock) -> None:
    other = Key.rsa("r1"), Key.rsa("theirs")
    async with HostileProvider(*other) as server:
        theirs = Stage(server, other[0], outbound, clock)
        assert await theirs.identify() == ADA
        for key in other:
            await stage.refuse(key.sign(stage.claims()))
        await theirs.refuse(stage.key.sign(theirs.claims()))
    assert await stage.identify() == ADA


async def test_T4_nothing_that_a_token_names_is_asked(stage: Stage, listener: Listener) -> None:
    evil = Key.rsa("evil")
    for header in (
        {"jku": listener.url},
        {"x5u": listener.url},
        {"jwk": evil.jwk()},
        {"jku": listener.url, "x5u": listener.url, "jwk": evil.jwk()},
    ):
        await stage.refuse(evil.sign(stage.claims(), **header))
        await stage.refuse(evil.sign(stage.claims(), kid=stage.key.kid, **header))
        assert await stage.identify(stage.key.sign(stage.claims(), **header)) == ADA  # ignored, not followed
    for issuer in (listener.url, listener.url.removesuffix("/jwks")):
        await stage.refuse(evil.sign(stage.claims(iss=issuer)))
        await stage.refuse(stage.key.sign(stage.claims(iss=issuer)))


@pytest.mark.parametrize(
    "header",
    [{"crit": ["x"], "x": 1}, {"crit": ["x"]}, {"crit": []}, {"crit": "x"}, {"crit": None}, {"b64": False}, {"b64": True}],
    ids=str,
)
async def test_T5_what_is_marked_critical_is_refused(stage: Stage, header: dict[str, Any]) -> None:
    await stage.refuse(stage.key.sign(stage.claims(), **header))


async def test_T5_an_unencoded_payload_is_refused(stage: Stage) -> None:
    for header in ({"b64": False, "crit": ["b64"]}, {"b64": False}):
        await stage.refuse(stage.key.sign(stage.claims(), **header))
        head, body, signature = stage.key.sign(stage.claims(), **header).split(".")
        await stage.refuse(f"{head}..{signature}")
        await stage.refuse(f"{head}.{json.dumps(stage.claims())}.{signature}")
        del body


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "logout+jwt", 5, None])
async def test_T5_a_token_of_another_kind_is_no_id_token(stage: Stage, typ: Any) -> None:
    await stage.refuse(stage.key.sign(stage.claims(), typ=typ))


@pytest.mark.parametrize("typ", ["JWT", "jwt", ...])
async def test_an_id_token_may_say_that_it_is_a_jwt(stage: Stage, typ: Any) -> None:
    assert await stage.identify(stage.key.sign(stage.claims(), typ=typ)) == ADA


NOW_S = 1_800_000_000


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": ...}, {"exp": NOW_S - 60}, {"exp": NOW_S - 61}, {"exp": str(NOW_S + 300)}, {"exp": -1}, {"exp": None}, {"exp": True},
        {"exp": [NOW_S + 300]}, {"exp": 0},
        {"nbf": NOW_S + HOUR_S}, {"nbf": "0"}, {"iat": NOW_S + HOUR_S}, {"iat": NOW_S + 61}, {"iat": ...}, {"iat": "0"},
        {"iss": "https://accounts.google.com"}, {"iss": ...}, {"iss": 5}, {"iss": ["x"]},
        {"aud": "other"}, {"aud": ...}, {"aud": []}, {"aud": ["other"]}, {"aud": 5}, {"aud": [CLIENT_ID, 5]}, {"aud": {CLIENT_ID: 1}},
        {"aud": [CLIENT_ID, "other"]}, {"aud": [CLIENT_ID, "other"], "azp": "other"}, {"azp": "other"}, {"aud": CLIENT_ID, "azp": ""},
        {"aud": f"{CLIENT_ID} other"}, {"aud": CLIENT_ID.upper()},
        {"sub": ...}, {"sub": 5}, {"sub": ""}, {"sub": None}, {"sub": "s" * 256}, {"sub": "s" * 500_000}, {"sub": "a\0"}, {"sub": "é"},
        {"nonce": ...}, {"nonce": ""}, {"nonce": NONCE + "x"}, {"nonce": NONCE[:-1]}, {"nonce": [NONCE]}, {"nonce": None}, {"nonce": "é"},
    ],
    ids=lambda changed: str(changed)[:60],
)  # fmt: skip
async def test_T6_a_rightly_signed_token_of_wrong_claims_is_refused(stage: Stage, changed: dict[str, Any]) -> None:
    await stage.refuse(stage.key.sign(stage.claims(**changed)))


@pytest.mark.parametrize("exp", [b"1e400", b"-1e400", b"NaN", b"Infinity", b"9" * 5000, b"1.8e9x"], ids=lambda exp: exp[:9].decode())
async def test_T6_an_end_that_is_no_number_is_refused(stage: Stage, exp: bytes) -> None:
    claims = json.dumps(stage.claims(exp=0)).encode().replace(b'"exp": 0', b'"exp": ' + exp)
    assert exp in claims
    await stage.refuse(stage.key.sign(claims))


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"x"', b"{", b"[" * 9000, b"\xff\xfe", b'{"sub": "\xed\xa0\x80"}', b"{}"],
    ids=lambda body: repr(body[:9]),
)
async def test_T6_a_rightly_signed_body_that_is_no_claims_is_refused(stage: Stage, body: bytes) -> None:
    await stage.refuse(stage.key.sign(body))


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": NOW_S - 59}, {"exp": NOW_S + 0.5}, {"iat": NOW_S + 60}, {"nbf": NOW_S}, {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "other"], "azp": CLIENT_ID}, {"azp": CLIENT_ID}, {"at_hash": "x", "extra": {"a": [1e300]}},
    ],
    ids=str,
)  # fmt: skip
async def test_what_the_specification_allows_is_accepted(stage: Stage, changed: dict[str, Any]) -> None:
    assert await stage.identify(stage.key.sign(stage.claims(**changed))) == ADA


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "x" * 70_000, 5, None, ["x"], {}], ids=lambda token: repr(token)[:9])
async def test_what_is_no_token_is_refused(stage: Stage, token: Any) -> None:
    stage.server.id_token = token
    await stage.refuse("" if token is None else token)


@pytest.mark.parametrize("said", [False, "false", "true", 1, None, ..., [True], {}], ids=repr)
async def test_T13_only_a_provider_that_says_true_has_verified_an_address(stage: Stage, said: Any) -> None:
    told = await stage.identify(stage.key.sign(stage.claims(email="victim@example.org", email_verified=said)))
    assert (told.email, told.email_verified) == ("victim@example.org", False)


@pytest.mark.parametrize(
    "email", ["", "@", "ada", "a b@example.org", "ada@example.org\n", 5, ["ada@example.org"], "a" * 300 + "@example.org"]
)
async def test_T13_what_is_no_address_is_not_verified_either(stage: Stage, email: Any) -> None:
    told = await stage.identify(stage.key.sign(stage.claims(email=email, email_verified=True)))
    assert (told.subject, told.email_verified) == ("ada", told.email == "ada@example.org")
    assert told.email in {None, "ada@example.org"}


async def test_T13_an_address_of_the_user_info_counts_only_for_the_same_subject(stage: Stage) -> None:
    token = stage.key.sign(stage.claims(email=..., email_verified=...))
    stage.server.user_info = {"sub": "ada", "email": "ada@example.org", "email_verified": True}
    assert await stage.identify(token) == ADA
    stage.server.user_info["email_verified"] = False
    assert not (await stage.identify(token)).email_verified
    stage.server.user_info = {"sub": "victim", "email": "victim@example.org", "email_verified": True, "name": "Victim"}
    assert await stage.identify(token) == ADA._replace(email=None, email_verified=False)


async def test_T13_the_verification_of_one_source_is_not_joined_to_the_address_of_the_other(stage: Stage) -> None:
    stage.server.user_info = {"sub": "ada", "email_verified": True}
    told = await stage.identify(stage.key.sign(stage.claims(email="victim@example.org", email_verified=...)))
    assert (told.email, told.email_verified) == ("victim@example.org", False)
    assert stage.server.asked["/userinfo"] == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [("  Ada \n Lovelace ", "Ada Lovelace"), ("a\u202eb\0c", "abc"), ("x" * 100, "x" * 64), ("", ""), (5, ""), (..., ""), (["Ada"], "")],
)
async def test_a_name_is_fit_to_be_shown(stage: Stage, name: Any, told: str) -> None:
    assert (await stage.identify(stage.key.sign(stage.claims(name=name)))).name == told


@pytest.mark.parametrize(
    "changed",
    [
        {"use": "enc"}, {"alg": "RS512"}, {"alg": "none"}, {"alg": "HS256"}, {"kty": "EC"}, {"kty": "oct"}, {"kty": ...},
        {"n": ...}, {"e": ...}, {"n": "!"}, {"n": ""}, {"n": 5}, {"e": "AA"},
        {"n": "A" * 2000}, {"crv": "P-256"}, {"kid": 5}, {"kid": "k" * 256},
    ],
    ids=lambda changed: str(changed)[:40],
)  # fmt: skip
async def test_a_key_of_another_use_or_form_verifies_nothing(stage: Stage, changed: dict[str, Any]) -> None:
    stage.server.jwks = ["x", None, {}, stage.key.jwk(**changed)]
    await stage.refuse(stage.key.sign(stage.claims()))


async def test_a_short_key_verifies_nothing(stage: Stage) -> None:
    stage.key = Key.rsa("short", 1024)
    stage.server.jwks.append(stage.key.jwk())
    await stage.refuse(stage.key.sign(stage.claims()))


@pytest.mark.parametrize("kid", ["r1", ...])
async def test_the_only_key_need_not_be_named(stage: Stage, kid: Any) -> None:
    stage.server.jwks = [stage.key.jwk(kid=kid)]
    assert await stage.identify(stage.key.sign(stage.claims(), kid=...)) == ADA


async def test_T3_one_key_of_several_has_to_be_named(stage: Stage) -> None:
    stage.server.jwks.append(Key.ec().jwk())
    await stage.refuse(stage.key.sign(stage.claims(), kid=...))
