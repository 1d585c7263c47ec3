"""The statements by which ``betcore.verify`` sees whether the database still guards its rows."""

from dataclasses import dataclass

from betcore.db.statement import Statement


@dataclass(frozen=True, slots=True)
class LackingRow:
    """A guard that the database lacks."""

    lacking: str


@dataclass(frozen=True, slots=True)
class TwiceRow:
    """A bet that is there twice."""

    bet_id: int
    provider: str | None
    provider_bet_id: str


# What keeps identities apart and decided things as they are. A trigger that is switched off guards nothing. Each is
# counted, and not looked for by NOT EXISTS: PostgreSQL would turn that into a join, and read the columns of every index
# of the catalogue.
GUARDS = Statement(
    LackingRow,
    """
SELECT 'unique key ' || k.relation || ' (' || k.columns || ')' AS lacking
FROM (VALUES ('movement', 'bet_id,transaction_type'), ('bet', 'provider_id,provider_bet_id'), ('bet', 'bet_id'),
             ('reversal', 'bet_id'), ('jackpot_entry', 'jackpot_id,number'),
             ('jackpot_stake', 'bet_id,jackpot_id,reversed'), ('cashback', 'casino_id,key'),
             ('cashback', 'cashback_id'), ('jackpot', 'jackpot_id'), ('jackpot', 'casino_id,name'),
             ('cashback_rule_run', 'casino_id,name,period_to')) AS k (relation, columns)
WHERE 0 = (
    SELECT count(*) FROM pg_index
    WHERE indrelid = to_regclass(k.relation) AND indisunique AND indisvalid AND indpred IS NULL
      AND k.columns = (
          SELECT string_agg(pg_get_indexdef(indexrelid, place, false), ',' ORDER BY place)
          FROM generate_series(1, CAST(indnkeyatts AS integer)) AS place)
)
UNION ALL
SELECT 'trigger ' || g.name || ' of ' || g.relation
FROM (VALUES ('bet', 'guard_bet'), ('movement', 'guard_movement'), ('movement', 'guard_paid_by_hand'),
             ('reversal', 'guard_reversal'), ('bet_event', 'guard_event'), ('incident', 'guard_incident'),
             ('bet_event', 'guard_archived'), ('archive', 'guard_archive'), ('archived_bet', 'guard_archived_bet'),
             ('archived_bet', 'guard_subject'), ('archive', 'record_admin_event'),
             ('movement', 'guard_subject'), ('bet_event', 'guard_subject'), ('incident', 'guard_subject'),
             ('finding', 'guard_subject'), ('movement', 'guard_taken'),
             ('bet', 'guard_bet_brand'), ('bet', 'guard_bet_tax_and_promo'), ('bet', 'guard_bet_jackpot'),
             ('bet', 'guard_bet_review'), ('bet', 'guard_bet_win_limits'),
             ('jackpot', 'guard_jackpot'), ('jackpot_entry', 'guard_jackpot_entry'),
             ('jackpot_stake', 'guard_jackpot_stake'), ('cashback', 'guard_cashback'), ('cashback', 'reopen_cancel'),
             ('live_game', 'guard_live_game'), ('live_round', 'guard_live_round'), ('live_event', 'guard_live_event'),
             ('casino', 'keep_cashback_rule_versions'), ('cashback_rule_version', 'guard_cashback_rule_version'),
             ('cashback_rule_run', 'guard_cashback_rule_run'), ('reversal', 'name_player_of_reversal'),
             ('admin_event', 'guard_admin_event'), ('admin_event', 'guard_admin_event_whole'),
             ('provider', 'record_admin_event'), ('casino', 'record_admin_event'), ('game', 'record_admin_event'),
             ('game', 'record_admin_event_of_change'), ('game_limit', 'record_admin_event'),
             ('casino_limit', 'record_admin_event'), ('signing_key', 'record_admin_event'),
             ('player', 'record_admin_event'), ('session', 'record_admin_event'),
             ('jackpot', 'record_admin_event'), ('jackpot', 'record_admin_event_of_change'),
             ('jackpot_entry', 'record_admin_event'), ('live_game', 'record_admin_event'),
             ('live_game', 'record_admin_event_of_change'),
             ('bet', 'guard_truncate'), ('movement', 'guard_truncate'), ('reversal', 'guard_truncate'),
             ('bet_event', 'guard_truncate'), ('early_pay_out', 'guard_truncate'), ('incident', 'guard_truncate'),
             ('incident_count', 'guard_truncate'), ('cashback', 'guard_truncate'),
             ('cashback_rule_version', 'guard_truncate'), ('cashback_rule_run', 'guard_truncate'),
             ('jackpot', 'guard_truncate'), ('jackpot_entry', 'guard_truncate'), ('jackpot_stake', 'guard_truncate'),
             ('live_game', 'guard_truncate'), ('live_round', 'guard_truncate'), ('reconciliation', 'guard_truncate'),
             ('finding', 'guard_truncate'), ('provider', 'guard_truncate'), ('casino', 'guard_truncate'),
             ('game', 'guard_truncate'), ('player', 'guard_truncate'), ('session', 'guard_truncate'),
             ('signing_key', 'guard_truncate'), ('paid_minute', 'guard_truncate'),
             ('live_event', 'guard_truncate'), ('archive', 'guard_truncate'), ('archived_bet', 'guard_truncate'))
     AS g (relation, name)
WHERE 0 = (
    SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass(relation) AND tgname = name AND tgenabled IN ('O', 'A')
)
""",
)
# Without that key a bet may be there twice; with it none can.
BETS_TWICE = Statement(
    TwiceRow,
    """
SELECT max(bet_id) AS bet_id, provider.name AS provider, provider_bet_id
FROM bet LEFT JOIN provider USING (provider_id)
GROUP BY provider_id, provider.name, provider_bet_id HAVING count(*) > 1 LIMIT 1000
""",
)
