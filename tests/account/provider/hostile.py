"""An OpenID Connect provider that does what a good one cannot be made to do."""

import json
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Self

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.api_jws import PyJWS

__all__ = ["CLIENT_ID", "NONCE", "REDIRECT", "VERIFIER", "HostileProvider", "Key", "b64", "unsigned"]

CLIENT_ID = "rooms"
NONCE = "nonce-" * 7
VERIFIER = "verifier-" * 5
REDIRECT = "https://rooms.example/v1/auth/school/callback"
ACCESS_TOKEN = "access-hunter2"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any] | bytes) -> str:
    """The first two parts of a token."""
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"{b64(json.dumps(dict(header)).encode())}.{b64(body)}"


class Key(NamedTuple):
    """A key pair under an id and the one algorithm it is for."""

    kid: str
    algorithm: str
    private: Any

    @classmethod
    def rsa(cls, kid: str = "r1", bits: int = 2048) -> Self:
        return cls(kid, "RS256", rsa.generate_private_key(65537, bits))

    @classmethod
    def ec(cls, kid: str = "e1") -> Self:
        return cls(kid, "ES256", ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def ed25519(cls, kid: str = "o1") -> Self:
        return cls(kid, "EdDSA", ed25519.Ed25519PrivateKey.generate())

    def public(self, encoding: Encoding, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
        data: bytes = self.private.public_key().public_bytes(encoding, form)
        return data

    def jwk(self, **changed: Any) -> dict[str, Any]:
        kind: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[self.algorithm]
        told = kind.to_jwk(self.private.public_key(), as_dict=True) | {"kid": self.kid, "alg": self.algorithm, "use": "sig"} | changed
        return {name: value for name, value in told.items() if value is not ...}

    def sign(self, claims: Mapping[str, Any] | bytes, **header: Any) -> str:
        """A token signed rightly, whatever its header says (`...` leaves a part out)."""
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"} | header
        signed = unsigned({name: value for name, value in head.items() if value is not ...}, claims)
        algorithm = PyJWS().get_algorithm_by_name(self.algorithm)
        return f"{signed}.{b64(algorithm.sign(signed.encode(), self.private))}"


class HostileProvider:
    """`async with HostileProvider(key) as provider`: well behaved until told otherwise.

    `id_token` is what the token endpoint answers, `token` replaces parts of the rest. `pages` replaces the page of a path,
    `discovery` parts of the discovery document (`...` leaves one out).
    """

    def __init__(self, *keys: Key) -> None:
        self.jwks: list[Any] = [key.jwk() for key in keys]
        self.id_token: Any = ""
        self.token: dict[str, Any] = {}
        self.user_info: dict[str, Any] = {}
        self.discovery: dict[str, Any] = {}
        self.pages: dict[str, Handler] = {}
        self.asked: Counter[str] = Counter()
        self.forms: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        self.issuer = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)  # a page may wait until nobody listens
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.issuer = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked[request.path] += 1
        if (page := self.pages.get(request.path)) is not None:
            return await page(request)
        if request.path == "/token":
            self.authorizations.append(request.headers.get("Authorization", ""))
            self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        documents: dict[str, Any] = {
            "/.well-known/openid-configuration": self._discovery(),
            "/jwks": {"keys": self.jwks},
            "/token": {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600, "id_token": self.id_token} | self.token,
            "/userinfo": self.user_info,
        }
        if request.path == "/userinfo" and request.headers.get("Authorization") != f"Bearer {ACCESS_TOKEN}":
            raise web.HTTPUnauthorized
        if request.path not in documents:
            raise web.HTTPNotFound
        return web.json_response(documents[request.path])

    def _discovery(self) -> dict[str, Any]:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }
        return {name: value for name, value in (document | self.discovery).items() if value is not ...}
