"""Jackpots: what a bet wins beside its winnings, and the pools of this service with their journals."""

from typing import Any

from alembic import op

revision = "0020"
down_revision = "0019"

POOLS = """
CREATE TABLE jackpot (
    jackpot_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    casino_id    bigint NOT NULL REFERENCES casino,
    provider_id  bigint NOT NULL REFERENCES provider,
    name         text NOT NULL,
    currency     text NOT NULL,
    game_id      bigint REFERENCES game,
    category     text,
    share        numeric NOT NULL CHECK (share > 0 AND share < 1),
    seed         numeric(38,0) NOT NULL CHECK (seed >= 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    disabled_at  timestamptz,
    entries      bigint NOT NULL DEFAULT 0,
    amount       numeric(38,0) NOT NULL DEFAULT 0,
    stakes       numeric(38,0) NOT NULL DEFAULT 0,
    contributed  numeric(38,0) NOT NULL DEFAULT 0,
    changed_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (casino_id, name),
    CHECK (num_nonnulls(game_id, category) = 1)
);
COMMENT ON TABLE jackpot IS 'pools; entries, amount, stakes and contributed are those of the newest entry';
COMMENT ON COLUMN jackpot.share IS 'of each stake of the game, or of the games of the category';
COMMENT ON COLUMN jackpot.stakes IS 'minor units: all stakes that are booked';
COMMENT ON COLUMN jackpot.contributed IS 'floor(share x stakes): what all contributions add up to';

CREATE TABLE jackpot_entry (
    jackpot_id   bigint NOT NULL REFERENCES jackpot,
    number       bigint NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('seed', 'contribution', 'win', 'adjustment')),
    amount       numeric(38,0) NOT NULL,
    balance      numeric(38,0) NOT NULL,
    stakes       numeric(38,0) NOT NULL,
    bet_id       bigint REFERENCES bet,
    reason       text,
    operators    text[],
    at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (jackpot_id, number),
    CHECK ((kind = 'win') = (bet_id IS NOT NULL)),
    CHECK ((kind = 'adjustment') = (reason IS NOT NULL AND cardinality(operators) = 2))
);
CREATE UNIQUE INDEX jackpot_entry_win ON jackpot_entry (bet_id) WHERE bet_id IS NOT NULL;
COMMENT ON TABLE jackpot_entry IS 'the journal of each pool, whose amounts add up to it';
COMMENT ON COLUMN jackpot_entry.balance IS 'the pool after the entry';
COMMENT ON COLUMN jackpot_entry.stakes IS 'all stakes booked up to the entry';

-- No foreign keys: they would lock the pool's row, which all bets of its games share, for each of them. Neither pools
-- nor bets are ever deleted, and the statement that inserts a row reads both.
CREATE TABLE jackpot_stake (
    bet_id      bigint NOT NULL,
    jackpot_id  bigint NOT NULL,
    reversed    boolean NOT NULL,
    amount      numeric(38,0) NOT NULL,
    entry       bigint,
    PRIMARY KEY (bet_id, jackpot_id, reversed),
    CHECK (CASE WHEN reversed THEN amount < 0 ELSE amount > 0 END)
);
CREATE INDEX jackpot_stake_unbooked ON jackpot_stake (jackpot_id) WHERE entry IS NULL;
COMMENT ON TABLE jackpot_stake IS 'stakes that contribute, from the statements that settle and reverse bets';
COMMENT ON COLUMN jackpot_stake.entry IS 'number of the contribution that has booked it; null: still to be booked';

CREATE TABLE jackpot_proposal (
    jackpot_id  bigint PRIMARY KEY REFERENCES jackpot,
    amount      numeric(38,0) NOT NULL,
    reason      text NOT NULL,
    operator    text NOT NULL,
    until       timestamptz NOT NULL
);
COMMENT ON TABLE jackpot_proposal IS 'the adjustment that a first operator has proposed';
"""

