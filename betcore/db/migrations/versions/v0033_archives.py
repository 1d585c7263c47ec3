"""Archives of events: which file has the events of which bets, and the guard by which those may leave the table."""

from typing import Any

from alembic import op

revision = "0033"
down_revision = "0032"

TABLES = """
CREATE TABLE archive (
    archive_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    sha256        bytea NOT NULL CHECK (length(sha256) = 32),
    size          bigint NOT NULL CHECK (size > 0),
    bets          bigint NOT NULL CHECK (bets > 0),
    events        bigint NOT NULL CHECK (events >= bets),
    first_bet_id  bigint NOT NULL,
    last_bet_id   bigint NOT NULL,
    operator      text NOT NULL DEFAULT coalesce(nullif(current_setting('betcore.operator', true), ''), session_user),
    written_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    emptied_at    timestamptz
);
COMMENT ON TABLE archive IS 'a file that has events of bets which ended long ago';
COMMENT ON COLUMN archive.name IS 'of the file, without its folder';
COMMENT ON COLUMN archive.sha256 IS 'of the file as it is, compressed';
COMMENT ON COLUMN archive.size IS 'bytes of the file';
COMMENT ON COLUMN archive.emptied_at IS 'when its events had left the table bet_event; null: they are yet to leave it';

CREATE TABLE archived_bet (
    bet_id      bigint NOT NULL,
    archive_id  bigint NOT NULL REFERENCES archive,
    events      integer NOT NULL CHECK (events > 0),
    told        boolean NOT NULL,
    withdrawn   boolean NOT NULL,
    sha256      bytea NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (bet_id, archive_id)
);
COMMENT ON TABLE archived_bet IS 'what an archive has of a bet or of a cashback';
COMMENT ON COLUMN archived_bet.told IS 'whether an event of the kind told is among them; withdrawn likewise';
COMMENT ON COLUMN archived_bet.sha256 IS 'of its lines in the file, which event_line() has made';
"""

# The same text in the file and in the guard, whatever the session's settings are.
LINES = """
CREATE FUNCTION event_line(bet_id bigint, event_id bigint, at timestamptz, kind text, data jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('bet_id', bet_id, 'event_id', event_id, 'kind', kind, 'data', data, 'at',
                              to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
$$;

CREATE FUNCTION at_rest_since(subject bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT greatest(ended.closed_at, reversal.closed_at,
                    (SELECT max(greatest(ended_at, accept_at)) FROM movement WHERE bet_id = subject),
                    (SELECT max(at) FROM bet_event WHERE bet_id = subject))
    FROM (SELECT closed_at, provider_bet_id FROM bet WHERE bet_id = subject
          UNION ALL
          SELECT closed_at, NULL FROM cashback WHERE cashback_id = subject) AS ended
    LEFT JOIN reversal ON reversal.bet_id = subject
    WHERE ended.closed_at IS NOT NULL AND (reversal.reversal_id IS NULL OR reversal.closed_at IS NOT NULL)
      AND NOT EXISTS (SELECT FROM movement WHERE bet_id = subject
                      AND state NOT IN ('done', 'absent', 'refused', 'paid_by_hand'))
      AND NOT EXISTS (SELECT FROM incident WHERE bet_id = subject)
      AND NOT EXISTS (SELECT FROM incident
                      WHERE bet_id IS NULL
                        AND coalesce(ours ->> 'provider_bet_id', theirs ->> 'provider_bet_id') = provider_bet_id)
$$;
COMMENT ON FUNCTION at_rest_since IS
    'since when nothing has happened to a bet or a cashback; null: it is open, owed, or has an incident';
"""

# A person's act. Of its own change of a row that is there, the command says so by the file that it needs.
GUARDS = """
CREATE FUNCTION guard_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.emptied_at IS NOT NULL
       OR to_jsonb(OLD) - 'emptied_at' IS DISTINCT FROM to_jsonb(NEW) - 'emptied_at' THEN
        RAISE EXCEPTION 'archive %: what it has stands', OLD.archive_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_archive BEFORE UPDATE OR DELETE ON archive FOR EACH ROW EXECUTE FUNCTION guard_archive();
CREATE TRIGGER guard_archived_bet BEFORE UPDATE OR DELETE ON archived_bet FOR EACH ROW EXECUTE FUNCTION guard_event();
CREATE CONSTRAINT TRIGGER guard_subject AFTER INSERT ON archived_bet FOR EACH ROW EXECUTE FUNCTION guard_subject();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON archive FOR EACH STATEMENT EXECUTE FUNCTION guard_truncate();
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON archived_bet FOR EACH STATEMENT EXECUTE FUNCTION guard_truncate();
CREATE TRIGGER record_admin_event AFTER INSERT ON archive FOR EACH ROW EXECUTE FUNCTION record_admin_event();
"""

# What leaves is compared with what an archive has, and not with its numbers: an event that was written late, or one
# that was changed, has no archive. An archive of the same transaction may yet be rolled back.
LEAVING = """
CREATE FUNCTION guard_archived() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    uncovered bigint;
BEGIN
    SELECT bet_id INTO uncovered
    FROM (SELECT bet_id, count(*) AS events, bool_or(kind = 'told') AS told,
                 bool_or(kind = 'withdrawn') AS withdrawn,
                 sha256(convert_to(string_agg(event_line(bet_id, event_id, at, kind, data) || E'\\n', ''
                                              ORDER BY event_id), 'UTF8')) AS sha256
          FROM gone GROUP BY bet_id) AS leaving
    WHERE coalesce(at_rest_since(bet_id) > now() - interval '30 days', true)
       OR NOT EXISTS (
           SELECT FROM archived_bet JOIN archive USING (archive_id)
           WHERE archived_bet.bet_id = leaving.bet_id AND archived_bet.events = leaving.events
             AND archived_bet.told = leaving.told AND archived_bet.withdrawn = leaving.withdrawn
             AND archived_bet.sha256 = leaving.sha256 AND written_at < transaction_timestamp())
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'what happened stands: no archive has these events of %', uncovered
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard_archived AFTER DELETE ON bet_event REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION guard_archived();
CREATE OR REPLACE TRIGGER guard_event BEFORE UPDATE ON bet_event FOR EACH ROW EXECUTE FUNCTION guard_event();
"""


def upgrade() -> None:
    """Add the tables, and let go of what they cover: at no moment is there neither guard."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (TABLES, LINES, GUARDS, LEAVING):
        connection.run_async(lambda driver, script=part: driver.execute(script))
