"""The roles of the database: what each process may do with each table, and how ``betcore migrate`` grants it.

The owner's role owns the tables, and migrates. No other role truncates or alters a table. The API deletes rows of three
tables whose rows expire, and the archive's role events that are in a file, which a trigger checks.
docs/database-roles.md explains the grants.

The roles are made by whoever administers the server (``deploy/postgres/sql/roles.sql``): a role that may make roles is
nearly a superuser.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

Role = Literal["api", "worker", "feed", "ops", "read", "archive"]
ROLES: tuple[Role, ...] = get_args(Role)

# What the database calls a role; the owner has a name of this kind too.
PREFIX = "betcore_"

# All of a partner but its secrets, and of a signing key but its private part.
_PROVIDER = (
    "provider_id, counterparty_id, name, base_url, profile, previous_until, created_at, disabled_at, suspended_at"
)
_CASINO = (
    "casino_id, partner_client_id, name, api_host, profile, previous_until, created_at, disabled_at, token_generation"
)
_KEY = "kid, created_at, retired_at, revoked_at"
# A tombstone: the row of a bet that never came. It has no owner, stake or win.
_TOMBSTONE = (
    "provider_id, provider_bet_id, casino_id, player_id, game_id, session_id, currency, brand, state, refusal, "
    "withdrawn_at, closed_at"
)
# What a casino's Accept says, and the end of a debit whose bet had ended without it. A trigger, guard_taken, lets the
# API end no other movement.
_ACCEPT = "accept_code, accept_transaction_id, accept_balance, accept_at, error_code"
_TAKEN = "state, ended_at, partner_transaction_id"
# The order to take a cashback back, by which its next workflow begins.
_CANCEL = "cancel_asked_at, cancel_reason, closed_at, state, owner"

# When a file was written down, the database says by itself: events leave in a later transaction alone.
_ARCHIVE = "name, sha256, size, bets, events, first_bet_id, last_bet_id"

_EVENTS = "bet_event incident"
_CATALOGUE = "game game_limit casino_limit"
_MONEY = (
    "bet movement reversal bet_event early_pay_out incident incident_count cashback cashback_proposal "
    "cashback_rule_version cashback_rule_run jackpot jackpot_entry jackpot_stake jackpot_proposal"
)
_ARCHIVES = "archive archived_bet"
_ROUNDS = "live_game live_round live_proposal live_event"
_PROGRESS = "casino_health catalogue_sync reconciliation finding sweep_cursor paid_minute"

# For each role: privileges, as they stand in GRANT, and the tables on which it has them. It has none that is not here.
GRANTS: Mapping[Role, Mapping[str, str]] = {
    "api": {
        "SELECT": f"provider casino signing_key {_CATALOGUE} cashback jackpot jackpot_stake live_game live_round "
        "casino_health incident_count",
        "SELECT, INSERT, UPDATE, DELETE": "request_id frame_session player_authentication",
        "SELECT, INSERT, UPDATE": "session launch shown_balance",
        "SELECT, INSERT, UPDATE (partner_user_id)": "player",
        f"SELECT, INSERT ({_TOMBSTONE}), UPDATE (told_at)": "bet",
        f"SELECT, UPDATE ({_ACCEPT}, {_TAKEN})": "movement",
        "SELECT, INSERT (bet_id)": "reversal",
        "SELECT, INSERT, UPDATE (provider_bet_id)": "early_pay_out",
        "SELECT, INSERT": _EVENTS,
        "SELECT, UPDATE (etag)": "catalogue_sync",
        "SELECT, UPDATE (found, taken_at)": "metric_snapshot",
    },
    "worker": {
        "SELECT": "provider casino signing_key game_limit casino_limit player incident_count cashback_rule_version",
        "SELECT, INSERT, UPDATE": f"bet movement reversal cashback cashback_rule_run jackpot jackpot_stake game "
        f"live_round live_proposal {_PROGRESS}",
        "SELECT, INSERT": f"{_EVENTS} jackpot_entry live_event",
        "SELECT, UPDATE (seen_at)": "session",
        # PostgreSQL lets a role lock a row if it may update a column of it. A trigger keeps this one as it is.
        "SELECT, UPDATE (created_at)": "live_game",
    },
    "feed": {
        "SELECT": "casino signing_key jackpot game live_game live_round",
        f"SELECT ({_PROVIDER})": "provider",
    },
    "ops": {
        "SELECT": "reversal launch request_id shown_balance early_pay_out incident_count jackpot_stake live_round "
        "live_proposal cashback_rule_version casino_health reconciliation finding sweep_cursor bet movement "
        f"admin_event paid_minute live_event {_ARCHIVES}",
        "SELECT, INSERT, UPDATE": f"provider casino signing_key {_CATALOGUE} player session cashback_proposal "
        "cashback_rule_run jackpot jackpot_proposal live_game catalogue_sync",
        "SELECT, INSERT": f"{_EVENTS} jackpot_entry",
        f"SELECT, INSERT, UPDATE ({_CANCEL})": "cashback",
    },
    "read": {
        "SELECT": f"admin_event metric_snapshot player session {_CATALOGUE} {_MONEY} {_ROUNDS} {_PROGRESS} {_ARCHIVES}",
        f"SELECT ({_PROVIDER})": "provider",
        f"SELECT ({_CASINO})": "casino",
        f"SELECT ({_KEY})": "signing_key",
    },
    "archive": {
        "SELECT": "bet cashback movement reversal incident",
        "SELECT, DELETE": "bet_event",
        f"SELECT, INSERT ({_ARCHIVE}), UPDATE (emptied_at)": "archive",
        "SELECT, INSERT": "archived_bet",
    },
}
# Sequences that a role counts on by itself: those of BetIds, and of the numbers of casinos.
NUMBERS: Mapping[Role, str] = {
    "api": "bet_number",
    "worker": "bet_number",
    "ops": "bet_number casino_partner_client_id_seq",
}


def statements(role: Role) -> Iterator[str]:
    """Yield the statements that leave a role with its privileges and no others, whatever it had."""
    to = f"{PREFIX}{role}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {to}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {to}"
    yield f"GRANT USAGE ON SCHEMA public TO {to}"
    for privileges, tables in GRANTS[role].items():
        yield f"GRANT {privileges} ON {', '.join(tables.split())} TO {to}"
    if role in NUMBERS:
        yield f"GRANT USAGE ON SEQUENCE {', '.join(NUMBERS[role].split())} TO {to}"
