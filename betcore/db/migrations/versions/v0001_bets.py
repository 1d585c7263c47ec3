"""Partners, the catalogue, bets and what happened to them.

Money is numeric(38,0): whole minor units; crypto currencies with 18 decimals do not fit a bigint.
"""

from typing import Any

from alembic import op

revision = "0001"
down_revision = None

PARTNERS = """
CREATE TABLE provider (
    provider_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    counterparty_id  uuid NOT NULL UNIQUE,
    name             text NOT NULL UNIQUE,
    base_url         text NOT NULL,
    profile          jsonb NOT NULL,
    secret           text NOT NULL,
    previous_secret  text,
    previous_until   timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    disabled_at      timestamptz,
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

CREATE TABLE casino (
    casino_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partner_client_id  bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    name               text NOT NULL UNIQUE,
    api_host           text NOT NULL,
    profile            jsonb NOT NULL,
    secret             text NOT NULL,
    previous_secret    text,
    previous_until     timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    disabled_at        timestamptz,
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

CREATE TABLE game (
    game_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id       bigint NOT NULL REFERENCES provider,
    provider_game_id  text NOT NULL,
    name              text NOT NULL,
    min_bet           numeric,
    max_bet           numeric,
    created_at        timestamptz NOT NULL DEFAULT now(),
    disabled_at       timestamptz,
    UNIQUE (provider_id, provider_game_id),
    CHECK (min_bet >= 0 AND max_bet >= 0 AND (min_bet IS NULL OR max_bet IS NULL OR min_bet <= max_bet))
);
COMMENT ON COLUMN game.min_bet IS 'major units of whatever currency the session has';

CREATE TABLE player (
    player_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    player_ref       uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    casino_id        bigint NOT NULL REFERENCES casino,
    partner_user_id  text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    blocked_at       timestamptz,
    UNIQUE (casino_id, partner_user_id)
);
COMMENT ON COLUMN player.player_ref IS 'what providers and the Temporal UI see instead of the casino''s PartnerUserId';

CREATE TABLE session (
    session_id   text PRIMARY KEY,
    provider_id  bigint NOT NULL REFERENCES provider,
    player_id    bigint NOT NULL REFERENCES player,
    game_id      bigint NOT NULL REFERENCES game,
    currency     text NOT NULL,
    mode         text NOT NULL DEFAULT 'real' CHECK (mode IN ('real', 'demo')),
    opened_at    timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz
);

CREATE TABLE signing_key (
    kid         text PRIMARY KEY,
    private_pem text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    retired_at  timestamptz
);
COMMENT ON TABLE signing_key IS 'RS256 keys for casinos; private_pem is encrypted; a retired key stays in the JWKS';

-- Unlogged: a crash of PostgreSQL empties it, and the freshness window limits what that can let through.
CREATE UNLOGGED TABLE request_id (
    provider_id bigint NOT NULL,
    request_id  text NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, request_id)
);
CREATE INDEX request_id_seen_at ON request_id (seen_at);
"""

BETS = """
CREATE TABLE bet (
    bet_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_id      bigint NOT NULL REFERENCES provider,
    provider_bet_id  text NOT NULL,
    casino_id        bigint NOT NULL REFERENCES casino,
    player_id        bigint NOT NULL REFERENCES player,
    game_id          bigint NOT NULL REFERENCES game,
    session_id       text NOT NULL,
    round_id         text,
    currency         text NOT NULL,
    stake            numeric(38,0) CHECK (stake >= 0),
    win              numeric(38,0) CHECK (win >= 0),
    state            text NOT NULL CHECK (state IN
                     ('accepting', 'acceptance', 'settling', 'settled', 'refunding', 'refunded', 'refused')),
    refusal          text,
    owner            text,
    opened_at        timestamptz NOT NULL DEFAULT now(),
    accepted_at      timestamptz,
    accepted_balance numeric(38,0),
    told_at          timestamptz,
    withdrawn_at     timestamptz,
    closed_at        timestamptz,
    closed_balance   numeric(38,0),
    UNIQUE (provider_id, provider_bet_id),
    CHECK ((state = 'refused') = (refusal IS NOT NULL)),
    CHECK ((state IN ('settled', 'refunded', 'refused')) = (closed_at IS NOT NULL)),
    CHECK (state <> 'settled' OR win IS NOT NULL)
);
CREATE INDEX bet_open ON bet (opened_at) WHERE closed_at IS NULL;
CREATE INDEX bet_player ON bet (player_id, bet_id DESC);
COMMENT ON COLUMN bet.owner IS 'first execution run id of the workflow that may move this bet''s money';
COMMENT ON COLUMN bet.stake IS 'minor units; null on a tombstone, whose bet never came';

CREATE TABLE movement (
    bet_id                  bigint NOT NULL REFERENCES bet,
    transaction_type        smallint NOT NULL CHECK (transaction_type IN (-2, -1, 1, 2, 4)),
    amount                  numeric(38,0) NOT NULL CHECK (amount >= 0),
    state                   text NOT NULL CHECK (state IN ('sending', 'done', 'absent', 'refused', 'parked')),
    attempts                integer NOT NULL CHECK (attempts > 0),
    not_after               timestamptz,
    error_code              text,
    partner_transaction_id  text,
    first_sent_at           timestamptz NOT NULL DEFAULT now(),
    ended_at                timestamptz,
    PRIMARY KEY (bet_id, transaction_type)
);
COMMENT ON COLUMN movement.attempts IS 'sends that may have left this house; counted before each of them';
COMMENT ON COLUMN movement.not_after IS 'last moment of a debit: no token for it is valid later; null for a credit';

CREATE TABLE bet_event (
    event_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bet_id    bigint NOT NULL REFERENCES bet,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind      text NOT NULL,
    data      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX bet_event_bet ON bet_event (bet_id, event_id);

CREATE TABLE early_pay_out (
    provider_id      bigint NOT NULL REFERENCES provider,
    provider_bet_id  text NOT NULL,
    first_seen_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider_id, provider_bet_id)
);
COMMENT ON TABLE early_pay_out IS 'PayOuts for bets nobody has seen: how long each has been asking';

CREATE TABLE incident (
    incident_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bet_id       bigint REFERENCES bet,
    kind         text NOT NULL,
    ours         jsonb NOT NULL,
    theirs       jsonb NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX incident_bet ON incident (bet_id);
"""

