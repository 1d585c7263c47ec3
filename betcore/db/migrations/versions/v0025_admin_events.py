"""What persons change of the configuration: a row of each change, written by triggers in the change's own statement."""

from typing import Any

from alembic import op

revision = "0025"
down_revision = "0024"

TABLE = """
CREATE TABLE admin_event (
    event_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    operator  text,
    role      text NOT NULL,
    action    text NOT NULL CHECK (action IN ('insert', 'update', 'delete')),
    subject   text NOT NULL,
    name      text NOT NULL,
    old       jsonb,
    new       jsonb,
    CHECK ((action = 'insert') = (old IS NULL) AND (action = 'delete') = (new IS NULL))
);
COMMENT ON TABLE admin_event IS 'what a person has changed of the configuration; only triggers write it';
COMMENT ON COLUMN admin_event.operator IS 'as the command was given; null: the change came without a command';
COMMENT ON COLUMN admin_event.role IS 'the role that has logged in to the database: no command can give another';
COMMENT ON COLUMN admin_event.subject IS 'the table that was changed';
COMMENT ON COLUMN admin_event.old IS 'the columns that have changed, as they were; secrets as fingerprints';
"""

# The operator is a setting of the session of a command. A role that may change a table cannot write this one by itself:
# the function has the rights of the schema's owner.
RECORD = """
CREATE FUNCTION record_admin_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) END;
    becomes jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) END;
    subject jsonb := coalesce(becomes, was);
    known_as text;
    field text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(key, value) INTO was FROM jsonb_each(was)
        WHERE value IS DISTINCT FROM becomes -> key AND key <> 'updated_at';
        SELECT jsonb_object_agg(key, value) INTO becomes FROM jsonb_each(becomes) WHERE was ? key;
        IF was IS NULL THEN
            RETURN NULL;
        END IF;
    END IF;
    FOREACH field IN ARRAY ARRAY['secret', 'previous_secret', 'private_pem'] LOOP
        IF was ->> field IS NOT NULL THEN
            was := jsonb_set(was, ARRAY[field], to_jsonb(fingerprint(was ->> field)));
        END IF;
        IF becomes ->> field IS NOT NULL THEN
            becomes := jsonb_set(becomes, ARRAY[field], to_jsonb(fingerprint(becomes ->> field)));
        END IF;
    END LOOP;
    known_as := CASE TG_TABLE_NAME
        WHEN 'signing_key' THEN subject ->> 'kid'
        WHEN 'session' THEN subject ->> 'session_id'
        WHEN 'live_game' THEN subject ->> 'game_type'
        WHEN 'game' THEN (SELECT name FROM provider WHERE provider_id = CAST(subject ->> 'provider_id' AS bigint))
            || '/' || (subject ->> 'provider_game_id')
        WHEN 'game_limit' THEN (SELECT provider.name || '/' || provider_game_id
            FROM game JOIN provider USING (provider_id) WHERE game_id = CAST(subject ->> 'game_id' AS bigint))
        WHEN 'casino_limit' THEN
            (SELECT name FROM casino WHERE casino_id = CAST(subject ->> 'casino_id' AS bigint))
        WHEN 'player' THEN (SELECT name FROM casino WHERE casino_id = CAST(subject ->> 'casino_id' AS bigint))
            || '/' || (subject ->> 'player_ref')
        WHEN 'jackpot' THEN (SELECT name FROM casino WHERE casino_id = CAST(subject ->> 'casino_id' AS bigint))
            || '/' || (subject ->> 'name')
        WHEN 'jackpot_entry' THEN (SELECT casino.name || '/' || jackpot.name
            FROM jackpot JOIN casino USING (casino_id) WHERE jackpot_id = CAST(subject ->> 'jackpot_id' AS bigint))
        ELSE subject ->> 'name'
    END;
    INSERT INTO admin_event (operator, role, action, subject, name, old, new)
    VALUES (nullif(current_setting('betcore.operator', true), ''), session_user, lower(TG_OP), TG_TABLE_NAME,
            known_as, was, becomes);
    RETURN NULL;
END $$;

CREATE FUNCTION fingerprint(secret text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'sha256:' || left(encode(sha256(convert_to(secret, 'UTF8')), 'hex'), 16)
$$;
"""

# Games are also written by syncs of their providers' lists, and sessions by players: of these what has an operator.
TRIGGERS = """
CREATE TRIGGER record_admin_event AFTER INSERT OR UPDATE OR DELETE ON provider
    FOR EACH ROW EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT OR UPDATE OR DELETE ON casino
    FOR EACH ROW EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT OR UPDATE OR DELETE ON game_limit
    FOR EACH ROW EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT OR UPDATE OR DELETE ON casino_limit
    FOR EACH ROW EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT OR UPDATE OR DELETE ON signing_key
    FOR EACH ROW EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT OR DELETE ON game
    FOR EACH ROW WHEN (current_setting('betcore.operator', true) <> '') EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event_of_change AFTER UPDATE ON game
    FOR EACH ROW WHEN (OLD.disabled_at IS DISTINCT FROM NEW.disabled_at
                       OR current_setting('betcore.operator', true) <> '') EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER UPDATE OF blocked_at ON player
    FOR EACH ROW WHEN (OLD.blocked_at IS DISTINCT FROM NEW.blocked_at) EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT OR UPDATE OF state ON session
    FOR EACH ROW WHEN (current_setting('betcore.operator', true) <> '') EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT ON jackpot
    FOR EACH ROW EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event_of_change AFTER UPDATE OF disabled_at ON jackpot
    FOR EACH ROW WHEN (OLD.disabled_at IS DISTINCT FROM NEW.disabled_at) EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT ON jackpot_entry
    FOR EACH ROW WHEN (NEW.kind = 'adjustment') EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event AFTER INSERT ON live_game
    FOR EACH ROW EXECUTE FUNCTION record_admin_event();
CREATE TRIGGER record_admin_event_of_change AFTER UPDATE OF in_maintenance, disabled_at ON live_game
    FOR EACH ROW EXECUTE FUNCTION record_admin_event();
"""

GUARD = """
CREATE FUNCTION guard_admin_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a person has changed stands' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_admin_event BEFORE UPDATE OR DELETE ON admin_event
    FOR EACH ROW EXECUTE FUNCTION guard_admin_event();
CREATE TRIGGER guard_admin_event_whole BEFORE TRUNCATE ON admin_event
    FOR EACH STATEMENT EXECUTE FUNCTION guard_admin_event();
"""


def upgrade() -> None:
    """Add the table, what writes it, and what keeps it. What was changed before is not known."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (TABLE, RECORD, TRIGGERS, GUARD):
        connection.run_async(lambda driver, script=part: driver.execute(script))
