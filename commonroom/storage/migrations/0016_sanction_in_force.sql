-- Of sanctions few stand, many have ended: what is asked all the time walks the former alone.
DROP INDEX sanction_standing;
CREATE INDEX sanction_standing ON sanction (coalesce("until", 9223372036854775807), id) WHERE lifted_at IS NULL;
CREATE INDEX sanction_in_force ON sanction (coalesce("until", 9223372036854775807)) WHERE lifted_at IS NULL AND kind <> 'ban';
CREATE INDEX sanction_ended ON sanction (coalesce(lifted_at, "until"));

-- Guests are many: what users report is found among it.
CREATE INDEX report_unresolved_by ON report (reporter_type, id) WHERE resolved_at IS NULL;
