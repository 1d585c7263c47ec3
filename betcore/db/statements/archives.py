"""The statements behind ``betcore.db.archives``."""

from dataclasses import dataclass

from betcore.db.statement import NoRow, Statement
from betcore.domain.archives import Archive, ArchivedBet, EventLine, Horizon


@dataclass(frozen=True, slots=True)
class PageRow:
    """An event of a page; without one the page has no bet at rest. ``upto`` is the last number looked at."""

    upto: int | None
    event: EventLine | None


@dataclass(frozen=True, slots=True)
class ArchiveIdRow:
    """The number of an archive."""

    archive_id: int


@dataclass(frozen=True, slots=True)
class DeletedRow:
    """How many events have left."""

    events: int


_ARCHIVES = """listed AS (
    SELECT archive_id, name, encode(sha256, 'hex') AS sha256, size, bets, events, first_bet_id, last_bet_id, operator,
           written_at, emptied_at
    FROM archive
)"""

# BetIds come from time: what has a later number was not there yet.
HORIZON = Statement(
    Horizon,
    """
SELECT at_rest_before,
       floor(extract(epoch FROM at_rest_before - timestamptz '2026-01-01 00:00:00+00'))::bigint << 20 AS upto
FROM (SELECT now() - make_interval(days => CAST(:days AS integer)) AS at_rest_before) AS horizon
""",
)
# Bets that have events are read from the index of the events: what has left it is not looked at again.
PAGE = Statement(
    PageRow,
    """
WITH page AS MATERIALIZED (
    SELECT DISTINCT bet_id FROM bet_event WHERE bet_id > :after AND bet_id <= :upto ORDER BY bet_id LIMIT :limit
),
resting AS MATERIALIZED (
    SELECT bet_id FROM page WHERE at_rest_since(bet_id) < :at_rest_before
)
SELECT upto, event.* FROM (SELECT max(bet_id) AS upto FROM page) AS last LEFT JOIN (
    SELECT bet_id, event_id, kind, event_line(bet_id, event_id, at, kind, data) AS line
    FROM resting JOIN bet_event USING (bet_id)
) AS event ON true
ORDER BY bet_id, event_id
""",
)
RECORD = Statement(
    ArchiveIdRow,
    """
INSERT INTO archive (name, sha256, size, bets, events, first_bet_id, last_bet_id)
VALUES (:name, decode(:sha256, 'hex'), :size, :bets, :events, :first_bet_id, :last_bet_id)
RETURNING archive_id
""",
)
RECORD_BETS = Statement(
    NoRow,
    """
INSERT INTO archived_bet (bet_id, archive_id, events, told, withdrawn, sha256)
SELECT bet_id, :archive_id, events, told, withdrawn, decode(sha256, 'hex')
FROM unnest(CAST(:bet_ids AS bigint[]), CAST(:counts AS integer[]), CAST(:told AS boolean[]),
            CAST(:withdrawn AS boolean[]), CAST(:hashes AS text[])) AS made (bet_id, events, told, withdrawn, sha256)
""",
)
# A bet that is not at rest any more keeps its events. The guard of the table compares the rest with the archive.
DELETE = Statement(
    DeletedRow,
    """
WITH resting AS MATERIALIZED (
    SELECT bet_id FROM unnest(CAST(:bet_ids AS bigint[])) AS given (bet_id)
    WHERE at_rest_since(bet_id) < :at_rest_before
),
gone AS (
    DELETE FROM bet_event USING resting
    WHERE bet_event.bet_id = resting.bet_id AND event_id = ANY(CAST(:event_ids AS bigint[]))
    RETURNING event_id
)
SELECT count(*) AS events FROM gone
""",
)
FINISH = Statement(NoRow, "UPDATE archive SET emptied_at = now() WHERE archive_id = :archive_id AND emptied_at IS NULL")
UNFINISHED = Statement(
    Archive,
    f"""
WITH {_ARCHIVES}
SELECT * FROM listed WHERE emptied_at IS NULL ORDER BY archive_id
""",
)
LISTED = Statement(
    Archive,
    f"""
WITH {_ARCHIVES}
SELECT * FROM listed WHERE archive_id < coalesce(CAST(:before AS bigint), 9223372036854775807)
ORDER BY archive_id DESC LIMIT :limit
""",
)
BY_NAME = Statement(
    Archive,
    f"""
WITH {_ARCHIVES}
SELECT * FROM listed WHERE name = :name
""",
)
OF_BETS = Statement(
    ArchivedBet,
    """
SELECT bet_id, events, told, withdrawn, encode(sha256, 'hex') AS sha256 FROM archived_bet
WHERE bet_id = ANY(CAST(:bet_ids AS bigint[])) AND archive_id = :archive_id ORDER BY bet_id
""",
)
