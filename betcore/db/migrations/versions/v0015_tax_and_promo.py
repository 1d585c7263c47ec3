"""What a provider sends with a bet for casinos that ask for it: tax and promo code."""

from typing import Any

from alembic import op

revision = "0015"
down_revision = "0014"

COLUMNS = """
ALTER TABLE bet
    ADD COLUMN stake_tax numeric(38,0) CHECK (stake_tax >= 0),
    ADD COLUMN win_tax numeric(38,0) CHECK (win_tax >= 0),
    ADD COLUMN promo_code text;
COMMENT ON COLUMN bet.stake_tax IS 'in minor units; null: its casino asked for none when the stake came';
COMMENT ON COLUMN bet.win_tax IS 'in minor units; null: its casino asked for none when the winnings came';
COMMENT ON COLUMN bet.promo_code IS 'empty: its provider gave none; null: its casino asked for none';
"""

# They are part of what the casino gets under the identity of a movement.
GUARD = """
CREATE FUNCTION guard_bet_tax_and_promo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bet %: tax and promo code stand', OLD.bet_id USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_bet_tax_and_promo BEFORE UPDATE ON bet FOR EACH ROW
    WHEN ((OLD.stake_tax, OLD.promo_code) IS DISTINCT FROM (NEW.stake_tax, NEW.promo_code)
          OR (OLD.win IS NOT NULL AND OLD.win_tax IS DISTINCT FROM NEW.win_tax))
    EXECUTE FUNCTION guard_bet_tax_and_promo();
"""


def upgrade() -> None:
    """Add the columns, empty, and the trigger that keeps them."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (COLUMNS, GUARD):
        connection.run_async(lambda driver, script=part: driver.execute(script))
