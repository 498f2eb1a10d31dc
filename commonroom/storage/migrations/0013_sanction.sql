-- A shadow: such a message, or such an edit of another one, is shown to its author alone.
ALTER TABLE message
    ADD COLUMN is_aside   boolean NOT NULL DEFAULT false,
    ADD COLUMN aside_text text,
    ADD COLUMN aside_at   bigint;

-- What admins impose. In force: neither lifted nor past `until`.
CREATE TABLE sanction (
    id         text PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('ban', 'mute', 'shadow')),
    actor_type text NOT NULL,
    actor_id   text NOT NULL,
    at         bigint NOT NULL,
    "until"    bigint,          -- NULL: until it is lifted
    reason     text NOT NULL,   -- for the person, and for other admins
    by_user    text NOT NULL,
    lifted_at  bigint,
    lifted_by  text
);
CREATE INDEX sanction_actor ON sanction (actor_id, id);
CREATE INDEX sanction_standing ON sanction (kind) WHERE lifted_at IS NULL;

-- What people told us about others. The copy is of what the reporter saw: it outlives the message, for 90 days.
CREATE TABLE report (
    id            text PRIMARY KEY,
    at            bigint NOT NULL,
    kind          text NOT NULL,
    text          text NOT NULL,
    reporter_type text,             -- NULL: the account was deleted
    reporter_id   text,
    thing         text NOT NULL,    -- message:<room>/<offset>, room:<room>, user:<id>
    room          text,
    "offset"      bigint,
    subject_type  text NOT NULL,    -- whom it is about: the author, the founder, the user
    subject_id    text NOT NULL,
    copy          bytea,            -- messages as they read then; NULL: none, or its time is over
    resolved_at   bigint,
    resolved_by   text,
    outcome       text,
    note          text
);
CREATE UNIQUE INDEX report_open ON report (reporter_id, thing) WHERE resolved_at IS NULL;
CREATE INDEX report_unresolved ON report (id) WHERE resolved_at IS NULL;
CREATE INDEX report_subject ON report (subject_id, id);
CREATE INDEX report_reporter ON report (reporter_id, id);
CREATE INDEX report_at ON report (at) WHERE copy IS NOT NULL;
CREATE INDEX report_resolved ON report (resolved_at) WHERE resolved_at IS NOT NULL;

-- Admins look for people by the beginning of whatever is known of them.
CREATE INDEX app_user_any_name ON app_user (search_name text_pattern_ops) WHERE deleted_at IS NULL;
CREATE INDEX app_user_any_address ON app_user (email_key text_pattern_ops) WHERE email_key IS NOT NULL;
