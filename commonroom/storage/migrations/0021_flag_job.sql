-- What admins say about flags; a flag without a row is as the settings have it.
CREATE TABLE flag (
    name    text PRIMARY KEY,
    share   double precision NOT NULL CHECK (share BETWEEN 0 AND 100),  -- of the principals, in per cent
    at      bigint NOT NULL,
    by_user text NOT NULL
);

-- Backfills: how far each is. Work and checkpoint move in one transaction.
CREATE TABLE job (
    name       text PRIMARY KEY,
    state      text NOT NULL CHECK (state IN ('running', 'done', 'cancelled', 'failed')),
    checkpoint text NOT NULL,           -- where the next step begins; empty: at the beginning
    done       bigint NOT NULL,         -- rows looked at so far
    started_at bigint NOT NULL,
    moved_at   bigint NOT NULL,         -- when the last step was committed
    reason     text NOT NULL            -- why it failed
);
