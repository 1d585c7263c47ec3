"""Rules of cashback: each version of them, and each window of time that one was run for."""

from typing import Any

from alembic import op

revision = "0021"
down_revision = "0020"

TABLES = """
CREATE TABLE cashback_rule_version (
    version_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    casino_id   bigint NOT NULL REFERENCES casino,
    name        text NOT NULL,
    rule        jsonb NOT NULL,
    time_zone   text NOT NULL,
    created_at  timestamptz NOT NULL,
    retired_at  timestamptz CHECK (retired_at >= created_at)
);
CREATE UNIQUE INDEX cashback_rule_version_stands ON cashback_rule_version (casino_id, name) WHERE retired_at IS NULL;
CREATE INDEX cashback_rule_version_rule ON cashback_rule_version (casino_id, name, created_at);
COMMENT ON TABLE cashback_rule_version IS
    'the rules of casinos'' profiles; a change of a rule, or of the casino''s time zone, ends one and begins another';

CREATE TABLE cashback_rule_run (
    run_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    casino_id       bigint NOT NULL REFERENCES casino,
    name            text NOT NULL,
    version_id      bigint NOT NULL REFERENCES cashback_rule_version,
    period_from     timestamptz NOT NULL,
    period_to       timestamptz NOT NULL,
    excluded_games  bigint[] NOT NULL,
    last_player_id  bigint NOT NULL DEFAULT 0,
    times           integer NOT NULL DEFAULT 1,
    players         bigint NOT NULL DEFAULT 0,
    opened          bigint NOT NULL DEFAULT 0,
    blocked         bigint NOT NULL DEFAULT 0,
    unread          bigint NOT NULL DEFAULT 0,
    contradicted    bigint NOT NULL DEFAULT 0,
    started_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    UNIQUE (casino_id, name, period_to),
    CHECK (period_from < period_to)
);
CREATE INDEX cashback_rule_run_unended ON cashback_rule_run (run_id) WHERE ended_at IS NULL;
COMMENT ON COLUMN cashback_rule_run.period_from IS 'what has ended from this moment on, and before period_to, counts';
COMMENT ON COLUMN cashback_rule_run.excluded_games IS
    'the games of the excluded categories when the run began: a sync may change the category of a game later';
COMMENT ON COLUMN cashback_rule_run.last_player_id IS 'players up to this one are dealt with: a run goes on from here';
COMMENT ON COLUMN cashback_rule_run.times IS 'the round in which its players are gone through, and counted';

ALTER TABLE cashback ADD FOREIGN KEY (rule_version_id) REFERENCES cashback_rule_version;
CREATE INDEX cashback_rule ON cashback (rule_version_id, period_to) WHERE rule_version_id IS NOT NULL;
"""

# The names are those of no other table: statements of the release before, which name columns without a table, go on.
# What a player has lost in a window is read by player. `bet` has an index of what has ended; a reversal ends later.
REVERSALS = """
ALTER TABLE reversal ADD COLUMN reversed_player_id bigint, ADD COLUMN reversed_currency text;
COMMENT ON COLUMN reversal.reversed_player_id IS 'of its bet, as the currency';
CREATE FUNCTION name_player_of_reversal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT player_id, currency INTO NEW.reversed_player_id, NEW.reversed_currency FROM bet WHERE bet_id = NEW.bet_id;
    RETURN NEW;
END $$;
CREATE TRIGGER name_player_of_reversal BEFORE INSERT ON reversal FOR EACH ROW
    EXECUTE FUNCTION name_player_of_reversal();
UPDATE reversal SET reversed_player_id = player_id, reversed_currency = currency
FROM bet WHERE bet.bet_id = reversal.bet_id;
CREATE INDEX reversal_player ON reversal (reversed_player_id, reversed_currency, closed_at);
"""

# Of two transactions that change a profile the second waits for the first one's row: times are taken behind that.
VERSIONS = """
CREATE FUNCTION keep_cashback_rule_versions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    rules jsonb := coalesce(NEW.profile -> 'cashback_rules', '[]');
    zone text := coalesce(NEW.profile ->> 'time_zone', 'UTC');
BEGIN
    UPDATE cashback_rule_version SET retired_at = greatest(moment, created_at)
    WHERE casino_id = NEW.casino_id AND retired_at IS NULL
      AND NOT (time_zone = zone AND EXISTS (SELECT FROM jsonb_array_elements(rules) AS given WHERE given = rule));
    INSERT INTO cashback_rule_version (casino_id, name, rule, time_zone, created_at)
    SELECT NEW.casino_id, given ->> 'name', given, zone,
           greatest(moment, (SELECT max(retired_at) FROM cashback_rule_version
                             WHERE casino_id = NEW.casino_id AND name = given ->> 'name'))
    FROM jsonb_array_elements(rules) AS given
    WHERE NOT EXISTS (SELECT FROM cashback_rule_version
                      WHERE casino_id = NEW.casino_id AND name = given ->> 'name' AND retired_at IS NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_cashback_rule_versions AFTER INSERT OR UPDATE OF profile ON casino FOR EACH ROW
    EXECUTE FUNCTION keep_cashback_rule_versions();
"""

GUARDS = """
CREATE FUNCTION guard_cashback_rule_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.retired_at IS NOT NULL
       OR (OLD.version_id, OLD.casino_id, OLD.name, OLD.rule, OLD.time_zone, OLD.created_at)
          IS DISTINCT FROM (NEW.version_id, NEW.casino_id, NEW.name, NEW.rule, NEW.time_zone, NEW.created_at) THEN
        RAISE EXCEPTION 'version % of a rule stands', OLD.version_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_cashback_rule_version BEFORE UPDATE OR DELETE ON cashback_rule_version FOR EACH ROW
    EXECUTE FUNCTION guard_cashback_rule_version();

-- Two windows of a rule that overlap would pay for the same losses twice. Inserts for one rule wait for each other.
CREATE FUNCTION guard_cashback_rule_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM casino WHERE casino_id = NEW.casino_id FOR NO KEY UPDATE;
        IF EXISTS (SELECT FROM cashback_rule_run AS other
                   WHERE other.casino_id = NEW.casino_id AND other.name = NEW.name
                     AND other.period_from < NEW.period_to AND NEW.period_from < other.period_to
                     AND other.period_to <> NEW.period_to) THEN
            RAISE EXCEPTION 'rule % has a run of this time', NEW.name USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE'
       OR (OLD.run_id, OLD.casino_id, OLD.name, OLD.version_id, OLD.period_from, OLD.period_to, OLD.excluded_games)
          IS DISTINCT FROM
          (NEW.run_id, NEW.casino_id, NEW.name, NEW.version_id, NEW.period_from, NEW.period_to, NEW.excluded_games) THEN
        RAISE EXCEPTION 'run % of a rule stands', OLD.run_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_cashback_rule_run BEFORE INSERT OR UPDATE OR DELETE ON cashback_rule_run FOR EACH ROW
    EXECUTE FUNCTION guard_cashback_rule_run();
"""

# Seconds. An index of a large table takes long.
_PATIENCE = 24 * 60 * 60


def _execute(sql: str) -> None:
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(sql, timeout=_PATIENCE))


def upgrade() -> None:
    """Make the index of players while players come in, and add what is new."""
    with op.get_context().autocommit_block():
        # An interrupted migration may have left it in part.
        _execute("DROP INDEX CONCURRENTLY IF EXISTS player_casino")
        _execute("CREATE INDEX CONCURRENTLY player_casino ON player (casino_id, player_id)")
    for part in (REVERSALS, TABLES, VERSIONS, GUARDS):
        _execute(part)
