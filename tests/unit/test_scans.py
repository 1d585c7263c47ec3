"""No statement of the service reads more because more bets were settled: at 200,000 bets its buffers are counted.

A new statement is checked without being named here: give its parameters values with which it does its work.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import asyncpg
import pytest

from betcore.db.statements.__main__ import statements
from tests.unit import many_bets
from tests.unit.many_bets import ACCEPTANCE, ACCEPTING, LARGE, REVERSING, SETTLED, SETTLING

Plan = Mapping[str, Any]

STATEMENTS = statements()
# Pages of 8 KiB that a statement may touch for itself and for each row that it returns: look-ups by an index, and the
# rows that it writes.
BUFFERS, FOR_A_ROW = 100, 20
# Rows that one step of a plan may read and throw away.
DROPPED = 100
# What reads much by its nature, how many buffers here, and why that does no harm.
READS_MUCH = {
    "catalogue_sync.LAST": (many_bets.GAMES, "a sync looks at the games of its provider once, at its begin"),
    "catalogue_sync.MISSING": (many_bets.GAMES, "a sync compares the games of its provider with the list"),
    "catalogue_sync.MARK_GONE": (50 * many_bets.GAMES, "it writes every game that a list lacks, and returns none"),
    "cashbacks.OF_CASINO": (2000, "an operator's page reads past the cashbacks of other casinos"),
    "open_cashbacks.WAITING_CASINOS": (1000, "it counts what workflows carry: it grows with that, not with history"),
    "cashback_rules.CASES": (6000, "a person asks for all bets of one player in a window"),
    "cashback_rules.OPEN": (many_bets.GAMES, "a window looks at all games once, when it begins"),
    "cashback_rules.PAGE": (2000, "it reads the bets of its players in the window, and none outside of it"),
    "verify_workflows.OPEN_COUNT": (200, "it counts what is open: it grows with that, not with history"),
    "owed.OWED": (3 * many_bets.OPEN, "an operator's sum over all open rows: it grows with them, not with history"),
    "metric_snapshots.OPEN": (6 * many_bets.OPEN, "a sum over all open rows, once in 15 seconds, for all processes"),
    "compared_rows.BETS_BEHIND": (3000, "a page reads past the bets of other casinos, once in a run"),
    "compared_rows.CASHBACKS_BEHIND": (3000, "a page reads past the cashbacks of other casinos, once in a run"),
    "provider_requests.FORGET": (2000, "two for each id that it deletes, none for those that it keeps"),
    "verify_books.OF_CASINO": (3000, "verify reads every bet: a page reads past those of other casinos"),
    "verify_books.SHARES": (3000, "verify reads every bet: a range of BetIds at a time"),
    "verify_cashbacks.FAULTS": (6000, "verify reads every cashback: a page of three hundred here"),
    "verify_cashbacks.SUMS": (3000, "verify reads every cashback: a page of three hundred here"),
    "verify_cashbacks.MADE_BEHIND": (3000, "verify reads every cashback: a page reads past those of other casinos"),
    "verify_jackpots.STAKE_FAULTS": (3000, "verify reads every bet: a range of BetIds at a time"),
    "verify_live_rounds.FAULTS": (3000, "verify reads every round: a page of a hundred here"),
    "verify_rows.FAULTS": (3000, "verify reads every bet: a range of BetIds at a time"),
    "verify_rows.WHOLE": (2000, "verify counts what it is about to read"),
    "verify_rows.BEFORE": (5000, "verify finds the first of the bets that it is about to read"),
    "verify_guards.GUARDS": (500, "verify looks for each guard in the catalogue: it grows with them, not with rows"),
    "verify_guards.BETS_TWICE": (many_bets.BETS, "only if verify finds that the unique key is missing"),
}
# Values as SQL, by parameter. ``{bet}`` is the BetId of the statement's bet, ``{name}`` its provider's id of it.
GIVEN = {
    "max_amount": "NULL",
    "activity": "'run/1'",
    "after": "0",
    "after_bet_id": "0",
    "after_place": "''",
    "ahead": "'1 second'",
    "archive_id": "1",
    "at_rest_before": "now()",
    "alike": "ARRAY['200']",
    "amount": "1000",
    "amounts": "ARRAY[500]",
    "asked": '\'{{"win": 1000, "jackpot": null, "jackpot_id": null}}\'',
    "asked_at": "now()",
    "at_most_every": "'5 seconds'",
    "at_once": "false",
    "attempts": "NULL",
    "balance": "100000",
    "bearer_hash": "'hash'",
    "before": "NULL",
    "bet_id": "{bet}",
    "bet_ids": "ARRAY[{bet}]",
    "bets": "0",
    "blocked": "0",
    "brand": "NULL",
    "callers_clock": "now()",
    "casino": "NULL",
    "cashback_ids": "ARRAY[{issuing}]",
    "casino_id": "2",
    "cashback_id": "101",
    "categories": "ARRAY['slots']",
    "category": "NULL",
    "changed_after": "now()",
    "contradicted": "0",
    "counterparties": "ARRAY['11111111-2222-4333-8444-000000000001'::uuid]",
    "client_ids": "ARRAY[2]",
    "counterparty_ids": "ARRAY['11111111-2222-4333-8444-000000000001'::uuid]",
    "counterparty_id": "'11111111-2222-4333-8444-000000000001'",
    "currencies": "ARRAY['EUR']",
    "counts": "ARRAY[2]",
    "currency": "'EUR'",
    "days": "90",
    "data": "'{{\"a\": 1}}'",
    "debit": "-1",
    "decided": "'[]'",
    "differs": "false",
    "done_codes": "ARRAY['200']",
    "entries": "ARRAY['{{\"tags\": []}}']",
    "error_code": "'200'",
    "etag": "'e'",
    "event": "'{{}}'",
    "event_ids": "ARRAY[1]",
    "events": "2",
    "every": "'15 seconds'",
    "event_type": "'pay_in'",
    "facts": "'{{}}'",
    "filed_at": "now()",
    "first_bet_id": "{bet}",
    "findings": "'[]'",
    "flight": "'11111111-2222-4333-8444-000000000001'",
    "game_id": "4",
    "game": "NULL",
    "game_max_odd": "true",
    "game_ids": "ARRAY['new']",
    "hashes": "ARRAY[repeat('00', 32)]",
    "held": "'hash'",
    "frame_uri": "'sealed'",
    "gap": "'1 second'",
    "how": "'done'",
    "idle": "'1 minute'",
    "jackpot": "NULL",
    "provider_game_id": "'dice'",
    "seed": "100",
    "game_type": "NULL",
    "jackpot_id": "NULL",
    "image_urls": "ARRAY['https://p']",
    "incident_id": "1000",
    "keys": "ARRAY['operator:1']",
    "kept_for": "'1 minute'",
    "kid": "'k'",
    "key": "'operator:1'",
    "kind": "'parked'",
    "known": "ARRAY['gameId']",
    "language": "'en'",
    "last_bet_id": "0",
    "life": "1",
    "lifetime": "'1 day'",
    "limit": "100",
    "limits": "'{{}}'",
    "listed_first": "'1 second'",
    "lock": "1",
    "lost_after": "'15 seconds'",
    "margin": "'5 minutes'",
    "max_bet": "NULL",
    "max_odd": "1000",
    "max_odds": "ARRAY[2]",
    "max_win": "100000",
    "message": "'pay_out'",
    "min_bet": "NULL",
    "mode": "'real'",
    "movement": "'refused'",
    "name": "'p1'",
    "names": "ARRAY['New']",
    "not_after": "now()",
    "numbers": "ARRAY[{bet}]",
    "operator": "'ann'",
    "operators": "ARRAY['ann']",
    "opened": "1",
    "opened_from": "now() - interval '1 hour'",
    "opened_to": "now() - interval '30 minutes'",
    "other_tax": "false",
    "ours": "'{{}}'",
    "outcome": "'synced'",
    "owner": "'owner'",
    "proof": "'{{}}'",
    "proposed_for": "'1 hour'",
    "part": "'bet'",
    "partner_client_id": "2",
    "partner_transaction_id": "'t'",
    "partner_user_id": "'u1'",
    "partner_user_ids": "ARRAY['u1']",
    "pays_out": "true",
    "periods_from": "ARRAY[NULL::timestamptz]",
    "periods_to": "ARRAY[NULL::timestamptz]",
    "per_hour": "100000",
    "period_from": "now()",
    "period_to": "now() + interval '1 hour'",
    "player_id": str(many_bets.HEAVY),
    "player_ids": "ARRAY[6]",
    "players": "1",
    "private_pem": "'pem'",
    "probe_every": "'1 second'",
    "promo_code": "NULL",
    "promo_codes": "ARRAY[NULL]",
    "provider": "NULL",
    "provider_bet_id": "'{name}'",
    "provider_bet_ids": "ARRAY['{name}']",
    "provider_id": "{provider}",
    "quiet": "'1 second'",
    "reason": "NULL",
    "reasons": "ARRAY['weekly']",
    "reconciliation_id": "101",
    "refresh_token": "'sealed'",
    "refusal": "NULL",
    "request_id": "'new'",
    "result": "NULL",
    "reverses": "ARRAY[false]",
    "round_id": "NULL",
    "rule_version_ids": "ARRAY[NULL::bigint]",
    "run_id": "1",
    "scheduled": "'reconcile-scheduled-'",
    "search": "'di'",
    "seen": "0",
    "seen_owner": "'owner'",
    "sends": "NULL",
    "session_id": "'s4001'",
    "session_idle": "'2 hours'",
    "settled": "'1 second'",
    "sha256": "repeat('00', 32)",
    "size": "100",
    "share": "1048576",
    "shared_for": "'1 second'",
    "since": "now() - interval '1 hour'",
    "sources": "ARRAY['operator']",
    "stake": "1000",
    "stake_tax": "NULL",
    "standing": "'sending'",
    "state": "'settling'",
    "secret": "'sealed'",
    "previous": "NULL",
    "success": "true",
    "tag_id": "0",
    "times": "1",
    "taken_on": "'1 second'",
    "tax": "NULL",
    "theirs": "'{{}}'",
    "told": "ARRAY[true]",
    "withdrawn": "ARRAY[false]",
    "token_hash": "'hash'",
    "transaction_type": "1",
    "unread": "0",
    "upto": "{upto}",
    "version_id": "2",
    "view_type": "'mobile'",
    "watched": "NULL",
    "win": "NULL",
    "win_balance": "NULL",
    "win_error_code": "'200'",
    "win_partner_transaction_id": "'t'",
    "win_tax": "NULL",
    "with_win": "true",
    "window": "'1 minute'",
    "within": "'1 second'",
    "workflow_id": "'new'",
    "workflow_ids": "ARRAY['w']",
    "algorithm": "NULL",
    "announced_at": "now()",
    "before_edition": "NULL",
    "betting_closes_at": "NULL",
    "betting_seconds": "15",
    "commitment": "NULL",
    "edition": "19950",
    "finished_at": "NULL",
    "finished_from": "NULL",
    "finished_to": "NULL",
    "in_maintenance": "true",
    "now": "now()",
    "play_status": "NULL",
    "refunds": "NULL",
    "results": "NULL",
    "results_due_at": "NULL",
    "started_at": "NULL",
    "until": "now()",
    "verdict": "'released'",
}


# Statements about a cashback that is being issued, and about one that is being cancelled.
OF_ISSUING = [
    *("cashback_movements.BEGIN_ISSUE", "cashback_movements.ISSUED", "cashback_movements.PARK"),
    *("accepts.STORE_FOR_CASHBACK", "cashbacks.SHOWN", "open_cashbacks.ORDER", "open_cashbacks.OPEN_ROW"),
]
OF_CANCELLING = [
    *("cashback_movements.BEGIN_CANCEL", "cashback_movements.CANCELLED", "cashback_movements.NOT_CANCELLED"),
    *("cashback_movements.ABSENT", "cashback_movements.AS_IT_STANDS"),
]
OF_A_ROUND = [
    *("live_reports.FOUND", "round_refunds.ROUND", "round_refunds.REFUNDED", "live_rounds.REFUNDS"),
]
OF_A_LIVE_GAME = [
    *("live_reports.LOCK_GAME", "live_reports.NEXT", "live_reports.PROPOSAL", "live_reports.RUNNING"),
    *("live_rounds.NEWEST", "live_rounds.RESULTS", "live_rounds.GAMES", "live_rounds.SET_MAINTENANCE"),
    "live_rounds.DISABLE_GAME",
]
OF_ROUNDS = {"game_type": "1", "edition": "9999"}
OF_A_NEW_ROUND = {
    "game_type": "2",
    "edition": "1",
    "provider_id": "2",
    "round_id": "'new'",
    "state": "'awaiting'",
    "seed": "NULL",
}
OF_A_PAGE_OF_CASHBACKS = ("verify_cashbacks.FAULTS", "verify_cashbacks.SUMS")
# Other values for one statement, and the number of its bet.
OTHERS: dict[str, tuple[int, dict[str, str]]] = {
    "archives.RECORD": (SETTLED, {"bets": "1"}),
    "verify_archives.COUNTED": (0, {"after": "20000", "upto": "20100"}),
    "accepts.STORE": (SETTLING, {}),
    "bets.ACCEPT": (ACCEPTING, {}),
    "bets.CREDIT_DONE": (SETTLING, {"state": "'settled'"}),
    "bets.END_WITHOUT_STAKE": (ACCEPTING, {"state": "'refused'", "refusal": "'no_money'"}),
    "bets.OPEN": (0, {"state": "'accepting'"}),
    "bets.WITHDRAW": (ACCEPTANCE, {}),
    "win_reviews.DECIDE": (ACCEPTANCE, {}),
    "win_reviews.HOLD": (ACCEPTANCE, {}),
    "held_wins.LISTED": (
        0,
        {name: "NULL" for name in ("bets", "provider", "game", "casino", "reason", "since", "currency", "max_amount")},
    ),
    "cashback_rules.AGAIN": (0, {"run_id": "2"}),
    "cashback_rules.CASES": (0, {"after": "'-infinity'"}),
    "cashback_rules.LAST": (0, {"casino": "'c2'", "name": "'weekly'"}),
    "cashback_rules.PAGE": (0, {"limit": "3"}),
    "cashback_rules.SHOWN": (0, {"casino": "'c2'", "name": "'weekly'", "limit": "5"}),
    "incidents.LISTED": (0, {"since": "NULL"}),
    "incidents.OF_BETS": (many_bets.EARLY, {"since": "NULL", "kind": "NULL"}),
    **{name: (0, {"bet_id": "{issuing}"}) for name in OF_ISSUING},
    **{name: (0, {"bet_id": "{cancelling}", "transaction_type": "-2"}) for name in OF_CANCELLING},
    "accepts.PLAYED_CASHBACK": (0, {"bet_id": "{issuing}", "casino_id": "{casino}"}),
    "cashback_movements.TAKE_ON": (0, {"bet_id": "{waiting}", "seen_owner": "NULL", "life": "0"}),
    **{name: (0, {"after": "{issuing}", "upto": "{cancelling}"}) for name in OF_A_PAGE_OF_CASHBACKS},
    "cashbacks.PROPOSE": (0, {"reason": "'a bad night'"}),
    "cashbacks.CANCEL": (0, {"bet_id": "{issued}", "reason": "'a mistake'"}),
    **{
        f"jackpot_pools.{name}": (0, {"jackpot_id": "1"})
        for name in ("ADJUST", "BOOK", "CAN_WIN", "DISABLE", "ENTRIES", "SHOW", "UNBOOKED")
    },
    "jackpot_pools.ADD": (0, {"share": "0.5", "casino": "'c1'"}),
    "jackpots.DECIDE": (ACCEPTANCE, {"jackpot_id": "1"}),
    "metric_snapshots.OPEN": (0, {"part": "'open'"}),
    "metric_snapshots.JACKPOTS": (0, {"part": "'jackpots'"}),
    "metric_snapshots.LIVE_ROUNDS": (0, {"part": "'live_rounds'"}),
    "launches.OPEN": (0, {"session_id": "'new'"}),
    "round_refunds.OPEN_BETS": (SETTLING, {"round_id": "'round-499'"}),
    "live_reports.PROPOSE": (0, {"game_type": "1", "reason": "'camera'"}),
    "live_reports.WRITE": (0, OF_A_NEW_ROUND),
    "live_reports.NOTE": (0, OF_ROUNDS | {"kind": "'reported'"}),
    **{name: (0, {"game_type": "1", "round_id": "'round-19950'"}) for name in OF_A_ROUND},
    **{name: (0, {"game_type": "1"}) for name in OF_A_LIVE_GAME},
    "live_rounds.ADD_GAME": (0, {"game_type": "3", "provider_game_id": "NULL"}),
    "live_rounds.ROUND": (0, {"round_id": "'round-19950'"}),
    "verify_live_rounds.NEXT": (0, OF_ROUNDS),
    "verify_live_rounds.FAULTS": (0, OF_ROUNDS),
    "verify_live_rounds.PROOFS": (0, OF_ROUNDS),
    "launches.OPEN_BY_TOKEN": (0, {"session_id": "'new'"}),
    "lobby.PAGE": (0, {"search": "NULL"}),
    "open_bets.TAKE_OVER": (ACCEPTANCE, {}),
    "one_step.SETTLE_WITH_STAKE": (ACCEPTING, {}),
    "provider_requests.OWE_REVERSAL": (SETTLED, {}),
    "provider_requests.TOMBSTONE": (0, {"state": "'refunded'"}),
    "compared_rows.BETS_BEHIND": (many_bets.HOUR_AGO, {"after": "{bet}"}),
    "compared_rows.CASHBACKS_NAMED": (0, {"numbers": "ARRAY[{issued}]"}),
    "reversals.OPEN": (SETTLED, {}),
    "verify_books.OF_CASINO": (SETTLED, {"after": "{bet}"}),
    "verify_books.SHARES": (SETTLED, {"after": "{bet}"}),
    "verify_jackpots.JOURNAL": (0, {"jackpot_id": "1", "after": "0", "upto": "9"}),
    "verify_jackpots.STAKE_FAULTS": (SETTLED, {"after": "{bet}"}),
    "verify_jackpots.STAKES": (SETTLED, {"after": "{bet}"}),
    "verify_rows.FAULTS": (SETTLED, {"after": "{bet}"}),
    "verify_rows.SUMS": (SETTLED, {"after": "{bet}"}),
}
# The same statement where it could read the most.
WORST = {
    "a player who was refused for days": ("provider_requests.LAST_BALANCE", {"player_id": str(many_bets.REFUSED)}),
    "a kind with one incident": ("incidents.LISTED", {"kind": "'cancelled'", "since": "NULL"}),
    "all kinds": ("incidents.LISTED", {"kind": "NULL", "since": "NULL"}),
    "a bet by its number": ("incidents.OF_BETS", {"provider_bet_id": "NULL", "kind": "NULL", "since": "NULL"}),
    "a bet by its provider's id": ("incidents.OF_BETS", {"bet_id": "NULL", "kind": "NULL", "since": "NULL"}),
    "the last page": ("open_bets.OPEN_BETS", {"after": "{bet}"}),
    "the first results": ("live_rounds.RESULTS", {"game_type": "1", "finished_to": "now() - interval '4 days'"}),
    "results behind a place": (
        "live_rounds.RESULTS",
        {"game_type": "1", "before": "now() - interval '2 days'", "before_edition": "9999"},
    ),
}
# Pages of the lobby. What does not fit is passed over in the index of the names.
LOBBY = {
    "the first page": {},
    "a page behind most": {"after_place": "'zulu bingo 19995'"},
    "behind the last game": {"after_place": "'zzz'"},
    "a part of many names": {"search": "'river'"},
    "a part of one name": {"search": "'bingo 20000'"},
    "a part of no name": {"search": "'no such game'"},
    "a category with many games": {"category": "'slots'"},
    "a category with few games, the last ones": {"category": "'bingo'"},
    "a category without games": {"category": "'none'"},
    "a currency with many games": {"currency": "'USD'"},
}
# Of the index, for 20,000 games.
INDEX_PAGES = 500


@pytest.fixture(scope="module")
async def connection(new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with many bets; what a statement writes there is rolled back."""
    made = await asyncpg.connect(await new_database())
    await many_bets.fill(made)
    yield made
    await made.close()


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_reads_no_more_than_what_it_is_about(connection: asyncpg.Connection, name: str) -> None:
    number, given = OTHERS.get(name, (REVERSING if name.startswith("reversals.") else SETTLING, {}))
    for plan in await plans(connection, name, number, given):
        bound, _ = READS_MUCH.get(name, (BUFFERS + FOR_A_ROW * plan["Actual Rows"], ""))
        assert buffers(plan) <= bound, json.dumps(plan, indent=1)
        assert name in READS_MUCH or scans(plan) == [], json.dumps(plan, indent=1)


