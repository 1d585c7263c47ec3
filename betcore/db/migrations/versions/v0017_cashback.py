"""Cashbacks. Movements, events and incidents belong to a bet or to a cashback."""

from typing import Any

from alembic import op

revision = "0017"
down_revision = "0016"

TABLE = """
CREATE TABLE cashback (
    cashback_id        bigint PRIMARY KEY DEFAULT next_bet_id() CHECK (cashback_id BETWEEN 1 AND 9007199254740991),
    casino_id          bigint NOT NULL REFERENCES casino,
    player_id          bigint NOT NULL REFERENCES player,
    currency           text NOT NULL,
    amount             numeric(38,0) NOT NULL CHECK (amount > 0),
    promo_code         text,
    source             text NOT NULL CHECK (source IN ('operator', 'import', 'rule')),
    key                text NOT NULL,
    reason             text NOT NULL,
    rule_version_id    bigint,
    period_from        timestamptz,
    period_to          timestamptz,
    state              text NOT NULL DEFAULT 'issuing'
                       CHECK (state IN ('issuing', 'issued', 'cancelling', 'cancelled')),
    owner              text,
    lives              integer NOT NULL DEFAULT 0,
    opened_at          timestamptz NOT NULL DEFAULT now(),
    issued_at          timestamptz,
    issued_balance     numeric(38,0),
    cancel_asked_at    timestamptz,
    cancel_reason      text,
    cancelled_balance  numeric(38,0),
    closed_at          timestamptz,
    UNIQUE (casino_id, key),
    CHECK ((source = 'rule') = (rule_version_id IS NOT NULL)),
    CHECK (rule_version_id IS NULL OR period_from IS NOT NULL),
    CHECK ((period_from IS NULL) = (period_to IS NULL) AND coalesce(period_from < period_to, true)),
    CHECK ((state = 'issuing') = (issued_at IS NULL)),
    CHECK ((state IN ('issued', 'cancelled')) = (closed_at IS NOT NULL)),
    CHECK ((cancel_asked_at IS NULL) = (cancel_reason IS NULL)),
    CHECK (state NOT IN ('cancelling', 'cancelled') OR cancel_asked_at IS NOT NULL)
);
CREATE INDEX cashback_carried ON cashback (cashback_id) WHERE closed_at IS NULL AND owner IS NOT NULL;
CREATE INDEX cashback_carried_of ON cashback (casino_id) WHERE closed_at IS NULL AND owner IS NOT NULL;
CREATE INDEX cashback_waiting ON cashback (casino_id, cashback_id) WHERE closed_at IS NULL AND owner IS NULL;
CREATE INDEX cashback_casino ON cashback (casino_id, cashback_id);
CREATE INDEX cashback_player ON cashback (player_id, cashback_id);
COMMENT ON TABLE cashback IS 'money that a casino gives back to a player: a credit and, if it is cancelled, a debit';
COMMENT ON COLUMN cashback.cashback_id IS 'from next_bet_id(): a number names a bet or a cashback, never both';
COMMENT ON COLUMN cashback.amount IS 'minor units';
COMMENT ON COLUMN cashback.key IS 'the identity of a repeat at its source: a key is paid once';
COMMENT ON COLUMN cashback.owner IS
    'first execution run id of the workflow that may move its money; null until one has taken it on';
COMMENT ON COLUMN cashback.lives IS 'how often it was resumed, or begun again for a cancel, by a new workflow';
COMMENT ON COLUMN cashback.cancel_asked_at IS
    'when it is to be cancelled; in the state issued: that ended without it, and the player has kept the money';
COMMENT ON COLUMN cashback.closed_at IS 'since when it is at rest; null while money is to move';
"""

# A foreign key names one table. Bets and cashbacks are never deleted, so that a look at the insert is enough.
SUBJECTS = """
ALTER TABLE movement DROP CONSTRAINT movement_bet_id_fkey;
ALTER TABLE bet_event DROP CONSTRAINT bet_event_bet_id_fkey;
ALTER TABLE incident DROP CONSTRAINT incident_bet_id_fkey;
COMMENT ON COLUMN movement.bet_id IS 'of a bet or of a cashback';
COMMENT ON COLUMN bet_event.bet_id IS 'of a bet or of a cashback';
COMMENT ON COLUMN incident.bet_id IS 'of a bet or of a cashback; null if there is none yet';

CREATE FUNCTION guard_subject() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM bet WHERE bet_id = NEW.bet_id)
       AND NOT EXISTS (SELECT FROM cashback WHERE cashback_id = NEW.bet_id) THEN
        RAISE EXCEPTION '%: there is no bet and no cashback %', TG_TABLE_NAME, NEW.bet_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER guard_subject AFTER INSERT ON movement FOR EACH ROW EXECUTE FUNCTION guard_subject();
CREATE CONSTRAINT TRIGGER guard_subject AFTER INSERT ON bet_event FOR EACH ROW EXECUTE FUNCTION guard_subject();
CREATE CONSTRAINT TRIGGER guard_subject AFTER INSERT ON incident FOR EACH ROW WHEN (NEW.bet_id IS NOT NULL)
    EXECUTE FUNCTION guard_subject();
"""

GUARDS = """
CREATE FUNCTION guard_cashback() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a cashback is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT FROM bet WHERE bet_id = NEW.cashback_id) THEN
            RAISE EXCEPTION 'cashback %: a bet has this number', NEW.cashback_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.cashback_id, OLD.casino_id, OLD.player_id, OLD.currency, OLD.amount, OLD.promo_code, OLD.source, OLD.key,
        OLD.reason, OLD.rule_version_id, OLD.period_from, OLD.period_to, OLD.opened_at)
       IS DISTINCT FROM
       (NEW.cashback_id, NEW.casino_id, NEW.player_id, NEW.currency, NEW.amount, NEW.promo_code, NEW.source, NEW.key,
        NEW.reason, NEW.rule_version_id, NEW.period_from, NEW.period_to, NEW.opened_at) OR NEW.lives < OLD.lives THEN
        RAISE EXCEPTION 'cashback %: identity and amount stand', OLD.cashback_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.issued_at IS NOT NULL AND NEW.issued_at IS DISTINCT FROM OLD.issued_at)
       OR (OLD.cancel_asked_at IS NOT NULL AND OLD.closed_at IS NULL
           AND (NEW.cancel_asked_at, NEW.cancel_reason) IS DISTINCT FROM (OLD.cancel_asked_at, OLD.cancel_reason))
       OR (OLD.state, NEW.state) NOT IN (
           ('issuing', 'issuing'), ('issuing', 'issued'), ('issuing', 'cancelling'), ('issued', 'issued'),
           ('issued', 'cancelling'), ('cancelling', 'cancelling'), ('cancelling', 'issued'),
           ('cancelling', 'cancelled'), ('cancelled', 'cancelled')) THEN
        RAISE EXCEPTION 'cashback %: what was decided stands', OLD.cashback_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_cashback BEFORE INSERT OR UPDATE OR DELETE ON cashback FOR EACH ROW
    EXECUTE FUNCTION guard_cashback();
"""


def upgrade() -> None:
    """Add the table, and let what belongs to a bet belong to a cashback too."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (TABLE, SUBJECTS, GUARDS):
        connection.run_async(lambda driver, script=part: driver.execute(script))
