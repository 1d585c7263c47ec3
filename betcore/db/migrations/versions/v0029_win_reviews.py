"""Wins that wait for two operators, and what a provider's wins come to in an hour."""

from typing import Any

from alembic import op

revision = "0029"
down_revision = "0028"

# The constraint is checked for what is written from now on. No row that is there has the column, and to read them all
# would hold up every bet.
BETS = """
ALTER TABLE bet ADD COLUMN review jsonb;
ALTER TABLE bet ADD CONSTRAINT bet_review_check
    CHECK (review IS NULL OR (review ->> 'state' IN ('in_review', 'released', 'refused') AND review ? 'asked'
                              AND (review ->> 'state' <> 'in_review' OR state = 'acceptance'))) NOT VALID;
COMMENT ON COLUMN bet.review IS 'a win that waits for two operators, or what they have decided of it; usually null';

-- Whether a credit of a bet may begin. While a win is in review nothing may; once it is released, nothing else; once it
-- is refused, anything but that win.
CREATE FUNCTION review_allows(review jsonb, pays_out boolean, asked jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT review IS NULL OR CASE review ->> 'state'
        WHEN 'released' THEN pays_out AND review -> 'asked' = asked
        WHEN 'refused' THEN NOT (pays_out AND review -> 'asked' = asked)
        ELSE false END
$$;

CREATE FUNCTION guard_bet_review() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bet %: what operators have decided of its win stands', OLD.bet_id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
-- A win in review is released or refused. After a refusal another win may be reviewed, while nothing is paid.
CREATE TRIGGER guard_bet_review BEFORE UPDATE ON bet FOR EACH ROW
    WHEN (OLD.review IS NOT NULL AND OLD.review IS DISTINCT FROM NEW.review
          AND (NEW.review IS NULL OR OLD.closed_at IS NOT NULL
               OR NOT (OLD.review ->> 'state' = 'in_review' AND NEW.review ->> 'state' IN ('released', 'refused')
                           AND OLD.review -> 'asked' = NEW.review -> 'asked'
                       OR OLD.review ->> 'state' = 'refused' AND NEW.review ->> 'state' = 'in_review')))
    EXECUTE FUNCTION guard_bet_review();
"""

# A ring of 61 minutes: it never grows, and its rows are added up by the primary key. Each minute has sixteen rows, so
# that wins that are paid at the same moment seldom wait for each other.
PAID = """
CREATE TABLE paid_minute (
    provider_id  bigint NOT NULL REFERENCES provider,
    currency     text NOT NULL,
    slot         smallint NOT NULL,
    shard        smallint NOT NULL,
    minute       timestamptz NOT NULL,
    amount       numeric(38,0) NOT NULL,
    PRIMARY KEY (provider_id, currency, slot, shard)
) WITH (fillfactor = 50);
COMMENT ON TABLE paid_minute IS 'what wins of a provider with a budget have come to in each minute of the last hour';
COMMENT ON COLUMN paid_minute.amount IS 'minor units';
CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON paid_minute FOR EACH STATEMENT EXECUTE FUNCTION guard_truncate();
"""


def upgrade() -> None:
    """Add the column, what keeps it, and the table."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (BETS, PAID):
        connection.run_async(lambda driver, script=part: driver.execute(script))