@pytest.mark.parametrize("case", WORST)
async def test_a_statement_reads_no_more_in_its_worst_case(connection: asyncpg.Connection, case: str) -> None:
    name, given = WORST[case]
    for plan in await plans(connection, name, many_bets.EARLY, given):
        assert buffers(plan) <= BUFFERS + FOR_A_ROW * plan["Actual Rows"], json.dumps(plan, indent=1)
        assert scans(plan) == [], json.dumps(plan, indent=1)


@pytest.mark.parametrize("case", LOBBY)
async def test_a_page_of_the_lobby_reads_the_index_and_its_own_games(connection: asyncpg.Connection, case: str) -> None:
    # What other tests have rolled back is dirt that PostgreSQL looks behind, until it has cleaned up.
    await connection.execute("VACUUM game")
    given = {"search": "NULL", "currency": "NULL", "limit": "25"} | LOBBY[case]
    for plan in await plans(connection, "lobby.PAGE", many_bets.EARLY, given):
        assert buffers(plan) <= INDEX_PAGES + FOR_A_ROW * plan["Actual Rows"], json.dumps(plan, indent=1)
        assert [
            node for node in _nodes(plan) if (node["Node Type"], node.get("Relation Name")) == ("Seq Scan", "game")
        ] == []


@pytest.mark.parametrize(
    ("name", "index"),
    [("open_bets.OPEN_BETS", "bet_open_by_id"), ("provider_requests.LAST_BALANCE", "bet_player_closed")],
)
async def test_a_statement_without_its_index_is_noticed(connection: asyncpg.Connection, name: str, index: str) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"DROP INDEX {index}")
        found = await plans(connection, name, SETTLING, {})
    finally:
        await transaction.rollback()
    assert all(scans(plan) for plan in found)


