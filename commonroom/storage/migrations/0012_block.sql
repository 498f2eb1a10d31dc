-- Who does not want to meet whom. Both do not see each other, whoever of them blocks.
CREATE TABLE block (
    blocker      text   NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
    blocked_type text   NOT NULL,
    blocked_id   text   NOT NULL,
    at           bigint NOT NULL,
    PRIMARY KEY (blocker, blocked_type, blocked_id)
);
CREATE INDEX block_blocked ON block (blocked_id, at);  -- the latest who block somebody
