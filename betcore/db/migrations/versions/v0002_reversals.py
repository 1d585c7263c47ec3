"""Bets of one step, reversals, and the lives of a bet."""

from typing import Any

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE reversal (
    reversal_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bet_id          bigint NOT NULL UNIQUE REFERENCES bet,
    owner           text,
    lives           integer NOT NULL DEFAULT 0,
    state           text NOT NULL DEFAULT 'reversing' CHECK (state IN ('reversing', 'reversed', 'refused')),
    opened_at       timestamptz NOT NULL DEFAULT now(),
    closed_at       timestamptz,
    closed_balance  numeric(38,0),
    CHECK ((state = 'reversing') = (closed_at IS NULL))
);
CREATE INDEX reversal_open ON reversal (bet_id) WHERE closed_at IS NULL;
COMMENT ON TABLE reversal IS 'what is taken back of a bet that has ended: the win if there was one, then the stake';
COMMENT ON COLUMN reversal.owner IS
    'first execution run id of the workflow that may move its money; null until one has taken it on';

ALTER TABLE bet
    ADD COLUMN one_step boolean NOT NULL DEFAULT false,
    ADD COLUMN lives integer NOT NULL DEFAULT 0,
    ADD COLUMN reversed_by bigint REFERENCES reversal;
COMMENT ON COLUMN bet.one_step IS 'opened by PayInOut: its win is known from the start';
COMMENT ON COLUMN bet.lives IS 'how often it was resumed by a new workflow after its own was gone';

ALTER TABLE movement
    ADD COLUMN absent_attempts integer NOT NULL DEFAULT 0,
    ADD CHECK (absent_attempts BETWEEN 0 AND attempts);
COMMENT ON COLUMN movement.absent_attempts IS 'of the sends counted, those that are certainly not at the casino';
"""

GUARDS = """
CREATE OR REPLACE FUNCTION guard_bet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a bet is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.bet_id, OLD.provider_id, OLD.provider_bet_id, OLD.casino_id, OLD.player_id, OLD.game_id, OLD.session_id,
        OLD.round_id, OLD.currency, OLD.stake, OLD.opened_at, OLD.one_step)
       IS DISTINCT FROM
       (NEW.bet_id, NEW.provider_id, NEW.provider_bet_id, NEW.casino_id, NEW.player_id, NEW.game_id, NEW.session_id,
        NEW.round_id, NEW.currency, NEW.stake, NEW.opened_at, NEW.one_step) OR NEW.lives < OLD.lives THEN
        RAISE EXCEPTION 'bet %: identity and stake stand', OLD.bet_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.win IS NOT NULL AND NEW.win IS DISTINCT FROM OLD.win)
       OR (OLD.accepted_at IS NOT NULL AND NEW.accepted_at IS DISTINCT FROM OLD.accepted_at)
       OR (OLD.told_at IS NOT NULL AND NEW.told_at IS DISTINCT FROM OLD.told_at)
       OR (OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at)
       OR (OLD.reversed_by IS NOT NULL AND NEW.reversed_by IS DISTINCT FROM OLD.reversed_by) THEN
        RAISE EXCEPTION 'bet %: what was decided stands', OLD.bet_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.closed_at IS NOT NULL
       AND (NEW.state, NEW.refusal, NEW.win, NEW.closed_at)
           IS DISTINCT FROM (OLD.state, OLD.refusal, OLD.win, OLD.closed_at) THEN
        RAISE EXCEPTION 'bet %: % is terminal', OLD.bet_id, OLD.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION guard_movement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a movement is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.bet_id, OLD.transaction_type, OLD.amount, OLD.first_sent_at)
       IS DISTINCT FROM (NEW.bet_id, NEW.transaction_type, NEW.amount, NEW.first_sent_at)
       OR NEW.attempts < OLD.attempts OR NEW.absent_attempts < OLD.absent_attempts THEN
        RAISE EXCEPTION 'movement %:%: identity, amount and count stand', OLD.bet_id, OLD.transaction_type
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    -- A claw-back gets another window once all of its sends are certainly absent; a stake never does.
    IF NEW.not_after IS DISTINCT FROM OLD.not_after
       AND (OLD.transaction_type <> -2 OR OLD.absent_attempts < OLD.attempts) THEN
        RAISE EXCEPTION 'movement %:%: its last moment stands', OLD.bet_id, OLD.transaction_type
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state = 'done' AND (NEW.state, NEW.attempts) IS DISTINCT FROM (OLD.state, OLD.attempts) THEN
        RAISE EXCEPTION 'movement %:% is done', OLD.bet_id, OLD.transaction_type
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION guard_reversal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a reversal is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.reversal_id, OLD.bet_id, OLD.opened_at) IS DISTINCT FROM (NEW.reversal_id, NEW.bet_id, NEW.opened_at)
       OR NEW.lives < OLD.lives
       OR (OLD.closed_at IS NOT NULL AND (NEW.state, NEW.closed_at) IS DISTINCT FROM (OLD.state, OLD.closed_at)) THEN
        RAISE EXCEPTION 'reversal of bet %: what was decided stands', OLD.bet_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_incident BEFORE UPDATE OR DELETE ON incident FOR EACH ROW EXECUTE FUNCTION guard_event();
CREATE TRIGGER guard_reversal BEFORE UPDATE OR DELETE ON reversal FOR EACH ROW EXECUTE FUNCTION guard_reversal();
"""


def upgrade() -> None:
    """Add what is new; bets of before are of two steps and in their first life."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (TABLES, GUARDS):
        connection.run_async(lambda driver, script=part: driver.execute(script))
