-- An ended login session: its secret opens nothing any more, its name stays with what it wrote.
ALTER TABLE login_session ADD COLUMN ended_at bigint;

-- Its ws tokens were signed for some minutes and are refused until the last of them is over.
CREATE TABLE revoked_session (
    sid     text PRIMARY KEY,
    "until" bigint NOT NULL
);
CREATE INDEX revoked_session_until ON revoked_session ("until");
