-- By a code's digest its room is found; whether it still opens anything is the room's to say.
CREATE TABLE invite_code (
    digest     bytea   PRIMARY KEY,  -- SHA-256
    room       text    NOT NULL,
    invite     text    NOT NULL,
    at         bigint  NOT NULL,
    by_type    text,                 -- NULL: the account was deleted
    by_id      text,
    expires_at bigint,
    uses       integer
);
CREATE INDEX invite_code_invite ON invite_code (room, invite);
CREATE INDEX invite_code_author ON invite_code (by_id, digest);

CREATE TABLE room_member (
    room       text   NOT NULL,
    actor_type text   NOT NULL,
    actor_id   text   NOT NULL,
    at         bigint NOT NULL,
    invite     text,
    PRIMARY KEY (room, actor_id)
);
CREATE INDEX room_member_order ON room_member (room, at, actor_id);
CREATE INDEX room_member_actor ON room_member (actor_id, room);

-- No event from before this has anything to do with either: the projection begins where others are.
INSERT INTO checkpoint (projection, slot, slot_pos) SELECT 'membership', slot, slot_pos FROM checkpoint WHERE projection = 'room';
