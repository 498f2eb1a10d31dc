"""What one field's type cannot say: forms of URLs, and what follows from several fields."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

from commonroom.config.mail import sender_of, smtp_server_of
from commonroom.config.settings import GithubSettings, GoogleSettings, OidcSettings, ProvidersSettings, Settings
from commonroom.errors import ConfigError
from commonroom.network import is_network

__all__ = ["canonical_origin", "check", "is_loopback", "is_production", "is_provider_url", "origin_of"]

MAX_WS_TOKEN_TTL_S = 300
"""A ws token cannot be revoked one by one, so it lives five minutes at most."""

DATABASE_HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:[0-9]{1,5})?")

REDIS_DATABASE = re.compile(r"/?[0-9]{0,5}")

MIN_BEATS = 3
"""Signs of life in a TTL: one that is lost and one that is late must not end a life."""

MAX_SOCKET_DIR_BYTES = 70
"""Of the 107 bytes of a Unix socket's path (unix(7)); the rest is for the node's id."""

BUILT_IN_PROVIDERS = frozenset({"google", "github"})

NO_PART_OF_PROVIDER_URL = frozenset(" ?#@\\")

HOSTNAME = re.compile(r"[A-Za-z0-9_.-]{1,253}")

NETLOC = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

DEFAULT_PORTS = {"http": 80, "https": 443}


def check(settings: Settings, origins: Mapping[str, str]) -> None:
    """Refuse values that cannot be meant.

    Raises:
        ConfigError: with the path of the field and its origin.
    """
    http = settings.http
    if not http.host:
        raise _error("http.host", "", origins, "expected an address, as in 127.0.0.1 or 0.0.0.0")
    for origin in http.allowed_origins:
        if origin != canonical_origin(origin):
            hint = canonical_origin(origin) or "https://app.example"
            raise _error("http.allowed_origins", origin, origins, f"expected an exact origin, as in {hint}")
    for name, networks in (("trusted_proxies", http.trusted_proxies), ("uncounted_networks", http.uncounted_networks)):
        for network in networks:
            if not is_network(network):
                raise _error(f"http.{name}", network, origins, "expected an address or a network, as in 127.0.0.1 or 10.0.0.0/8")
    if http.public_url and canonical_origin(http.public_url.rstrip("/")) is None:
        raise _error("http.public_url", http.public_url, origins, "expected a URL without a path, as in https://rooms.example")
    if not 1 <= http.ws_token_ttl_s <= MAX_WS_TOKEN_TTL_S:
        raise _error("http.ws_token_ttl_s", str(http.ws_token_ttl_s), origins, f"expected 1 to {MAX_WS_TOKEN_TTL_S} seconds")
    if settings.postgres.url and not _is_database_url(settings.postgres.url):
        raise _error("postgres.url", "(secret)", origins, "expected postgresql://user@host/database")
    _check_cluster(settings, origins)
    _check_providers(settings.providers, origins)
    _check_mail(settings, origins)
    _check_challenge(settings, origins)


def _check_cluster(settings: Settings, origins: Mapping[str, str]) -> None:
    cluster = settings.cluster
    if settings.redis.url and not _is_redis_url(settings.redis.url):
        raise _error("redis.url", "(secret)", origins, "expected redis://host:port/0, rediss://host:port/0 or unix:///path")
    least = round(MIN_BEATS * cluster.beat_s, 6)  # 3 * 0.1 is above 0.3
    if cluster.ttl_s < least:
        raise _error("cluster.ttl_s", str(cluster.ttl_s), origins, f"expected {least:g} or more, {MIN_BEATS} times cluster.beat_s")
    if (folder := cluster.socket_dir) and not (folder.startswith("/") and len(folder.encode()) <= MAX_SOCKET_DIR_BYTES):
        raise _error("cluster.socket_dir", folder, origins, f"expected an absolute path of at most {MAX_SOCKET_DIR_BYTES} bytes")


def _check_mail(settings: Settings, origins: Mapping[str, str]) -> None:
    mail = settings.mail
    if mail.sender and not _is_taken(sender_of, mail.sender):
        raise _error("mail.sender", mail.sender, origins, "expected one address, as in Commonroom <rooms@example.org>")
    if not mail.smtp_url:
        return
    if not _is_taken(smtp_server_of, mail.smtp_url):
        expected = "expected smtp://user:password@host:587 or smtps://user:password@host:465, special characters percent-encoded"
        raise _error("mail.smtp_url", "(secret)", origins, expected)
    if not mail.sender:
        raise _error("mail.sender", "", origins, "expected an address, as mail.smtp_url is set")
    server = smtp_server_of(mail.smtp_url)
    if mail.starttls == "never" and not server.tls and is_production(settings) and not is_loopback(server.host):
        raise _error("mail.starttls", "never", origins, "sign-in links would cross the network in clear: expected auto or always")


def _is_taken(form: Callable[[str], object], text: str) -> bool:
    try:
        form(text)
    except ValueError:
        return False
    return True


def _check_providers(providers: ProvidersSettings, origins: Mapping[str, str]) -> None:
    google, github = providers.google, providers.github
    named = {f"providers.oidc.{name}": entry for name, entry in providers.oidc.items()}
    clients: dict[str, GoogleSettings | GithubSettings | OidcSettings] = {"providers.google": google, "providers.github": github, **named}
    for path, provider in clients.items():
        if provider.client_id and not provider.client_secret:
            raise _error(f"{path}.client_secret", "", origins, "expected the secret that belongs to client_id")
    urls = {"providers.google.issuer": google.issuer}
    urls |= {f"providers.github.{name}": getattr(github, name) for name in ("authorize_url", "token_url", "api_url")}
    urls |= {f"{path}.issuer": entry.issuer for path, entry in named.items() if entry.client_id or entry.issuer}
    for path, url in urls.items():
        if not is_provider_url(url):
            raise _error(path, url, origins, "expected an https URL without a query; http on loopback only")
    for path, entry in named.items():
        if path.removeprefix("providers.oidc.") in BUILT_IN_PROVIDERS:
            raise _error(f"{path}.client_id", entry.client_id, origins, "this name has a provider of its own, choose another for the entry")
        if "openid" not in entry.scopes:
            raise _error(f"{path}.scopes", ",".join(entry.scopes), origins, "expected openid among them")


def _check_challenge(settings: Settings, origins: Mapping[str, str]) -> None:
    challenge = settings.challenge
    if bool(challenge.site_key) != bool(challenge.secret):
        path = "challenge.secret" if challenge.site_key else "challenge.site_key"
        raise _error(path, "", origins, "expected both challenge.site_key and challenge.secret, or neither")
    for path, url in (("challenge.verify_url", challenge.verify_url), ("challenge.script_url", challenge.script_url.partition("?")[0])):
        if not is_provider_url(url) or origin_of(url) is None:
            raise _error(path, url, origins, "expected an https URL; http on loopback only")
    for hostname in challenge.hostnames:
        if HOSTNAME.fullmatch(hostname) is None:
            raise _error("challenge.hostnames", hostname, origins, "expected a host without a port, as in rooms.example")
    if challenge.site_key and not challenge.hostnames and not settings.http.public_url and not is_loopback(settings.http.host):
        raise _error("challenge.hostnames", "", origins, "expected the page's host, as http.public_url is not set")


def origin_of(url: str) -> str | None:
    """The origin of a URL with a path; None if it has none that can stand in a Content-Security-Policy."""
    parts = urlsplit(url)
    return canonical_origin(f"{parts.scheme}://{parts.netloc}") if NETLOC.fullmatch(parts.netloc) else None


def is_provider_url(text: str) -> bool:
    """Whether codes and secrets may go there: https, or http that does not leave this machine. Without query or credentials."""
    if not text.isascii() or not text.isprintable() or NO_PART_OF_PROVIDER_URL & set(text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def canonical_origin(text: str) -> str | None:
    """`scheme://host[:port]` as a browser sends it; None if `text` is no http origin.

    Lower case, without a default port (RFC 6454 section 6.2).
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not _is_bare(parts):
        return None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" if port in {None, DEFAULT_PORTS[parts.scheme]} else f"{parts.scheme}://{host}:{port}"


