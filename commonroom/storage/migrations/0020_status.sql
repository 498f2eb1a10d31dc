-- What users prefer; who has no row prefers the defaults. `revision` grows with each change.
CREATE TABLE preference (
    user_id     text    PRIMARY KEY REFERENCES app_user (id) ON DELETE CASCADE,
    revision    bigint  NOT NULL DEFAULT 1,
    dnd         boolean NOT NULL DEFAULT false,
    busy        text    NOT NULL DEFAULT 'active' CHECK (busy IN ('active', 'focus', 'off')),
    hide_status boolean NOT NULL DEFAULT false,
    hide_room   boolean NOT NULL DEFAULT false,
    theme       text    NOT NULL DEFAULT 'system' CHECK (theme IN ('system', 'light', 'dark')),
    sounds      boolean NOT NULL DEFAULT true,
    time_zone   text    NOT NULL DEFAULT 'UTC'
);

-- When users were here last, to the minute: written late and together.
CREATE TABLE last_seen (
    user_id text   PRIMARY KEY REFERENCES app_user (id) ON DELETE CASCADE,
    at      bigint NOT NULL
);
