-- The common case of `journal_append`: every commit of the batch goes on where its stream stands,
-- is of the present epoch and brings no key that is taken. Then there is nothing to judge, and a
-- call of 100 rows costs half. Anything else changes nothing and answers false: ask `journal_append`.
--
-- One row a stream (a_*): what its commits come to together. One row an event (e_*), `e_actor` the number of its stream.
CREATE FUNCTION journal_extend(
    a_stream text[], a_slot integer[], a_epoch bigint[], a_base bigint[], a_head bigint[],
    a_snapshot_offset bigint[], a_snapshot bytea[], a_due bigint[], a_due_set boolean[],
    e_actor integer[], e_offset bigint[], e_pos bigint[], e_at bigint[], e_dedup text[], e_payload bytea[], e_private bytea[]
) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- The fence, as in `journal_append`.
    PERFORM 1 FROM slot s WHERE s.slot_id = ANY (a_slot) ORDER BY s.slot_id FOR NO KEY UPDATE;

    IF EXISTS (
        SELECT FROM unnest(a_stream, a_slot, a_epoch, a_base) AS u (stream, slot, epoch, base)
        WHERE u.epoch IS DISTINCT FROM (SELECT s.epoch FROM slot s WHERE s.slot_id = u.slot)
           OR u.base <> coalesce((SELECT a.head FROM actor a WHERE a.address = u.stream), 0)
    ) THEN
        RETURN false;
    END IF;

    BEGIN
        INSERT INTO event (stream, "offset", slot, slot_pos, epoch, at, dedup, payload, private)
        SELECT a_stream[e.i], e."offset", a_slot[e.i], e.slot_pos, a_epoch[e.i], e.at, e.dedup, e.payload, e.private
        FROM unnest(e_actor, e_offset, e_pos, e_at, e_dedup, e_payload, e_private)
            AS e (i, "offset", slot_pos, at, dedup, payload, private);
    EXCEPTION WHEN unique_violation THEN
        RETURN false;  -- a key that is taken
    END;

    UPDATE actor a SET
        head = u.head,
        snapshot_offset = CASE WHEN u.snapshot IS NULL THEN a.snapshot_offset ELSE u.snapshot_offset END,
        snapshot = coalesce(u.snapshot, a.snapshot),
        next_due = CASE WHEN u.due_set THEN u.due ELSE a.next_due END
    FROM unnest(a_stream, a_head, a_snapshot_offset, a_snapshot, a_due, a_due_set)
        AS u (stream, head, snapshot_offset, snapshot, due, due_set)
    WHERE a.address = u.stream;

    IF 0 = ANY (a_base) THEN
        INSERT INTO actor (address, slot, head, snapshot_offset, snapshot, next_due)
        SELECT u.stream, u.slot, u.head, CASE WHEN u.snapshot IS NULL THEN 0 ELSE u.snapshot_offset END, u.snapshot, u.due
        FROM unnest(a_stream, a_slot, a_base, a_head, a_snapshot_offset, a_snapshot, a_due)
            AS u (stream, slot, base, head, snapshot_offset, snapshot, due)
        WHERE u.base = 0
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN true;
END $$;

-- Room for the next version of a row on its own page: its head moves with every batch.
ALTER TABLE actor SET (fillfactor = 70);
ALTER TABLE checkpoint SET (fillfactor = 50);
