-- The casino's wallet: a double-entry journal. Every statement may run again on a database that has it already.
CREATE SCHEMA IF NOT EXISTS sandbox_casino;

-- Switches and standing faults of one casino, so that a restart does not heal it by accident.
CREATE TABLE IF NOT EXISTS sandbox_casino.casino (
    client_id bigint PRIMARY KEY,
    switches  jsonb NOT NULL DEFAULT '{}',
    seed      bigint NOT NULL DEFAULT 0,
    faults    jsonb NOT NULL DEFAULT '[]'
);

-- What it needs to call the aggregator: its secret there, and the address where that is not the process's own.
ALTER TABLE sandbox_casino.casino
    ADD COLUMN IF NOT EXISTS secret text, ADD COLUMN IF NOT EXISTS aggregator_url text;

-- balance is a cache: the truth is the sum of the player's postings, and the audit proves the two equal.
CREATE TABLE IF NOT EXISTS sandbox_casino.player (
    client_id              bigint NOT NULL,
    partner_user_id        text NOT NULL,
    currency               text NOT NULL,
    decimals               smallint NOT NULL CHECK (decimals BETWEEN 0 AND 18),
    blocked                boolean NOT NULL DEFAULT false,
    balance                numeric NOT NULL DEFAULT 0 CHECK (balance >= 0),
    refresh_token          text NOT NULL,
    previous_refresh_token text,
    PRIMARY KEY (client_id, partner_user_id)
);

-- What a bet is beyond its movements; a bet that is neither closed nor void needs no row.
-- void is the tombstone: a return came before the stake, so the stake is refused for ever.
CREATE TABLE IF NOT EXISTS sandbox_casino.bet (
    client_id bigint NOT NULL,
    bet_id    bigint NOT NULL,
    closed    boolean NOT NULL DEFAULT false,
    void      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (client_id, bet_id)
);

-- One movement. amount is as the caller sent it, without sign: the type says the direction. An entry without a bet
-- sets a player's opening balance; its amount is the signed change.
-- repetition is 0 unless the casino's idempotency is switched off: the unique key is what makes a repeat harmless.
CREATE TABLE IF NOT EXISTS sandbox_casino.entry (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id        bigint NOT NULL,
    partner_user_id  text NOT NULL,
    bet_id           bigint,
    transaction_type smallint CHECK (transaction_type IN (-2, -1, 1, 2, 4)),
    repetition       integer NOT NULL DEFAULT 0,
    transaction_id   text,
    amount           numeric NOT NULL,
    balance_after    numeric NOT NULL,
    at               timestamptz NOT NULL DEFAULT now(),
    CHECK ((bet_id IS NULL) = (transaction_type IS NULL)),
    CHECK (bet_id IS NULL OR amount >= 0),
    FOREIGN KEY (client_id, partner_user_id) REFERENCES sandbox_casino.player,
    UNIQUE (client_id, bet_id, transaction_type, repetition)
);

-- What came with the movement, as it was sent.
ALTER TABLE sandbox_casino.entry
    ADD COLUMN IF NOT EXISTS tax numeric, ADD COLUMN IF NOT EXISTS promo_code text,
    ADD COLUMN IF NOT EXISTS tag_id bigint;

-- bet_id is the number of a cashback: the aggregator takes the numbers of bets and of cashbacks from one sequence.
ALTER TABLE sandbox_casino.entry ADD COLUMN IF NOT EXISTS cashback boolean NOT NULL DEFAULT false;

-- The two sides of an entry; they add up to nothing.
CREATE TABLE IF NOT EXISTS sandbox_casino.posting (
    entry_id bigint NOT NULL REFERENCES sandbox_casino.entry,
    account  text NOT NULL,
    amount   numeric NOT NULL,
    PRIMARY KEY (entry_id, account)
);

CREATE OR REPLACE FUNCTION sandbox_casino.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is only ever added to';
END
$$;

CREATE OR REPLACE TRIGGER entry_is_permanent BEFORE UPDATE OR DELETE ON sandbox_casino.entry
    FOR EACH ROW EXECUTE FUNCTION sandbox_casino.refuse_change();

CREATE OR REPLACE TRIGGER posting_is_permanent BEFORE UPDATE OR DELETE ON sandbox_casino.posting
    FOR EACH ROW EXECUTE FUNCTION sandbox_casino.refuse_change();
