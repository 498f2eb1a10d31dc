-- How many rooms somebody has founded is asked before they found another one.
CREATE INDEX room_creator ON room (created_by_id);
