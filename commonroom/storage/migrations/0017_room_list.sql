-- What the list shows of a room, and by what it is found and ordered.
ALTER TABLE room
    ADD COLUMN tags         text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN size_limit   integer NOT NULL DEFAULT 0,
    ADD COLUMN theme        text    NOT NULL DEFAULT 'plain',
    ADD COLUMN timer_policy text    NOT NULL DEFAULT 'everyone',
    ADD COLUMN slow_ms      integer NOT NULL DEFAULT 0,
    ADD COLUMN locked       boolean NOT NULL DEFAULT false,
    ADD COLUMN host_type    text,      -- NULL: who created it
    ADD COLUMN host_id      text,
    ADD COLUMN archived_at  bigint,
    ADD COLUMN primary_language text NOT NULL GENERATED ALWAYS AS (split_part(language, '-', 1)) STORED,
    ADD COLUMN words        tsvector,  -- of title, topic and tags, folded; NULL: of before this migration, see the job `room-words`
    -- When somebody was active, moved at most once in 10 minutes; and what it was before that, so that whoever walks the list
    -- finds every room where it was when the walk began. 0: inserted by an older version.
    ADD COLUMN rank_at      bigint  NOT NULL DEFAULT 0,
    ADD COLUMN rank_before  bigint  NOT NULL DEFAULT 0;

UPDATE room SET rank_at = created_at, rank_before = created_at;

-- Invariant: the list reads this view alone, so that it can show nothing else.
DROP INDEX room_public;
CREATE INDEX room_listed ON room (rank_at DESC, room DESC) WHERE visibility = 'public' AND archived_at IS NULL;
CREATE INDEX room_listed_newest ON room (created_at DESC, room DESC) WHERE visibility = 'public' AND archived_at IS NULL;
CREATE INDEX room_listed_language ON room (primary_language, rank_at DESC, room DESC)
    WHERE visibility = 'public' AND archived_at IS NULL;
CREATE INDEX room_listed_words ON room USING gin (tags, words) WITH (fastupdate = off) WHERE visibility = 'public' AND archived_at IS NULL;
CREATE INDEX room_without_words ON room (room) WHERE words IS NULL;

-- How public rooms are now, at most two seconds late: rewritten while they live, so apart from `room` and without an index on what changes.
-- There may be a row before its room is projected.
CREATE TABLE room_summary (
    room      text    PRIMARY KEY,
    slot      integer NOT NULL,
    present   integer NOT NULL,
    phase     text,             -- of a timer that runs
    ends_at   bigint,
    active_at bigint  NOT NULL  -- the last durable event, to the minute
) WITH (fillfactor = 70);
CREATE INDEX room_summary_slot ON room_summary (slot);

CREATE VIEW listed_room AS
SELECT r.room, r.kind, r.title, r.topic, r.language, r.visibility, r.created_at, r.created_by_type, r.created_by_id, r.tags, r.size_limit,
    r.theme, r.timer_policy, r.slow_ms, r.locked, r.host_type, r.host_id, r.archived_at,
    r.primary_language, r.words, r.rank_at, r.rank_before,
    coalesce(s.present, 0) AS present, s.phase, s.ends_at, coalesce(s.active_at, r.created_at) AS active_at
FROM room r LEFT JOIN room_summary s USING (room)
WHERE r.visibility = 'public' AND r.archived_at IS NULL;

-- Writes what differs, for slots that still are at these epochs, and moves ranks. In slots just opened (`o_*`) nobody is present
-- but where this very call says so. Returns the rooms of the list that read otherwise now.
--
-- A former owner's call is over before slots are opened, or begins after it and finds another epoch: the advisory lock keeps the
-- two apart, and each statement of a VOLATILE function sees what was committed before it. The slot's own row is the journal's.
CREATE FUNCTION room_summarize(
    o_slot integer[], o_epoch bigint[],
    s_room text[], s_slot integer[], s_epoch bigint[], s_present integer[], s_phase text[], s_ends_at bigint[], s_active_at bigint[],
    p_now bigint  -- cluster time, ms; NULL: now
) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '2s'  -- a rank is committed within `MARGIN_MS` of its time
AS $$
DECLARE
    v_key CONSTANT integer := hashtext('room_summarize');
    v_active_ms CONSTANT bigint := 600000;
    v_now bigint;
    v_changed text[];
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);  -- a crash may lose 2 seconds of this
    IF cardinality(o_slot) > 0 THEN
        PERFORM pg_advisory_xact_lock(v_key);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(v_key);
    END IF;

    WITH said AS MATERIALIZED (
        SELECT u.room, u.slot, u.present, u.phase, u.ends_at, u.active_at
        FROM unnest(s_room, s_slot, s_epoch, s_present, s_phase, s_ends_at, s_active_at)
            AS u (room, slot, epoch, present, phase, ends_at, active_at)
        JOIN slot t ON t.slot_id = u.slot AND t.epoch = u.epoch
    ), emptied AS (
        UPDATE room_summary s SET present = 0
        FROM unnest(o_slot, o_epoch) AS o (slot, epoch) JOIN slot t ON t.slot_id = o.slot AND t.epoch = o.epoch
        WHERE s.slot = o.slot AND s.present > 0 AND NOT EXISTS (SELECT FROM said WHERE said.room = s.room)
        RETURNING s.room
    ), written AS (
        INSERT INTO room_summary AS s (room, slot, present, phase, ends_at, active_at)
        SELECT room, slot, present, phase, ends_at, active_at FROM said ORDER BY room
        ON CONFLICT (room) DO UPDATE
        SET present = excluded.present, phase = excluded.phase, ends_at = excluded.ends_at,
            active_at = greatest(s.active_at, excluded.active_at)
        WHERE (s.present, s.phase, s.ends_at) IS DISTINCT FROM (excluded.present, excluded.phase, excluded.ends_at)
            OR s.active_at < excluded.active_at
        RETURNING s.room
    )
    SELECT array_agg(room) INTO v_changed FROM (SELECT room FROM emptied UNION ALL SELECT room FROM written) AS changed;

    v_now := coalesce(p_now, (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    UPDATE room r SET rank_before = r.rank_at, rank_at = v_now
    FROM room_summary s
    WHERE r.room = ANY (v_changed) AND s.room = r.room
        AND r.rank_at <= v_now - v_active_ms AND s.active_at > greatest(r.rank_at, v_now - v_active_ms);

    RETURN QUERY SELECT l.room FROM listed_room l WHERE l.room = ANY (v_changed);
END $$;
