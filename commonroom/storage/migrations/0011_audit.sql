-- Denials and what admins did, for the audit search; purged after 90 days.
CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         bigint NOT NULL,
    outcome    text   NOT NULL,
    actor_type text   NOT NULL,
    actor_id   text   NOT NULL,
    sid        text   NOT NULL,
    action     text   NOT NULL,
    target     text   NOT NULL,
    why        text   NOT NULL,
    request    text   NOT NULL
);

CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_actor ON audit (actor_id, id);
CREATE INDEX audit_action ON audit (action, id);
