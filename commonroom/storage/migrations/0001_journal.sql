-- The journal (DESIGN 4): who may write (slot), what happened (event), where each actor stands (actor).

CREATE TABLE cluster (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    history bigint NOT NULL  -- raised only by an operator after the database was rolled back
);
INSERT INTO cluster (history) VALUES (1);

-- The authority of ownership. `epoch` is the fence only.
CREATE TABLE slot (
    slot_id integer PRIMARY KEY,
    epoch   bigint NOT NULL DEFAULT 0,
    owner   text
);
INSERT INTO slot (slot_id) SELECT generate_series(0, 1023);

CREATE TABLE event (
    stream   text   NOT NULL,
    "offset" bigint NOT NULL,  -- dense from 1
    slot     integer NOT NULL,
    slot_pos bigint NOT NULL,  -- given by the lane, grows in commit order within a slot, with gaps
    epoch    bigint NOT NULL,
    at       bigint NOT NULL,  -- cluster time, ms
    dedup    text,
    payload  bytea  NOT NULL,  -- the push, MessagePack
    private  bytea,            -- never framed
    PRIMARY KEY (stream, "offset"),
    UNIQUE (slot, slot_pos)
);
CREATE UNIQUE INDEX event_dedup ON event (stream, dedup) WHERE dedup IS NOT NULL;

CREATE TABLE actor (
    address         text PRIMARY KEY,
    slot            integer NOT NULL,
    head            bigint NOT NULL,
    snapshot_offset bigint NOT NULL DEFAULT 0,
    snapshot        bytea,
    next_due        bigint  -- cluster time, ms
);
CREATE INDEX actor_due ON actor (slot, next_due) WHERE next_due IS NOT NULL;

-- Takes slots over: waits for writes in flight, after which no write of an older epoch can commit.
-- Locks in order of slot_id, as `journal_append` does, so that the two cannot deadlock.
CREATE FUNCTION journal_claim(p_owner text, p_slots integer[]) RETURNS TABLE (slot_id integer, epoch bigint)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM 1 FROM slot s WHERE s.slot_id = ANY (p_slots) ORDER BY s.slot_id FOR NO KEY UPDATE;
    RETURN QUERY UPDATE slot s SET owner = p_owner, epoch = s.epoch + 1
        WHERE s.slot_id = ANY (p_slots) RETURNING s.slot_id, s.epoch;
END $$;

