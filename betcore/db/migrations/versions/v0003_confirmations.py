"""Casinos that confirm with Accept, the health of casinos, and reconciliation."""

from typing import Any

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
ALTER TABLE movement
    DROP CONSTRAINT movement_state_check,
    ADD CONSTRAINT movement_state_check
        CHECK (state IN ('sending', 'done', 'absent', 'refused', 'parked', 'paid_by_hand')),
    ADD COLUMN accept_code text,
    ADD COLUMN accept_transaction_id text,
    ADD COLUMN accept_balance numeric(38,0),
    ADD COLUMN accept_at timestamptz,
    ADD COLUMN awaited_until timestamptz,
    ADD CHECK ((accept_code IS NULL) = (accept_at IS NULL));
COMMENT ON COLUMN movement.accept_code IS
    'ErrorCode of the casino''s Accept; the first one stands, unless it was a refusal after which we send again';
COMMENT ON COLUMN movement.awaited_until IS
    'the casino has taken the movement and its Accept is awaited: until then nothing is sent; it is signalled';

CREATE TABLE casino_health (
    casino_id      bigint PRIMARY KEY REFERENCES casino,
    failures       integer NOT NULL DEFAULT 0,
    failing_since  timestamptz,
    open_since     timestamptz,
    probe_at       timestamptz,
    owed_at        timestamptz
);
COMMENT ON TABLE casino_health IS 'the breaker of each casino, and the next moment at which something owed may be sent';

CREATE TABLE reconciliation (
    reconciliation_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    casino_id          bigint NOT NULL REFERENCES casino,
    opened_from        timestamptz NOT NULL,
    opened_to          timestamptz NOT NULL,
    workflow_id        text NOT NULL UNIQUE,
    bets               bigint NOT NULL,
    compared           bigint NOT NULL DEFAULT 0,
    last_bet_id        bigint NOT NULL DEFAULT 0,
    started_at         timestamptz NOT NULL DEFAULT now(),
    ended_at           timestamptz,
    CHECK (opened_from < opened_to),
    CHECK (compared BETWEEN 0 AND bets)
);
CREATE INDEX reconciliation_casino ON reconciliation (casino_id, opened_to DESC);
COMMENT ON COLUMN reconciliation.opened_from IS 'bets opened from this moment on, and before opened_to, are compared';
COMMENT ON COLUMN reconciliation.last_bet_id IS 'bets up to this one are compared: a run goes on from here';

CREATE INDEX bet_casino_opened ON bet (casino_id, opened_at);

CREATE TABLE finding (
    finding_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reconciliation_id  bigint NOT NULL REFERENCES reconciliation,
    bet_id             bigint NOT NULL REFERENCES bet,
    transaction_type   smallint NOT NULL,
    kind               text NOT NULL CHECK
                       (kind IN ('missing_there', 'missing_here', 'amount', 'status', 'late', 'left_to_the_bet')),
    ours               jsonb NOT NULL DEFAULT '{}',
    theirs             jsonb NOT NULL DEFAULT '{}',
    outcome            text,
    at                 timestamptz NOT NULL DEFAULT now(),
    UNIQUE (reconciliation_id, bet_id, transaction_type, kind)
);
COMMENT ON COLUMN finding.outcome IS 'what was done about it; null while a second look is to come';
"""

GUARDS = """
CREATE FUNCTION guard_paid_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.state, NEW.attempts) IS DISTINCT FROM (OLD.state, OLD.attempts) THEN
        RAISE EXCEPTION 'movement %:% was paid by hand', OLD.bet_id, OLD.transaction_type
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_paid_by_hand BEFORE UPDATE ON movement FOR EACH ROW
    WHEN (OLD.state = 'paid_by_hand') EXECUTE FUNCTION guard_paid_by_hand();
"""


def upgrade() -> None:
    """Add what is new; movements of before were confirmed by the answer to make."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (TABLES, GUARDS):
        connection.run_async(lambda driver, script=part: driver.execute(script))
