-- Where users were lately: written late and together, kept for a day.
CREATE TABLE visit (
    user_id text   NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
    room    text   NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (user_id, room)
);
CREATE INDEX visit_at ON visit (at);  -- what the purge looks for

-- Rooms that users keep.
CREATE TABLE favourite (
    user_id text   NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
    room    text   NOT NULL,
    at      bigint NOT NULL,
    PRIMARY KEY (user_id, room)
);

-- Derived from the journal: whom rooms keep out. Lists of one's own rooms leave those out; the room itself decides who comes in.
CREATE TABLE room_ban (
    room        text NOT NULL,
    person_type text NOT NULL,
    person_id   text NOT NULL,
    "until"     bigint,
    PRIMARY KEY (room, person_id, person_type)
);
CREATE INDEX room_ban_until ON room_ban ("until") WHERE "until" IS NOT NULL;

-- No event from before this bans anybody: the projection begins where others are, or every slot would lag and refuse writes.
INSERT INTO checkpoint (projection, slot, slot_pos) SELECT 'room_ban', slot, slot_pos FROM checkpoint WHERE projection = 'room';
