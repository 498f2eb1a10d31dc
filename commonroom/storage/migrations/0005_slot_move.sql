-- Slots come and go one by one: ownership moves by compare-and-set.

-- Of the slots that still are at the epoch they were seen at: a new owner (NULL: nobody) and epoch + 1.
-- Waits for writes in flight, after which no write of an older epoch can commit. Locks in order of
-- slot_id, as `journal_append` does, so that the two cannot deadlock.
CREATE FUNCTION journal_move(p_owner text, p_slots integer[], p_epochs bigint[]) RETURNS TABLE (slot_id integer, epoch bigint)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Whoever is told of a move acts on it: a crash must not take it back. Holds until the transaction ends.
    PERFORM set_config('synchronous_commit', 'on', true);
    PERFORM 1 FROM slot s WHERE s.slot_id = ANY (p_slots) ORDER BY s.slot_id FOR NO KEY UPDATE;
    RETURN QUERY UPDATE slot s SET owner = p_owner, epoch = s.epoch + 1
        FROM unnest(p_slots, p_epochs) AS seen (slot_id, epoch)
        WHERE s.slot_id = seen.slot_id AND s.epoch = seen.epoch
        RETURNING s.slot_id, s.epoch;
END $$;

DROP FUNCTION journal_claim(text, integer[]);

-- As before, but a fenced commit refuses those behind it in its stream too. A slot that is lost and
-- won again within a moment brings commits of two epochs into one batch; the later ones, built on what
-- was fenced, would leave a hole.
CREATE OR REPLACE FUNCTION journal_judge(
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
        FROM judged j WHERE j.verdict <> 0 ORDER BY j.stream, j.i
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
