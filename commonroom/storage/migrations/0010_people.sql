-- Search walks these in the order that it answers in, so that it reads no more rows than it answers.
DROP INDEX app_user_by_name;
CREATE INDEX app_user_by_name ON app_user (search_name text_pattern_ops, lower(username) text_pattern_ops)
    WHERE username IS NOT NULL AND deleted_at IS NULL;

-- What the purge looks for. A login session that was a guest's stays as long as its user: it says whose the guest's messages are.
DROP INDEX login_session_idle;
CREATE INDEX login_session_idle ON login_session (last_seen) WHERE upgraded_at IS NULL;
CREATE INDEX login_session_idle_upgraded ON login_session (last_seen) WHERE upgraded_at IS NOT NULL AND ended_at IS NULL;
CREATE INDEX login_session_ended ON login_session (ended_at)
    WHERE actor_type = 'user' AND upgraded_at IS NULL AND ended_at IS NOT NULL;