GUARDS = """
CREATE FUNCTION guard_bet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a bet is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.bet_id, OLD.provider_id, OLD.provider_bet_id, OLD.casino_id, OLD.player_id, OLD.game_id, OLD.session_id,
        OLD.round_id, OLD.currency, OLD.stake, OLD.opened_at)
       IS DISTINCT FROM
       (NEW.bet_id, NEW.provider_id, NEW.provider_bet_id, NEW.casino_id, NEW.player_id, NEW.game_id, NEW.session_id,
        NEW.round_id, NEW.currency, NEW.stake, NEW.opened_at) THEN
        RAISE EXCEPTION 'bet %: identity and stake stand', OLD.bet_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.win IS NOT NULL AND NEW.win IS DISTINCT FROM OLD.win)
       OR (OLD.accepted_at IS NOT NULL AND NEW.accepted_at IS DISTINCT FROM OLD.accepted_at)
       OR (OLD.told_at IS NOT NULL AND NEW.told_at IS DISTINCT FROM OLD.told_at)
       OR (OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at) THEN
        RAISE EXCEPTION 'bet %: what was decided stands', OLD.bet_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.closed_at IS NOT NULL
       AND (NEW.state, NEW.refusal, NEW.win, NEW.closed_at)
           IS DISTINCT FROM (OLD.state, OLD.refusal, OLD.win, OLD.closed_at) THEN
        RAISE EXCEPTION 'bet %: % is terminal', OLD.bet_id, OLD.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_bet BEFORE UPDATE OR DELETE ON bet FOR EACH ROW EXECUTE FUNCTION guard_bet();

CREATE FUNCTION guard_movement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a movement is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.bet_id, OLD.transaction_type, OLD.amount, OLD.first_sent_at, OLD.not_after)
       IS DISTINCT FROM (NEW.bet_id, NEW.transaction_type, NEW.amount, NEW.first_sent_at, NEW.not_after)
       OR NEW.attempts < OLD.attempts THEN
        RAISE EXCEPTION 'movement %:%: identity, amount and count stand', OLD.bet_id, OLD.transaction_type
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state = 'done' AND (NEW.state, NEW.attempts) IS DISTINCT FROM (OLD.state, OLD.attempts) THEN
        RAISE EXCEPTION 'movement %:% is done', OLD.bet_id, OLD.transaction_type
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER guard_movement BEFORE UPDATE OR DELETE ON movement FOR EACH ROW EXECUTE FUNCTION guard_movement();

CREATE FUNCTION guard_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what happened stands' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER guard_event BEFORE UPDATE OR DELETE ON bet_event FOR EACH ROW EXECUTE FUNCTION guard_event();
"""


def upgrade() -> None:
    """Create everything."""
    # Straight to the driver: SQLAlchemy prepares what it executes, and a prepared statement is one statement.
    connection: Any = op.get_bind().connection.dbapi_connection
    for part in (PARTNERS, BETS, GUARDS):
        connection.run_async(lambda driver, script=part: driver.execute(script))
