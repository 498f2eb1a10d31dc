-- A login survives reload and upgrade; its secret is separate and only its hash is stored.
CREATE TABLE login_session (
    sid         text PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE,  -- SHA-256; the secret has 256 random bits, so no salt is needed
    actor_type  text NOT NULL,
    actor_id    text NOT NULL,
    name        text NOT NULL,
    created_at  bigint NOT NULL,
    last_seen   bigint NOT NULL  -- lazily, may be minutes old
);
CREATE INDEX login_session_actor ON login_session (actor_id);
CREATE INDEX login_session_idle ON login_session (last_seen);

CREATE TABLE signing_key (
    kid        text PRIMARY KEY,
    purpose    text NOT NULL,
    secret     bytea NOT NULL,
    created_at bigint NOT NULL
);
CREATE INDEX signing_key_purpose ON signing_key (purpose, created_at DESC);
