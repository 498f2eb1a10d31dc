-- What may be used once and carries its own proof (a sign-in's state): used is what is here.
CREATE TABLE spent_token (
    hash    bytea PRIMARY KEY,  -- SHA-256; what was hashed has 256 random bits, so no salt is needed
    "until" bigint NOT NULL     -- cluster ms from which it is refused for its age anyway
);
CREATE INDEX spent_token_until ON spent_token ("until");