-- What to do with each commit of a batch: one row a commit, in order.
--
-- verdict: 0 insert, 1 stands already (a batch sent again), 2 fenced, 3 duplicate, 4 conflicted.
-- number: the present epoch, the duplicate's offset, or the stream's head; key: the duplicate's key.
--
-- The first refused commit of a stream refuses all behind it: its offset would be missing.
-- STABLE would read the caller's snapshot, older than the slot locks: it must stay VOLATILE.
CREATE FUNCTION journal_judge(
    c_stream text[], c_slot integer[], c_epoch bigint[], c_head bigint[], c_count integer[],
    e_commit integer[], e_offset bigint[], e_pos bigint[], e_dedup text[], e_payload bytea[],
    r_commit integer[], r_offset bigint[]
) RETURNS TABLE (i integer, verdict integer, number bigint, key text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN QUERY
    WITH c AS (
        SELECT u.*,
            (SELECT s.epoch FROM slot s WHERE s.slot_id = u.slot) AS owner_epoch,
            coalesce((SELECT a.head FROM actor a WHERE a.address = u.stream), 0) AS stored_head
        FROM unnest(c_stream, c_slot, c_epoch, c_head, c_count) WITH ORDINALITY AS u (stream, slot, epoch, head, n, i)
    ), standing AS (  -- the last commit of each stream whose events all stand, written by this very batch before
        SELECT c.stream, max(c.i) AS i
        FROM c
        WHERE c.n > 0 AND c.head <= c.stored_head AND c.n = (
            SELECT count(*)
            FROM unnest(e_commit, e_offset, e_pos, e_payload) AS n (i, "offset", slot_pos, payload)
            JOIN event e ON e.stream = c.stream AND e."offset" = n."offset"
            WHERE n.i = c.i AND e.epoch = c.epoch AND e.slot_pos = n.slot_pos
              AND (e.payload = n.payload OR EXISTS (
                  SELECT FROM unnest(r_commit, r_offset) AS r (i, "offset")
                  WHERE c_stream[r.i] = c.stream AND r."offset" = n."offset")))
        GROUP BY c.stream
    ), ahead AS (  -- what is left to insert, with the head each commit builds on
        SELECT c.*, coalesce(lag(c.head) OVER w, c.stored_head) AS base
        FROM c LEFT JOIN standing USING (stream)
        WHERE c.i > coalesce(standing.i, 0)
        WINDOW w AS (PARTITION BY c.stream ORDER BY c.i)
    ), taken AS (  -- keys that stand in the journal, or earlier in this batch
        SELECT DISTINCT ON (k.i) k.i, k.dedup, k."offset"
        FROM (
            SELECT n.i, n.dedup, e."offset"
            FROM unnest(e_commit, e_dedup) AS n (i, dedup)
            CROSS JOIN LATERAL (SELECT e."offset" FROM event e WHERE e.stream = c_stream[n.i] AND e.dedup = n.dedup LIMIT 1) e
            WHERE n.dedup IS NOT NULL
            UNION ALL
            SELECT k.i, k.dedup, k.first
            FROM (
                SELECT n.i, n.dedup, first_value(n.o) OVER w AS first, row_number() OVER w AS nth
                FROM unnest(e_commit, e_offset, e_dedup) AS n (i, o, dedup)
                WHERE n.dedup IS NOT NULL
                WINDOW w AS (PARTITION BY c_stream[n.i], n.dedup ORDER BY n.o)
            ) k WHERE k.nth > 1
        ) k
        ORDER BY k.i, k."offset"
    ), judged AS (
        SELECT ahead.i, ahead.stream, ahead.base, ahead.owner_epoch, taken.dedup, taken."offset",
            CASE WHEN ahead.owner_epoch IS DISTINCT FROM ahead.epoch THEN 2
                 WHEN taken.i IS NOT NULL THEN 3
                 WHEN ahead.head - ahead.n <> ahead.base THEN 4
                 ELSE 0 END AS verdict
        FROM ahead LEFT JOIN taken USING (i)
    ), broken AS (
        SELECT DISTINCT ON (j.stream) j.stream, j.i, j.base
        FROM judged j WHERE j.verdict IN (3, 4) ORDER BY j.stream, j.i
    )
    SELECT c.i::integer,
        CASE WHEN c.owner_epoch IS DISTINCT FROM c.epoch THEN 2
             WHEN j.i IS NULL THEN 1
             WHEN b.i < j.i THEN 4
             ELSE j.verdict END,
        CASE WHEN c.owner_epoch IS DISTINCT FROM c.epoch THEN coalesce(c.owner_epoch, 0)
             WHEN b.i < j.i THEN b.base
             WHEN j.verdict = 3 THEN j."offset"
             ELSE j.base END,
        j.dedup
    FROM c LEFT JOIN judged j USING (i) LEFT JOIN broken b ON b.stream = c.stream
    ORDER BY c.i;
END $$;

-- The one way to write: fence, judge, insert, all in one call and one transaction.
-- Returns one row for each commit that is not durable now; none: all are.
CREATE FUNCTION journal_append(
    c_stream text[], c_slot integer[], c_epoch bigint[], c_head bigint[], c_count integer[],
    c_snapshot bytea[], c_due bigint[], c_due_set boolean[],
    e_commit integer[], e_offset bigint[], e_pos bigint[], e_at bigint[], e_dedup text[], e_payload bytea[], e_private bytea[],
    r_commit integer[], r_offset bigint[], r_payload bytea[]
) RETURNS TABLE (i integer, verdict integer, number bigint, key text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_verdict integer[];
    v_number bigint[];
    v_key text[];
BEGIN
    -- NO KEY UPDATE conflicts with a claim's UPDATE; KEY SHARE would not.
    PERFORM 1 FROM slot s WHERE s.slot_id = ANY (c_slot) ORDER BY s.slot_id FOR NO KEY UPDATE;

    SELECT array_agg(j.verdict), array_agg(j.number), array_agg(j.key) INTO v_verdict, v_number, v_key
    FROM journal_judge(c_stream, c_slot, c_epoch, c_head, c_count, e_commit, e_offset, e_pos, e_dedup, e_payload, r_commit, r_offset) j;

    INSERT INTO event (stream, "offset", slot, slot_pos, epoch, at, dedup, payload, private)
    SELECT c_stream[e.i], e."offset", c_slot[e.i], e.slot_pos, c_epoch[e.i], e.at, e.dedup, e.payload, e.private
    FROM unnest(e_commit, e_offset, e_pos, e_at, e_dedup, e_payload, e_private) AS e (i, "offset", slot_pos, at, dedup, payload, private)
    WHERE v_verdict[e.i] = 0;

    INSERT INTO actor AS a (address, slot, head, snapshot_offset, snapshot, next_due)
    SELECT c.stream, max(c.slot), max(c.head),
        coalesce(max(c.head) FILTER (WHERE c.snapshot IS NOT NULL), 0),
        (array_agg(c.snapshot ORDER BY c.i DESC) FILTER (WHERE c.snapshot IS NOT NULL))[1],
        CASE WHEN bool_or(c.due_set) THEN (array_agg(c.due ORDER BY c.i DESC) FILTER (WHERE c.due_set))[1]
             ELSE (SELECT kept.next_due FROM actor kept WHERE kept.address = c.stream) END
    FROM unnest(c_stream, c_slot, c_head, c_snapshot, c_due, c_due_set) WITH ORDINALITY AS c (stream, slot, head, snapshot, due, due_set, i)
    WHERE v_verdict[c.i] = 0
    GROUP BY c.stream
    ON CONFLICT (address) DO UPDATE SET
        head = excluded.head,
        snapshot_offset = CASE WHEN excluded.snapshot IS NULL THEN a.snapshot_offset ELSE excluded.snapshot_offset END,
        snapshot = coalesce(excluded.snapshot, a.snapshot),
        next_due = excluded.next_due;

    IF cardinality(r_commit) > 0 THEN
        UPDATE event e SET payload = r.payload, private = NULL
        FROM unnest(r_commit, r_offset, r_payload) AS r (i, "offset", payload)
        WHERE v_verdict[r.i] = 0 AND e.stream = c_stream[r.i] AND e."offset" = r."offset";
    END IF;

    RETURN QUERY
    SELECT v.i::integer, v.verdict, v.number, v.key
    FROM unnest(v_verdict, v_number, v_key) WITH ORDINALITY AS v (verdict, number, key, i)
    WHERE v.verdict > 1;
END $$;
