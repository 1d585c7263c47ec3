"""Live games and their rounds; open bets by the round that they are in.

The index of bets is made while bets are written.
"""

from typing import Any

from alembic import op

revision = "0022"
down_revision = "0021"

TABLES = """
CREATE TABLE live_game (
    game_type        smallint PRIMARY KEY CHECK (game_type > 0),
    provider_id      bigint NOT NULL REFERENCES provider,
    game_id          bigint REFERENCES game,
    name_key         text NOT NULL,
    betting_seconds  integer NOT NULL CHECK (betting_seconds BETWEEN 1 AND 86400),
    in_maintenance   boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT now(),
    disabled_at      timestamptz
);
COMMENT ON TABLE live_game IS 'games whose rounds their provider reports; the number is that of the feed';
COMMENT ON COLUMN live_game.game_id IS 'of the catalogue; null: not launched by this service';
COMMENT ON COLUMN live_game.name_key IS 'under which the feed''s translations have its name';

CREATE TABLE live_round (
    game_type          smallint NOT NULL REFERENCES live_game,
    edition            bigint NOT NULL CHECK (edition > 0),
    provider_id        bigint NOT NULL REFERENCES provider,
    round_id           text NOT NULL,
    state              text NOT NULL CHECK (state IN ('awaiting', 'active', 'finished', 'review', 'cancelled')),
    play_status        text CHECK (play_status IN ('betting', 'action')),
    announced_at       timestamptz NOT NULL,
    started_at         timestamptz,
    betting_closes_at  timestamptz,
    results_due_at     timestamptz,
    finished_at        timestamptz,
    results            jsonb CHECK (jsonb_typeof(results) = 'array' AND results <> '[]'),
    commitment         text,
    seed               text,
    algorithm          text,
    reason             text,
    refunds            text CHECK (refunds IN ('owed', 'done')),
    changed_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (game_type, edition),
    UNIQUE (round_id, provider_id),
    CHECK ((state = 'active') = (play_status IS NOT NULL)),
    CHECK ((state = 'finished') = (results IS NOT NULL)),
    CHECK ((state IN ('finished', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK (state = 'awaiting' OR state IN ('review', 'cancelled') OR started_at IS NOT NULL),
    CHECK (seed IS NULL OR (state = 'finished' AND commitment IS NOT NULL)),
    CHECK (refunds IS NULL OR state = 'cancelled')
);
-- One round of a game runs at a time.
CREATE UNIQUE INDEX live_round_running ON live_round (game_type) WHERE state IN ('awaiting', 'active');
CREATE INDEX live_round_finished ON live_round (game_type, finished_at, edition) WHERE state = 'finished';
CREATE INDEX live_round_refunds ON live_round (game_type, edition) WHERE refunds = 'owed';
COMMENT ON TABLE live_round IS 'rounds of live games, as their providers have reported them';
COMMENT ON COLUMN live_round.edition IS 'counts the rounds of a game from 1';
COMMENT ON COLUMN live_round.round_id IS 'the provider''s; its bets have it in bet.round_id';
COMMENT ON COLUMN live_round.results_due_at IS 'from then on a round without results goes to review';
COMMENT ON COLUMN live_round.finished_at IS 'since when it is finished, or cancelled';
COMMENT ON COLUMN live_round.refunds IS 'of a cancelled round: the service returns the stakes of its open bets';

CREATE TABLE live_proposal (
    game_type  smallint NOT NULL,
    edition    bigint NOT NULL,
    operator   text NOT NULL,
    reason     text NOT NULL,
    until      timestamptz NOT NULL,
    PRIMARY KEY (game_type, edition),
    FOREIGN KEY (game_type, edition) REFERENCES live_round
);
COMMENT ON TABLE live_proposal IS 'that a first operator has asked to cancel a round';
"""

GUARDS = """
CREATE FUNCTION guard_live_game() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       OR (OLD.game_type, OLD.provider_id, OLD.created_at) IS DISTINCT FROM
          (NEW.game_type, NEW.provider_id, NEW.created_at) THEN
        RAISE EXCEPTION 'live game %: what it is stands', OLD.game_type
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_live_game BEFORE UPDATE OR DELETE ON live_game FOR EACH ROW EXECUTE FUNCTION guard_live_game();

CREATE FUNCTION guard_live_round() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a round is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.game_type, OLD.edition, OLD.provider_id, OLD.round_id, OLD.announced_at) IS DISTINCT FROM
       (NEW.game_type, NEW.edition, NEW.provider_id, NEW.round_id, NEW.announced_at)
       OR (OLD.commitment IS NOT NULL AND NEW.commitment IS DISTINCT FROM OLD.commitment)
       OR (OLD.state <> 'awaiting' AND NEW.state = 'awaiting')
       OR (OLD.state = 'review' AND NEW.state = 'active')
       OR (OLD.state IN ('finished', 'cancelled')
           AND (NEW.state, NEW.started_at, NEW.betting_closes_at, NEW.finished_at, NEW.results, NEW.commitment,
                NEW.seed, NEW.algorithm, NEW.reason)
               IS DISTINCT FROM
               (OLD.state, OLD.started_at, OLD.betting_closes_at, OLD.finished_at, OLD.results, OLD.commitment,
                OLD.seed, OLD.algorithm, OLD.reason))
       OR (OLD.state = 'cancelled' AND NEW.refunds IS DISTINCT FROM OLD.refunds
           AND (OLD.refunds, NEW.refunds) IS DISTINCT FROM ('owed', 'done')) THEN
        RAISE EXCEPTION 'round %: what has ended stands', OLD.round_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_live_round BEFORE UPDATE OR DELETE ON live_round FOR EACH ROW EXECUTE FUNCTION guard_live_round();
"""
# Seconds. An index of a large table takes long, and what was begun is of no use.
_PATIENCE = 24 * 60 * 60
_INDEX = "bet_open_round"
# The refunds of a cancelled round page through its open bets.
_DEFINITION = "bet (provider_id, round_id, bet_id) WHERE closed_at IS NULL"


def _execute(sql: str) -> None:
    connection: Any = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(sql, timeout=_PATIENCE))


def upgrade() -> None:
    """Make the index outside of a transaction; add the tables and what guards them."""
    with op.get_context().autocommit_block():
        # An interrupted migration may have left it in part: no statement uses it.
        found = op.get_bind().exec_driver_sql("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        if _INDEX in set(found.scalars()):
            _execute(f"DROP INDEX CONCURRENTLY {_INDEX}")
        _execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {_INDEX} ON {_DEFINITION}")
    for part in (TABLES, GUARDS):
        _execute(part)