# Added without a look at the rows that are there, whose columns are null.
BETS = """
ALTER TABLE bet
    ADD COLUMN jackpot numeric(38,0),
    ADD COLUMN jackpot_id bigint,
    ADD COLUMN win_paid_at timestamptz;
ALTER TABLE bet
    ADD CONSTRAINT bet_jackpot_id_fkey FOREIGN KEY (jackpot_id) REFERENCES jackpot NOT VALID,
    ADD CONSTRAINT bet_jackpot_check CHECK (jackpot >= 0 AND (jackpot IS NULL OR win IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT bet_pool_check
        CHECK (jackpot_id IS NULL OR jackpot IS NOT NULL OR state NOT IN ('settling', 'settled')) NOT VALID;
COMMENT ON COLUMN bet.jackpot IS 'minor units, beside the win; null: none, or its pool was not taken yet';
COMMENT ON COLUMN bet.jackpot_id IS 'the pool that it wins; null: none, or the jackpot is the provider''s own';
COMMENT ON COLUMN bet.win_paid_at IS 'since when the win is paid and the jackpot is still to be';
"""

GUARDS = """
CREATE FUNCTION guard_bet_jackpot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'bet %: its jackpot stands', OLD.bet_id USING ERRCODE = 'integrity_constraint_violation';
END $$;
-- A bet of one step has its win, and names its pool, before the pool is taken.
CREATE TRIGGER guard_bet_jackpot BEFORE UPDATE ON bet FOR EACH ROW
    WHEN ((OLD.jackpot, OLD.jackpot_id, OLD.win_paid_at) IS DISTINCT FROM
          (NEW.jackpot, NEW.jackpot_id, NEW.win_paid_at)
          AND (OLD.closed_at IS NOT NULL
               OR (OLD.jackpot IS NOT NULL AND NEW.jackpot IS DISTINCT FROM OLD.jackpot)
               OR (OLD.win_paid_at IS NOT NULL AND NEW.win_paid_at IS DISTINCT FROM OLD.win_paid_at)
               OR (OLD.win IS NOT NULL AND NEW.jackpot_id IS DISTINCT FROM OLD.jackpot_id)
               OR (OLD.win IS NOT NULL AND OLD.jackpot_id IS NULL AND NEW.jackpot IS DISTINCT FROM OLD.jackpot)))
    EXECUTE FUNCTION guard_bet_jackpot();

CREATE FUNCTION guard_jackpot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a pool is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.jackpot_id, OLD.casino_id, OLD.provider_id, OLD.name, OLD.currency, OLD.game_id, OLD.category, OLD.share,
        OLD.seed, OLD.created_at)
       IS DISTINCT FROM
       (NEW.jackpot_id, NEW.casino_id, NEW.provider_id, NEW.name, NEW.currency, NEW.game_id, NEW.category, NEW.share,
        NEW.seed, NEW.created_at)
       OR (OLD.disabled_at IS NOT NULL AND NEW.disabled_at IS DISTINCT FROM OLD.disabled_at)
       OR NEW.entries < OLD.entries THEN
        RAISE EXCEPTION 'pool %: what it is stands', OLD.jackpot_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_jackpot BEFORE UPDATE OR DELETE ON jackpot FOR EACH ROW EXECUTE FUNCTION guard_jackpot();

CREATE FUNCTION guard_jackpot_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what is booked stands' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_jackpot_entry BEFORE UPDATE OR DELETE ON jackpot_entry
    FOR EACH ROW EXECUTE FUNCTION guard_jackpot_entry();

CREATE FUNCTION guard_jackpot_stake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.entry IS NOT NULL
       OR (OLD.bet_id, OLD.jackpot_id, OLD.reversed, OLD.amount)
          IS DISTINCT FROM (NEW.bet_id, NEW.jackpot_id, NEW.reversed, NEW.amount) THEN
        RAISE EXCEPTION 'a stake is booked once' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_jackpot_stake BEFORE UPDATE OR DELETE ON jackpot_stake
    FOR EACH ROW EXECUTE FUNCTION guard_jackpot_stake();
"""


def upgrade() -> None:
    """Add pools, what bets win of them, and what keeps both."""
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (POOLS, BETS, GUARDS):
        connection.run_async(lambda driver, script=part: driver.execute(script))