def test_every_exception_is_a_statement() -> None:
    assert {*READS_MUCH, *OTHERS, *(name for name, _ in WORST.values())} <= set(STATEMENTS)


async def plans(connection: asyncpg.Connection, name: str, number: int, given: Mapping[str, str]) -> list[Plan]:
    """Return how a statement ran as the first and as the sixth of a connection.

    From the sixth time on PostgreSQL may use one plan for all values. Its guess may be wrong.
    """
    names = STATEMENTS[name].parameters
    facts = await _facts(connection, number)
    values = ", ".join(given.get(one, GIVEN[one]).format_map(facts) for one in names)
    call = f"EXECUTE planned ({values})" if names else "EXECUTE planned"
    await connection.execute(f"PREPARE planned AS {STATEMENTS[name].query}")
    try:
        first = await _ran(connection, call)
        for _ in range(4):
            await connection.execute(f"EXPLAIN {call}")
        return [first, await _ran(connection, call)]
    finally:
        await connection.execute("DEALLOCATE planned")


def buffers(plan: Plan) -> int:
    """Return how many pages were touched, in memory or not."""
    touched: int = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return touched


def scans(plan: Plan) -> list[str]:
    """Return the steps that read a whole large table, or much that they throw away."""
    return [
        f"{node['Node Type']} {node.get('Relation Name', '')} {node.get('Index Name', '')}"
        for node in _nodes(plan)
        if node.get("Relation Name") in LARGE
        and (node["Node Type"] == "Seq Scan" or node.get("Rows Removed by Filter", 0) * node["Actual Loops"] > DROPPED)
    ]


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


async def _facts(connection: asyncpg.Connection, number: int) -> dict[str, object]:
    """Return what values name of a bet. A hundred bets later is ``upto``."""
    provider, name = 1 + number % 4, f"bet-{number}"
    bet_id = await connection.fetchval(
        "SELECT bet_id FROM bet WHERE provider_id = $1 AND provider_bet_id = $2", provider, name
    )
    upto = (bet_id or 0) + (100 * many_bets.SECONDS << 20)
    of_cashbacks = {
        state: await connection.fetchval("SELECT cashback_id FROM cashback WHERE key = $1", f"operator:{place}")
        for state, place in many_bets.CASHBACKS.items()
    }
    return {"bet": bet_id, "provider": provider, "name": name, "upto": upto, "casino": 1, **of_cashbacks}


async def _ran(connection: asyncpg.Connection, call: str) -> Plan:
    transaction = connection.transaction()
    await transaction.start()
    try:
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT JSON) {call}")
    finally:
        await transaction.rollback()
    [told] = json.loads(found)
    plan: Plan = told["Plan"]
    return plan
