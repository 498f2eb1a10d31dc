-- What a letter carries: a link's token and a code to type. One a purpose and address, so that a newer letter voids the older.
CREATE TABLE one_time_token (
    hash       bytea PRIMARY KEY,  -- SHA-256 of the token
    purpose    text NOT NULL,
    email_key  text NOT NULL,
    code_hash  bytea NOT NULL,     -- HMAC-SHA256 by a key that is not in here: a million codes are soon tried
    user_id    text,
    payload    bytea,              -- what waits for the address to be confirmed
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    tries      integer NOT NULL DEFAULT 0,  -- codes compared so far
    UNIQUE (purpose, email_key)
);
CREATE INDEX one_time_token_expires ON one_time_token (expires_at);
CREATE INDEX one_time_token_user ON one_time_token (user_id) WHERE user_id IS NOT NULL;
