-- Tables derived from the journal. Each can be dropped and built again from it.

CREATE TABLE checkpoint (
    projection text NOT NULL,
    slot       integer NOT NULL,
    slot_pos   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (projection, slot)
);

-- A stream that a projection could not apply: skipped from `offset` on until an operator removes the row.
CREATE TABLE parked (
    projection text NOT NULL,
    stream     text NOT NULL,
    "offset"   bigint NOT NULL,
    reason     text NOT NULL,
    PRIMARY KEY (projection, stream)
);

-- A message as it reads now. Partitioned by month of `at`, which a message keeps for life;
-- uniqueness of (room, offset) follows from the journal's.
CREATE TABLE message (
    room        text NOT NULL,
    "offset"    bigint NOT NULL,
    at          bigint NOT NULL,
    author_type text,
    author_id   text,
    text        text NOT NULL,
    nonce       text,
    edited_at   bigint,
    deleted     boolean NOT NULL DEFAULT false,
    events      bigint[] NOT NULL,  -- offsets of its events: creation, edits, deletion
    PRIMARY KEY (room, "offset", at)
) PARTITION BY RANGE (at);
CREATE TABLE message_rest PARTITION OF message DEFAULT;

-- Creates the partitions of the month of `now_ms` and the two after it, where they are missing.
-- A month whose messages are in the default partition already stays there.
CREATE FUNCTION message_partitions(now_ms bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_month timestamp;
    v_from bigint;
    v_to bigint;
    v_name text;
BEGIN
    FOR k IN 0..2 LOOP
        v_month := date_trunc('month', to_timestamp(now_ms / 1000.0) AT TIME ZONE 'UTC') + make_interval(months => k);
        v_name := 'message_' || to_char(v_month, 'YYYYMM');
        v_from := (extract(epoch FROM v_month) * 1000)::bigint;
        v_to := (extract(epoch FROM v_month + interval '1 month') * 1000)::bigint;
        CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
        CONTINUE WHEN EXISTS (SELECT FROM message_rest r WHERE r.at >= v_from AND r.at < v_to);
        EXECUTE format('CREATE TABLE %I PARTITION OF message FOR VALUES FROM (%s) TO (%s)', v_name, v_from, v_to);
    END LOOP;
END $$;

CREATE TABLE room (
    room            text PRIMARY KEY,
    kind            text NOT NULL,
    title           text NOT NULL,
    topic           text NOT NULL,
    language        text NOT NULL,
    visibility      text NOT NULL,
    created_at      bigint NOT NULL,
    created_by_type text NOT NULL,
    created_by_id   text NOT NULL
);
CREATE INDEX room_public ON room (created_at DESC, room DESC) WHERE visibility = 'public';
