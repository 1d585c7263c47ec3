"""Limits of stakes for each currency, of games, casinos and sessions; and the casino's site that a session is of."""

from typing import Any

from alembic import op

revision = "0010"
down_revision = "0009"

# A number without a currency was 500 EUR and 500 JPY. It is copied for each currency in which its game was played, so
# that sessions that are open keep their limits. It says nothing of other currencies: the columns of ``game`` stay as
# they were, and a game that has such a number is played in currencies of ``game_limit`` alone.
TABLES = """
CREATE TABLE game_limit (
    game_id   bigint NOT NULL REFERENCES game,
    currency  text NOT NULL,
    min_bet   numeric,
    max_bet   numeric,
    PRIMARY KEY (game_id, currency),
    CHECK (min_bet >= 0 AND max_bet >= 0 AND (min_bet IS NULL OR max_bet IS NULL OR min_bet <= max_bet))
);
COMMENT ON TABLE game_limit IS
    'least and greatest stake, in major units of the currency; a game that has any is played in these currencies alone';

CREATE TABLE casino_limit (
    casino_id  bigint NOT NULL REFERENCES casino,
    currency   text NOT NULL,
    min_bet    numeric,
    max_bet    numeric,
    PRIMARY KEY (casino_id, currency),
    CHECK (min_bet >= 0 AND max_bet >= 0 AND (min_bet IS NULL OR max_bet IS NULL OR min_bet <= max_bet))
);
COMMENT ON TABLE casino_limit IS 'least and greatest stake of a casino''s players in every game, in major units';

INSERT INTO game_limit (game_id, currency, min_bet, max_bet)
SELECT DISTINCT game_id, currency, min_bet, max_bet FROM game JOIN session USING (game_id)
WHERE min_bet IS NOT NULL OR max_bet IS NOT NULL;
COMMENT ON COLUMN game.min_bet IS 'of the first schema, without a currency; game_limit holds';
COMMENT ON COLUMN game.max_bet IS 'of the first schema, without a currency; game_limit holds';

ALTER TABLE session
    ADD COLUMN brand text,
    ADD COLUMN min_bet numeric,
    ADD COLUMN max_bet numeric,
    ADD CHECK (min_bet >= 0 AND max_bet >= 0 AND (min_bet IS NULL OR max_bet IS NULL OR min_bet <= max_bet));
COMMENT ON COLUMN session.brand IS 'the casino''s site on which the player plays';
COMMENT ON COLUMN session.min_bet IS 'major units; of the limits of session, game and casino the strictest holds';

ALTER TABLE bet ADD COLUMN brand text;
COMMENT ON COLUMN bet.brand IS 'of its session, when the bet was opened';
"""

GUARD = """
CREATE FUNCTION guard_bet_brand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bet %: its brand stands', OLD.bet_id USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_bet_brand BEFORE UPDATE ON bet FOR EACH ROW
    WHEN (OLD.brand IS DISTINCT FROM NEW.brand) EXECUTE FUNCTION guard_bet_brand();
"""


def upgrade() -> None:
    """Add what is new; older sessions and bets have no brand."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (TABLES, GUARD):
        connection.run_async(lambda driver, script=part: driver.execute(script))
