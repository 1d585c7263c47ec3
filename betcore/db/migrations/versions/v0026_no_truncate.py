"""What roles need of the schema: no table that has to do with money is emptied, and some triggers act as the owner."""

from typing import Any

from alembic import op

revision = "0026"
down_revision = "0025"

# Triggers for each row see no TRUNCATE. One of a table that others refer to empties those too, if it says CASCADE: the
# trigger of each refuses it.
TABLES = (
    *("bet", "movement", "reversal", "bet_event", "early_pay_out", "incident", "incident_count"),
    *("cashback", "cashback_rule_version", "cashback_rule_run"),
    *("jackpot", "jackpot_entry", "jackpot_stake", "live_game", "live_round", "reconciliation", "finding"),
    *("provider", "casino", "game", "player", "session", "signing_key"),
)
GUARD = """
CREATE OR REPLACE FUNCTION guard_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is never truncated', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""
# The API ends a debit of a bet that had ended without it: the casino's Accept says that it has taken the stake after
# all. Whoever may not count sends may change the state of no other movement. A worker may, and is not held up.
TAKEN = """
CREATE FUNCTION guard_taken() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.transaction_type <> -1 OR NEW.state <> 'done' OR NOT EXISTS (
        SELECT FROM bet WHERE bet_id = NEW.bet_id AND closed_at IS NOT NULL AND accepted_at IS NULL) THEN
        RAISE EXCEPTION 'movement %:% is the worker''s', NEW.bet_id, NEW.transaction_type
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_taken BEFORE UPDATE OF state ON movement FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state AND NOT has_column_privilege('movement', 'attempts', 'UPDATE'))
    EXECUTE FUNCTION guard_taken();
"""
# The roles that cause these have no privileges of their own on what the triggers write and lock: a worker must not
# change a casino because it begins the window of a rule, nor an operator a movement because he asks for a cancel.
AS_OWNER = """
CREATE FUNCTION reopen_cancel() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE movement SET state = 'sending', ended_at = NULL, error_code = NULL, awaited_until = NULL,
           refused_attempts = attempts, accept_code = NULL, accept_transaction_id = NULL, accept_balance = NULL,
           accept_at = NULL
    WHERE bet_id = NEW.cashback_id AND transaction_type = -2 AND state = 'absent';
    RETURN NULL;
END $$;
COMMENT ON FUNCTION reopen_cancel IS 'the cancel of a cashback that was not at the casino is asked for again';
CREATE TRIGGER reopen_cancel AFTER UPDATE OF state ON cashback FOR EACH ROW
    WHEN (OLD.state = 'issued' AND NEW.state = 'cancelling') EXECUTE FUNCTION reopen_cancel();
ALTER FUNCTION count_incident() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION guard_cashback_rule_run() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION keep_cashback_rule_versions() SECURITY DEFINER SET search_path = public, pg_temp;
"""


def upgrade() -> None:
    """Add the triggers, each in a transaction of its own: one that locks many tables would be in the way of bets."""
    trigger = "CREATE OR REPLACE TRIGGER guard_truncate BEFORE TRUNCATE ON"
    triggers = (f"{trigger} {table} FOR EACH STATEMENT EXECUTE FUNCTION guard_truncate()" for table in TABLES)
    with op.get_context().autocommit_block():
        connection: Any = op.get_bind().connection.dbapi_connection
        for part in (GUARD, *triggers):
            connection.run_async(lambda driver, script=part: driver.execute(script))
    connection = op.get_bind().connection.dbapi_connection
    for part in (TAKEN, AS_OWNER):
        connection.run_async(lambda driver, script=part: driver.execute(script))
