"""ws tokens: what is minted is proven, and nothing else is (RELIABILITY T1-T8)."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonroom.clock import Millis
from commonroom.errors import InternalError, TokenExpired, Unauthenticated
from commonroom.identity import Principal, RoomGrant, SessionId
from commonroom.token import MAX_TOKEN_CHARS, MAX_TTL_S, SigningKey, WsTokens

NOW = 1_800_000_000_000
KEY = SigningKey("k1", b"s" * 32)
ADA = Principal("guest", "0ada")


class HandClock:
    """Cluster time set by hand."""

    def __init__(self) -> None:
        self.ms = NOW

    def now(self) -> Millis:
        return Millis(self.ms)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def tokens(clock: HandClock) -> WsTokens:
    return WsTokens([KEY], clock)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _forge(claims: Any, header: Any = None, secret: bytes = KEY.secret, signature: bytes | None = None) -> str:
    """A token made by hand, signed rightly unless told otherwise."""
    head = {"alg": "HS256", "kid": "k1", "typ": "ws"} | (header or {})
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{_b64(json.dumps({k: v for k, v in head.items() if v is not ...}).encode())}.{_b64(body)}"
    mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if signature is None else signature
    return f"{signed}.{_b64(mac)}"


CLAIMS = {
    "iss": "commonroom", "aud": "ws", "sub": "0ada", "iat": NOW // 1000, "exp": NOW // 1000 + 300,
    "actorType": "guest", "actorId": "0ada", "sessionId": "0ada", "name": "Ada",
}  # fmt: skip


def _claims(**changed: Any) -> dict[str, Any]:
    return {name: value for name, value in (CLAIMS | changed).items() if value is not ...}


def test_a_minted_token_proves_who_it_was_minted_for(tokens: WsTokens) -> None:
    minted = tokens.mint(ADA, SessionId("0ada"), "Ada")
    authority = tokens.verify(minted.token)
    assert (authority.principal, authority.sid, authority.name) == (ADA, "0ada", "Ada")
    assert authority.expires_at == minted.expires_at == NOW + MAX_TTL_S * 1000
    assert not authority.bound
    assert authority.grants == ()


def test_a_token_carries_the_claims_of_p4(tokens: WsTokens) -> None:
    minted = tokens.mint(ADA, SessionId("0s"), "Ada", grant=RoomGrant("room1", "0ada", "host"))
    body = minted.token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    expected = {"actorType": "guest", "actorId": "0ada", "sessionId": "0s", "roomId": "room1", "participantId": "0ada", "roomRole": "host"}
    assert claims.items() >= expected.items()
    assert claims["exp"] - claims["iat"] <= MAX_TTL_S


def test_a_bound_token_is_a_grant_for_its_room_only(tokens: WsTokens) -> None:
    grant = RoomGrant("room1", "0ada", "participant")
    authority = tokens.verify(tokens.mint(ADA, SessionId("0ada"), "Ada", grant=grant).token)
    assert authority.bound
    assert authority.grants == (grant,)


def test_a_token_ends_with_cluster_time(tokens: WsTokens, clock: HandClock) -> None:
    minted = tokens.mint(ADA, SessionId("0ada"), "Ada")
    clock.ms = minted.expires_at - 1
    tokens.verify(minted.token)
    clock.ms = minted.expires_at
    with pytest.raises(TokenExpired):
        tokens.verify(minted.token)


def test_a_token_never_lives_longer_than_five_minutes(clock: HandClock) -> None:
    minted = WsTokens([KEY], clock, ttl_s=86400).mint(ADA, SessionId("0ada"), "Ada")
    assert minted.expires_at == NOW + 300_000


def test_a_handmade_token_with_all_claims_passes(tokens: WsTokens) -> None:
    """The rows below differ from this one in one thing each."""
    assert tokens.verify(_forge(_claims())).name == "Ada"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"}, {"alg": "None"}, {"alg": "nOnE"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": ...}, {"alg": 5}, {"alg": ["HS256"]},
        {"kid": "../../../dev/null"}, {"kid": "' or 1=1--"}, {"kid": "k" * 2000}, {"kid": "unknown"}, {"kid": ...}, {"kid": 7},
        {"kid": None},
        {"typ": "JWT"}, {"typ": "refresh"}, {"typ": ...}, {"crit": ["x"]}, {"crit": []}, {"b64": False}, {"b64": False, "crit": ["b64"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_foreign_header_is_refused(tokens: WsTokens, header: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_forge(_claims(), header))


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": ...}, {"exp": str(NOW)}, {"exp": -1}, {"exp": 10**30}, {"exp": 1e300}, {"exp": NOW // 1000 + 301},
        {"exp": None}, {"exp": True},
        {"iat": ...}, {"iat": NOW // 1000 + 3600, "exp": NOW // 1000 + 3700}, {"iat": -5, "exp": 200}, {"nbf": NOW // 1000 + 3600},
        {"iss": "other"}, {"iss": ...}, {"aud": "refresh"}, {"aud": ...}, {"aud": ["ws"]}, {"sub": ...}, {"sub": 5}, {"sub": "0bob"},
        {"actorType": "admin"}, {"actorType": ...}, {"actorId": 5}, {"actorId": ["0ada"]}, {"sessionId": ...}, {"name": {}},
        {"role": "ROOT"},
        {"roomId": "r"}, {"roomId": "r", "participantId": "p"}, {"roomId": "r", "participantId": "p", "roomRole": "owner"},
    ],
    ids=str,
)  # fmt: skip
def test_a_rightly_signed_token_of_wrong_claims_is_refused(tokens: WsTokens, changed: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated) as caught:
        tokens.verify(_forge(_claims(**changed)))
    assert not isinstance(caught.value, TokenExpired)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"[" * 900, b'{"exp":1e400}', b"\xff\xfe"], ids=repr)
def test_a_rightly_signed_body_that_is_no_claims_is_refused(tokens: WsTokens, body: bytes) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_forge(body))


def test_a_wrong_or_missing_signature_is_refused(tokens: WsTokens) -> None:
    good = tokens.mint(ADA, SessionId("0ada"), "Ada").token
    head, body, mac = good.split(".")
    flipped = ("A" if mac[0] != "A" else "B") + mac[1:]
    for bad in (f"{head}.{body}.", f"{head}.{body}", head, f"{head}.{body}.{flipped}", _forge(_claims(), secret=b""), f"{good}."):
        with pytest.raises(Unauthenticated):
            tokens.verify(bad)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "\ud800", "é.é.é", "x" * 1_000_000, None, 5, b"a.b.c", ["x"]], ids=lambda v: repr(v)[:20]
)
def test_what_is_no_token_is_refused(tokens: WsTokens, token: object) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_a_long_token_costs_nothing(tokens: WsTokens) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_forge(_claims(name="x" * MAX_TOKEN_CHARS)))


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}", fullmatch=True))
def test_only_documented_errors_escape(text: str) -> None:
    with pytest.raises(Unauthenticated):
        WsTokens([KEY], HandClock()).verify(text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(CLAIMS)), JSON_VALUES)
def test_only_documented_errors_escape_from_signed_claims(name: str, value: object) -> None:
    free_text = name in {"name", "sessionId"} and isinstance(value, str)
    if value == CLAIMS[name] or free_text:
        return
    with pytest.raises(Unauthenticated):
        WsTokens([KEY], HandClock()).verify(_forge(_claims(**{name: value})))


def test_a_rotated_key_serves_until_its_overlap_ends(clock: HandClock) -> None:
    old = WsTokens([KEY], clock).mint(ADA, SessionId("0ada"), "Ada").token
    rotated = WsTokens([SigningKey("k2", b"t" * 32), KEY._replace(until=NOW + 1000)], clock)
    assert rotated.verify(old).name == "Ada"
    assert rotated.verify(rotated.mint(ADA, SessionId("0ada"), "Ada").token).name == "Ada"
    clock.ms = NOW + 1000
    with pytest.raises(Unauthenticated):
        rotated.verify(old)


def test_a_short_key_is_refused_at_start(clock: HandClock) -> None:
    for keys in ([], [SigningKey("k1", b"short")]):
        with pytest.raises(InternalError):
            WsTokens(keys, clock)