def _is_bare(parts: SplitResult) -> bool:
    """Scheme, host and port alone."""
    beside = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in DEFAULT_PORTS and bool(parts.hostname) and not beside and parts.netloc.isprintable() and " " not in parts.netloc


def _is_database_url(text: str) -> bool:
    """Whether a driver will take it for one. An unescaped `/` in the password would be told in its complaint about the port."""
    if not text.startswith(("postgres://", "postgresql://")):
        return False
    hosts = text.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]
    return all(DATABASE_HOST.fullmatch(host) for host in hosts.split(","))


def _is_redis_url(text: str) -> bool:
    """`redis[s]://[user:password@]host[:port][/database]` or `unix://[user:password@]/path[?db=database]`."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme == "unix":
        return not parts.hostname and port is None and len(parts.path) > 1
    return parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and REDIS_DATABASE.fullmatch(parts.path) is not None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_production(settings: Settings) -> bool:
    """`auto` means development on loopback without a public URL (DESIGN 8)."""
    if settings.env == "auto":
        return bool(settings.http.public_url) or not is_loopback(settings.http.host)
    return settings.env == "production"


def _error(path: str, value: str, origins: Mapping[str, str], expected: str) -> ConfigError:
    return ConfigError(f"{path} = {value!r} ({origins[path]}): {expected}")
