"""Every setting, with its unit, default and range. The one source for flags, docs and checks.

The description of a field is its `Meta`; `commonroom config show` and
docs/OPERATIONS.md print it. Names are dotted paths (`gateway.hello_timeout_s`), in the
environment `COMMONROOM_GATEWAY__HELLO_TIMEOUT_S`. The few that a person sets by hand
have short names as well, see `ALIASES`.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = [
    "ALIASES",
    "ENTRY",
    "SECRETS",
    "TABLES",
    "ChallengeSettings",
    "ClusterSettings",
    "EngineSettings",
    "FlagSettings",
    "GatewaySettings",
    "GithubSettings",
    "GoogleSettings",
    "HttpSettings",
    "LimitSettings",
    "LogSettings",
    "MailSettings",
    "ModerationSettings",
    "OidcSettings",
    "PostgresSettings",
    "ProvidersSettings",
    "RedisSettings",
    "RoomSettings",
    "Settings",
]

Seconds = Annotated[float, Meta(gt=0, le=86400)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Credential = Annotated[str, Meta(pattern=r"\A[!-~]{0,512}\Z")]
Share = Annotated[float, Meta(ge=0, le=100)]
Scope = Annotated[str, Meta(pattern=r"\A[!#-\[\]-~]{1,128}\Z")]  # RFC 6749 section 3.3


def _doc(text: str) -> Meta:
    return Meta(description=text)


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The one public port, for HTTP and WebSocket."""

    host: Annotated[str, _doc("address to listen on")] = "127.0.0.1"
    port: Annotated[Port, _doc("port to listen on; 0 picks a free one")] = 8000
    reuse_port: Annotated[bool, _doc("share the port with other workers of this machine; the kernel spreads connections")] = False
    public_url: Annotated[str, _doc("URL people use, empty: http://host:port; set it in production")] = ""
    allowed_origins: Annotated[tuple[str, ...], _doc("exact origins allowed besides the request's own host")] = ()
    trusted_proxies: Annotated[
        tuple[str, ...], _doc("networks of the proxies in front, whose X-Forwarded-For is believed, as in 127.0.0.1/32; empty: nobody's")
    ] = ()
    connections_per_address: Annotated[
        Size, _doc("most connections one network address has to this node at a time, an IPv6 /64 together; more get 429")
    ] = 500
    uncounted_networks: Annotated[
        tuple[str, ...],
        _doc("networks whose connections are not counted, this machine by default: a proxy that is not known as one, a bench"),
    ] = ("127.0.0.0/8", "::1/128")
    metrics_host: Annotated[str, _doc("address of /metrics")] = "127.0.0.1"
    metrics_port: Annotated[Port, _doc("port of /metrics; 0 picks a free one")] = 9464
    max_body_bytes: Annotated[Size, _doc("largest request body")] = 65536
    max_header_bytes: Annotated[Size, _doc("longest request line or header line")] = 8190
    request_timeout_s: Annotated[
        Seconds, _doc("time to receive a request's head, again its body, and in which a reader takes something of an answer")
    ] = 10.0
    keepalive_s: Annotated[Seconds, _doc("time an HTTP connection is kept for a next request; a proxy in front should give up sooner")] = (
        75.0
    )
    kept_connections: Annotated[Size, _doc("HTTP connections of this node above which none is kept for a next request")] = 2000
    ws_token_ttl_s: Annotated[Seconds, _doc("life of a ws token, 300 s at most")] = 300.0
    docs: Annotated[bool, _doc("serve /openapi.json and /docs in production too; development always does")] = False
    access_token_ttl_s: Annotated[Seconds, _doc("life of an access token, 900 s at most")] = 900.0
    refresh_grace_s: Annotated[
        Seconds, _doc("time in which a used refresh token brings the same successor again; later use ends the login session")
    ] = 30.0


class GatewaySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of a WebSocket connection, announced in `welcome`."""

    message_bytes: Annotated[Size, _doc("largest message from a client")] = 65536
    max_fragments: Annotated[Size, _doc("most fragments of one message")] = 1024
    rooms_per_session: Annotated[Size, _doc("most rooms a session follows")] = 100
    hello_timeout_s: Annotated[Seconds, _doc("time to say hello, counted from the TCP connection")] = 10.0
    heartbeat_s: Annotated[Seconds, _doc("interval of heartbeats")] = 25.0
    heartbeat_grace_s: Annotated[Seconds, _doc("silence allowed beyond one heartbeat")] = 8.0
    outbox_bytes: Annotated[Size, _doc("bytes a slow reader may be owed before it is closed")] = 1_000_000
    outbox_stall_s: Annotated[Seconds, _doc("time a reader may take nothing before it is closed")] = 15.0
    write_high_bytes: Annotated[Size, _doc("write buffer above which a client is slow and not read from; volatile pushes conflate")] = 65536
    fanout_writes_per_s: Annotated[Size, _doc("socket writes a second a room may cause before its flushes wait")] = 100_000
    fanout_max_delay_ms: Annotated[int, Meta(ge=0, le=1000), _doc("longest wait of such a flush; 0: never wait")] = 50
    close_timeout_s: Annotated[Seconds, _doc("time for the closing handshake")] = 5.0
    replay_events: Annotated[Size, _doc("most events replayed from the journal on resume; older ones become a gap")] = 2000
    max_connections: Annotated[Size, _doc("most sockets of this node")] = 20000
    control_frames_per_minute: Annotated[Size, _doc("pings and pongs of a connection before it is closed")] = 600
    errors_per_minute: Annotated[Size, _doc("malformed commands of a connection before it is closed")] = 60
    echo_port: Annotated[Port, _doc("port of the echo listener for conformance suites; 0: off")] = 0


class EngineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The actor host."""

    mailbox_size: Annotated[Size, _doc("commands an actor queues before it answers RETRY")] = 1024
    turn_budget: Annotated[Size, _doc("commands an actor handles before others get their turn")] = 64
    idle_s: Annotated[Seconds, _doc("idle time after which an actor is passivated")] = 120.0
    max_activations: Annotated[Size, _doc("live actors before the least recently used is passivated")] = 10000
    ring_events: Annotated[Size, _doc("latest events an actor holds for resume")] = 512
    snapshot_events: Annotated[Size, _doc("events between two snapshots")] = 200


class PostgresSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """PostgreSQL: embedded, or an external server by URL."""

    url: Annotated[str, _doc("URL of an external server; empty: embedded")] = ""
    pool_size: Annotated[Size, _doc("connections for reads")] = 8
    lanes: Annotated[Size, _doc("journal connections")] = 1
    lane_rows: Annotated[Size, _doc("rows a lane queues before it answers RETRY")] = 20000
    call_timeout_s: Annotated[Seconds, _doc("time a journal call may take before its outcome is unknown")] = 10.0
    statement_timeout_s: Annotated[Seconds, _doc("time a read may take")] = 5.0


class RedisSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Redis: membership and the bus of a cluster. A single node needs none."""

    url: Annotated[str, _doc("URL of the Redis that all nodes share; empty: none, or one of the supervisor's own for its workers")] = ""
    cluster: Annotated[
        str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z"), _doc("first part of every key and channel, for several clusters on one Redis")
    ] = "commonroom"


class ClusterSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A node among others."""

    name: Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._:-]{0,64}\Z"), _doc("name of this node, for people; empty: host:port")] = ""
    weight: Annotated[float, Meta(gt=0, le=1000), _doc("share of the slots, relative to the other nodes")] = 1.0
    drain_s: Annotated[float, Meta(ge=0, le=3600), _doc("time over which a stopping node spreads the closing of its sockets")] = 25.0
    ttl_s: Annotated[
        Seconds, _doc("silence after which a node is taken for dead, and reads nothing from memory itself; 3 beats at least")
    ] = 5.0
    beat_s: Annotated[Seconds, _doc("interval of a node's sign of life")] = 1.0
    handoff_slots: Annotated[Size, _doc("most slots handed over at once")] = 32
    neighbours: Annotated[bool, _doc("Unix sockets prove a death among nodes of one host; false: wait for the TTL as between hosts")] = True
    socket_dir: Annotated[str, _doc("absolute path of those sockets' folder; empty: a private one among the temporary files")] = ""
    steer_readers: Annotated[
        int,
        Meta(ge=0, le=2**31 - 1),
        _doc("readers of a room on the node that has it, up to which sockets that name the room are passed to it; 0: never"),
    ] = 500
    digest_s: Annotated[Seconds, _doc("interval at which owners tell gateways what they should have received")] = 10.0
    presence_grace_s: Annotated[Seconds, _doc("time a person stays present after their gateway died")] = 5.0
    window: Annotated[Size, _doc("commands of one gateway under way to one actor of another node before RETRY")] = 256
    link_bytes: Annotated[Size, _doc("bytes queued for all other nodes; what is over is dropped and said again")] = 8_000_000
    peer_commands: Annotated[Size, _doc("commands of one gateway under way to the other nodes together before RETRY")] = 20000


class GoogleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Sign-in with Google."""

    client_id: Annotated[Credential, _doc("client id at Google; empty: off")] = ""
    client_secret: Annotated[Credential, _doc("client secret at Google")] = ""
    issuer: Annotated[str, _doc("issuer whose discovery document names the endpoints")] = "https://accounts.google.com"


class GithubSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Sign-in with GitHub, or with a GitHub Enterprise Server by its URLs."""

    client_id: Annotated[Credential, _doc("client id at GitHub; empty: off")] = ""
    client_secret: Annotated[Credential, _doc("client secret at GitHub")] = ""
    authorize_url: Annotated[str, _doc("page where people agree")] = "https://github.com/login/oauth/authorize"
    token_url: Annotated[str, _doc("where a code becomes a token")] = "https://github.com/login/oauth/access_token"  # noqa: S105 - a URL
    api_url: Annotated[str, _doc("API that tells who somebody is")] = "https://api.github.com"


class OidcSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Sign-in with one further OpenID Connect provider. Its name is part of the redirect URI."""

    label: Annotated[str, Meta(max_length=64), _doc("name people see; empty: the entry's name")] = ""
    issuer: Annotated[str, _doc("issuer, exactly as its discovery document writes it")] = ""
    client_id: Annotated[Credential, _doc("client id at the provider; empty: off")] = ""
    client_secret: Annotated[Credential, _doc("client secret at the provider")] = ""
    scopes: Annotated[tuple[Scope, ...], _doc("scopes asked for; openid is needed")] = ("openid", "email", "profile")


class ProvidersSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom people may sign in with. Off without a client id."""

    google: GoogleSettings = GoogleSettings()
    github: GithubSettings = GithubSettings()
    oidc: dict[str, OidcSettings] = {}


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How often something may be done. The limits themselves are in docs/SECURITY.md."""

    scale: Annotated[
        float, Meta(ge=0, le=1e6), _doc("times the amount of every limit, as 10 for a school behind one address; 0: no limits, for tests")
    ] = 1.0


class ChallengeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Proof of being a person, which guests give to open a room: Cloudflare Turnstile, or what speaks as it does."""

    site_key: Annotated[Credential, _doc("public key of the widget; empty: off")] = ""
    secret: Annotated[Credential, _doc("secret that belongs to site_key")] = ""
    verify_url: Annotated[str, _doc("where a token is verified")] = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    script_url: Annotated[str, _doc("script of the widget; its origin is all that the page may load besides its own")] = (
        "https://challenges.cloudflare.com/turnstile/v0/api.js?render=explicit"
    )
    hostnames: Annotated[tuple[str, ...], _doc("hosts of pages whose tokens are taken; empty: that of http.public_url")] = ()
    timeout_s: Annotated[Seconds, _doc("time the verification of a token may take")] = 5.0


class ModerationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Unwanted words, in messages and in titles and topics of rooms."""

    filter: Annotated[
        Literal["off", "mask", "refuse"], _doc("what happens to a text with a word of the lists: nothing, stars for the word, an error")
    ] = "mask"
    words_file: Annotated[str, _doc("the server's list: a text file, one word a line, # begins a comment; rooms may add to it")] = ""
    hook: Annotated[
        str,
        Meta(pattern=r"\A([A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*)?\Z"),
        _doc("a function module:name of your own, (text, the room's words) to the text that is shown, None to refuse it; pure and fast"),
    ] = ""


class RoomSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Rooms."""

    idle_h: Annotated[
        int, Meta(ge=0, le=8784), _doc("hours without an event and with nobody there after which a room archives itself; 0: never")
    ] = 24


class FlagSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Features that are on for a share of the people, in per cent; admins may say otherwise while servers run."""

    live_list: Annotated[Share, _doc("the list of rooms shows counts and endings as they happen, over the socket")] = 100.0


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Logs: JSON, one object a line, to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], _doc("least level written")] = "info"
    format: Annotated[Literal["json", "console"], _doc("form of a line")] = "json"


class MailSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Letters: sign-in links, confirmations, forgotten passwords."""

    smtp_url: Annotated[
        str, _doc("smtp://user:password@host:587 or smtps://host:465; empty: none, development prints links to the console")
    ] = ""
    sender: Annotated[str, _doc("who letters are from, as in Commonroom <rooms@example.org>")] = ""
    starttls: Annotated[
        Literal["auto", "always", "never"],
        _doc("encryption of smtp://; auto: where the server offers it, but a password goes to another machine encrypted only"),
    ] = "auto"
    timeout_s: Annotated[Seconds, _doc("time one attempt to hand in a letter may take")] = 20.0


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of a node."""

    env: Annotated[Literal["auto", "development", "production"], _doc("auto: development when bound to loopback without a public URL")] = (
        "auto"
    )
    data: Annotated[Path, _doc("data directory of the embedded servers")] = Path(".commonroom")
    http: HttpSettings = HttpSettings()
    gateway: GatewaySettings = GatewaySettings()
    engine: EngineSettings = EngineSettings()
    postgres: PostgresSettings = PostgresSettings()
    redis: RedisSettings = RedisSettings()
    cluster: ClusterSettings = ClusterSettings()
    providers: ProvidersSettings = ProvidersSettings()
    mail: MailSettings = MailSettings()
    limits: LimitSettings = LimitSettings()
    challenge: ChallengeSettings = ChallengeSettings()
    moderation: ModerationSettings = ModerationSettings()
    log: LogSettings = LogSettings()
    flags: FlagSettings = FlagSettings()
    rooms: RoomSettings = RoomSettings()


ENTRY = "<name>"
"""Stands for an entry's name in a path."""

TABLES: dict[str, type[Struct]] = {"providers.oidc": OidcSettings}
"""Tables of entries named by the operator, as in `providers.oidc.<name>.issuer`."""

ALIASES: dict[str, str] = {
    "COMMONROOM_HOST": "http.host",
    "COMMONROOM_PORT": "http.port",
    "COMMONROOM_DATA": "data",
    "COMMONROOM_ENV": "env",
    "COMMONROOM_PUBLIC_URL": "http.public_url",
    "COMMONROOM_POSTGRES_URL": "postgres.url",
    "COMMONROOM_REDIS_URL": "redis.url",
    "COMMONROOM_SMTP_URL": "mail.smtp_url",
    "COMMONROOM_ECHO_PORT": "gateway.echo_port",
    "COMMONROOM_METRICS_PORT": "http.metrics_port",
}
"""Short names in the environment."""

SECRETS = frozenset(
    {
        "postgres.url",
        "redis.url",
        "providers.google.client_secret",
        "providers.github.client_secret",
        f"providers.oidc.{ENTRY}.client_secret",
        "mail.smtp_url",
        "challenge.secret",
    }
)
"""Settings shown masked."""
