"""ws tokens: what is minted is proven, and nothing else is (RELIABILITY T1-T8)."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonroom.errors import InternalError, TokenExpired, Unauthenticated
from commonroom.identity import Authority, Principal, RoomGrant, SessionId
from commonroom.token import LONGEST_S, MAX_TOKEN_CHARS, KeyRing, PrincipalTokens, SigningKey
from commonroom.token.key import SPREAD_MS
from tests.support.clock import NOW, HandClock

KEY = SigningKey("k1", "ws", b"s" * 32)
MAX_TTL_S = LONGEST_S["ws"]
ADA = Principal("guest", "0ada")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def ring(*keys: SigningKey, clock: HandClock | None = None) -> KeyRing:
    return KeyRing(keys, clock or HandClock())


def made(*keys: SigningKey, clock: HandClock | None = None, ttl_s: float | None = None) -> PrincipalTokens:
    clock = clock or HandClock()
    return PrincipalTokens("ws", ring(*keys, clock=clock), clock, ttl_s)


def person(sid: str = "0ada", principal: Principal = ADA) -> Authority:
    return Authority(principal, SessionId(sid), "Ada", 0)


@pytest.fixture
def tokens(clock: HandClock) -> PrincipalTokens:
    return made(KEY, clock=clock)


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


def test_a_minted_token_proves_who_it_was_minted_for(tokens: PrincipalTokens) -> None:
    minted = tokens.mint(person())
    authority = tokens.verify(minted.token)
    assert (authority.principal, authority.sid, authority.name) == (ADA, "0ada", "Ada")
    assert authority.expires_at == minted.expires_at == NOW + MAX_TTL_S * 1000
    assert not authority.bound
    assert authority.grants == ()


def test_a_token_carries_the_claims_of_p4(tokens: PrincipalTokens) -> None:
    minted = tokens.mint(person("0s"), RoomGrant("room1", "0ada", "host"))
    body = minted.token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    expected = {"actorType": "guest", "actorId": "0ada", "sessionId": "0s", "roomId": "room1", "participantId": "0ada", "roomRole": "host"}
    assert claims.items() >= expected.items()
    assert claims["exp"] - claims["iat"] <= MAX_TTL_S


def test_a_bound_token_is_a_grant_for_its_room_only(tokens: PrincipalTokens) -> None:
    grant = RoomGrant("room1", "0ada", "participant")
    authority = tokens.verify(tokens.mint(person(), grant).token)
    assert authority.bound
    assert authority.grants == (grant,)


def test_a_token_ends_with_cluster_time(tokens: PrincipalTokens, clock: HandClock) -> None:
    minted = tokens.mint(person())
    clock.ms = minted.expires_at - 1
    tokens.verify(minted.token)
    clock.ms = minted.expires_at
    with pytest.raises(TokenExpired):
        tokens.verify(minted.token)


def test_a_token_never_lives_longer_than_five_minutes(clock: HandClock) -> None:
    minted = made(KEY, clock=clock, ttl_s=86400).mint(person())
    assert minted.expires_at == NOW + 300_000


def test_a_handmade_token_with_all_claims_passes(tokens: PrincipalTokens) -> None:
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
def test_a_foreign_header_is_refused(tokens: PrincipalTokens, header: dict[str, Any]) -> None:
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
def test_a_rightly_signed_token_of_wrong_claims_is_refused(tokens: PrincipalTokens, changed: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated) as caught:
        tokens.verify(_forge(_claims(**changed)))
    assert not isinstance(caught.value, TokenExpired)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"[" * 900, b'{"exp":1e400}', b"\xff\xfe"], ids=repr)
def test_a_rightly_signed_body_that_is_no_claims_is_refused(tokens: PrincipalTokens, body: bytes) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_forge(body))


def test_a_wrong_or_missing_signature_is_refused(tokens: PrincipalTokens) -> None:
    good = tokens.mint(person()).token
    head, body, mac = good.split(".")
    flipped = ("A" if mac[0] != "A" else "B") + mac[1:]
    for bad in (f"{head}.{body}.", f"{head}.{body}", head, f"{head}.{body}.{flipped}", _forge(_claims(), secret=b""), f"{good}."):
        with pytest.raises(Unauthenticated):
            tokens.verify(bad)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "\ud800", "é.é.é", "x" * 1_000_000, None, 5, b"a.b.c", ["x"]], ids=lambda v: repr(v)[:20]
)
def test_what_is_no_token_is_refused(tokens: PrincipalTokens, token: object) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_a_long_token_costs_nothing(tokens: PrincipalTokens) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_forge(_claims(name="x" * MAX_TOKEN_CHARS)))


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}", fullmatch=True))
def test_only_documented_errors_escape(text: str) -> None:
    with pytest.raises(Unauthenticated):
        made(KEY).verify(text)


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
        made(KEY).verify(_forge(_claims(**{name: value})))


def test_T8_a_rotated_key_serves_until_its_overlap_ends_and_the_new_one_signs_once_all_have_read_it(clock: HandClock) -> None:
    old = made(KEY, clock=clock).mint(person()).token
    new = SigningKey("k2", "ws", b"t" * 32, created_at=NOW)
    rotated = made(new, KEY._replace(until=NOW + SPREAD_MS + 300_000), clock=clock)
    assert rotated.verify(old).name == "Ada"
    unread = made(KEY, clock=clock).verify(rotated.mint(person()).token)
    assert unread.name == "Ada", "a node that has not read the new key must not be left out"
    clock.ms = NOW + SPREAD_MS
    with pytest.raises(Unauthenticated):
        made(KEY, clock=clock).verify(rotated.mint(person()).token)
    late = made(KEY, clock=clock).mint(person()).token
    assert rotated.verify(late).name == rotated.verify(rotated.mint(person()).token).name == "Ada"
    clock.ms = NOW + SPREAD_MS + 300_000
    with pytest.raises(Unauthenticated):
        rotated.verify(old)


def test_without_a_key_nothing_is_signed_and_a_short_one_is_refused_at_start(clock: HandClock) -> None:
    with pytest.raises(InternalError):
        made(clock=clock).mint(person())
    with pytest.raises(InternalError):
        ring(SigningKey("k1", "ws", b"short"))


@pytest.mark.parametrize("purpose", ["access", "refresh", "oauth", "code"])
def test_T7_a_token_of_another_purpose_is_none_even_under_the_same_secret(tokens: PrincipalTokens, purpose: str) -> None:
    for header, claims in (({"typ": purpose}, {}), ({}, {"aud": purpose}), ({"typ": purpose}, {"aud": purpose})):
        with pytest.raises(Unauthenticated):
            tokens.verify(_forge(_claims(**claims), header))


def test_T7_a_key_of_another_purpose_signs_nothing(clock: HandClock) -> None:
    access = PrincipalTokens("access", ring(KEY._replace(purpose="access"), clock=clock), clock)
    with pytest.raises(Unauthenticated):
        made(KEY, clock=clock).verify(access.mint(person()).token)
    with pytest.raises(Unauthenticated):
        access.verify(made(KEY, clock=clock).mint(person()).token)


def test_a_user_keeps_the_guests_it_was(tokens: PrincipalTokens) -> None:
    ada = Authority(Principal("user", "0u"), SessionId("0ada"), "Ada", 0, "ADMIN", guests=("0ada", "0old"))
    proven = tokens.verify(tokens.mint(ada).token)
    assert (proven.guests, proven.global_role) == (("0ada", "0old"), "ADMIN")
    assert proven.owns(ADA)
    assert proven.owns(Principal("user", "0u"))
    assert not proven.owns(Principal("guest", "0u"))
    assert not proven.owns(Principal("user", "0ada"))
    assert not proven.owns(None)
