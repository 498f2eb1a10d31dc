-- Admins page through all rooms, the newest first; the public list has an index of its own.
CREATE INDEX room_order ON room (created_at DESC, room DESC);
