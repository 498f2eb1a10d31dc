-- A person with an account. An address is stored only once it is confirmed.
CREATE TABLE app_user (
    id            text PRIMARY KEY,
    username      text,         -- as it is written
    username_key  text UNIQUE,  -- by which it is unique: without case and look-alikes
    display_name  text NOT NULL,
    search_name   text NOT NULL,  -- without case and accents
    email         text,
    email_key     text UNIQUE,  -- how addresses are compared
    password_hash text,  -- argon2id
    role          text NOT NULL DEFAULT 'USER' CHECK (role IN ('USER', 'ADMIN')),
    avatar        text NOT NULL DEFAULT '',
    status_text   text NOT NULL DEFAULT '',
    created_at    bigint NOT NULL,
    deleted_at    bigint  -- purged 30 days later; nobody sees the person any more
);
CREATE INDEX app_user_by_username ON app_user (lower(username) text_pattern_ops) WHERE username IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX app_user_by_name ON app_user (search_name text_pattern_ops) WHERE username IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX app_user_deleted ON app_user (deleted_at) WHERE deleted_at IS NOT NULL;

-- What a provider says who somebody is. Password and address are in app_user itself.
CREATE TABLE sign_in_method (
    provider  text NOT NULL,
    subject   text NOT NULL,
    user_id   text NOT NULL REFERENCES app_user ON DELETE CASCADE,
    email     text,  -- as the provider told it, for people to recognise the account
    linked_at bigint NOT NULL,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX sign_in_method_user ON sign_in_method (user_id);

-- `secret_hash` is that of the refresh token that is valid now (SHA-256 of its jti).
ALTER TABLE login_session
    ADD COLUMN refreshed_at bigint,  -- when that was issued
    ADD COLUMN upgraded_at  bigint,  -- when the guest became a user
    ADD COLUMN agent        text NOT NULL DEFAULT '';  -- what signed in, for people to recognise the device

CREATE INDEX login_session_guests ON login_session (actor_id, upgraded_at DESC) WHERE upgraded_at IS NOT NULL;

-- A rotated key verifies until then, in cluster ms.
ALTER TABLE signing_key ADD COLUMN "until" bigint;
