"""The wallet behind casino.py: players, tokens and movements in a database."""

import json
import sqlite3
import threading
import uuid
from decimal import Decimal

# One player with 1,000.00 EUR.
PLAYER, CURRENCY, CENTS = "anna", "EUR", 100_000
STAKE, PAYOUT, RETURN, PAYOUT_RETURN = -1, 1, 2, -2
NEEDS = {PAYOUT: STAKE, RETURN: STAKE, PAYOUT_RETURN: PAYOUT}


class Refused(Exception):
    """A business answer other than success: ErrorCode and Message. No money has moved."""


class Wallet:
    """Players and movements in a database. Each call is one transaction: all of it is kept, or nothing."""

    def __init__(self, database: str, token: str, confirmation: str) -> None:
        self.replies_are_final = confirmation == "reply"
        self.db = sqlite3.connect(database, check_same_thread=False)
        self.lock = threading.Lock()  # SQLite has one writer; other databases lock the player's row
        with self.db:
            self.db.executescript("""
                CREATE TABLE IF NOT EXISTS player (id TEXT PRIMARY KEY, cents INTEGER);
                CREATE TABLE IF NOT EXISTS token (token TEXT PRIMARY KEY, player TEXT, following TEXT);
                CREATE TABLE IF NOT EXISTS closed (bet_id INTEGER PRIMARY KEY);
                CREATE TABLE IF NOT EXISTS movement (bet_id INTEGER, type INTEGER, data TEXT, value TEXT,
                    at TEXT DEFAULT CURRENT_TIMESTAMP, confirmed INTEGER, PRIMARY KEY (bet_id, type));""")
            self.db.execute("INSERT OR IGNORE INTO player VALUES (?, ?)", (PLAYER, CENTS))
            self.db.execute("INSERT OR IGNORE INTO token VALUES (?, ?, ?)", (token, PLAYER, uuid.uuid4().hex))

    def answer(self, path: str, data: dict) -> object:
        """Return the Value for a call. Raises Refused, and KeyError for a call that we do not know."""
        calls = {
            "/users/auth": self.auth,
            "/users/data": self.user,
            "/payments/make": self.make,
            "/payments/info": self.info,
            "/payments/close": self.close,
        }
        with self.lock, self.db:
            return calls[path](data)

    def one(self, query: str, *given: object) -> tuple | None:
        """Return the first row of a query."""
        return self.db.execute(query, given).fetchone()

    def auth(self, data: dict) -> dict:
        """Exchange a token for its successor; the same one again, because our first answer may have been lost."""
        found = self.one("SELECT player, following FROM token WHERE token = ?", data["RefreshToken"])
        if found is None:
            raise Refused(103807, "token not valid")
        player, following = found
        self.db.execute("INSERT OR IGNORE INTO token VALUES (?, ?, ?)", (following, player, uuid.uuid4().hex))
        return {"RefreshToken": following, "PartnerUserId": player, "CurrencyCode": CURRENCY}

    def user(self, data: dict) -> dict:
        """Return a player's balance."""
        return {"Balance": major(self.cents_of(data["PartnerUserId"]))}

    def cents_of(self, player: str) -> int:
        """Return a player's balance in cents."""
        found = self.one("SELECT cents FROM player WHERE id = ?", player)
        if found is None:
            raise Refused(102145, "user not found")
        return found[0]

    def make(self, data: dict) -> dict:
        """Make a movement once. A repeat has the same values, and gets the same answer."""
        bet, kind, written = data["BetId"], data["TransactionType"], json.dumps(data, sort_keys=True)
        kept = self.one("SELECT data, value FROM movement WHERE bet_id = ? AND type = ?", bet, kind)
        if kept is not None:
            if kept[0] != written:
                raise Refused(103803, "this movement was made with other values")
            return json.loads(kept[1])
        cents, balance = int(Decimal(data["Amount"]) * 100), self.cents_of(data["PartnerUserId"])
        if kind in NEEDS and not self.one("SELECT 1 FROM movement WHERE (bet_id, type) = (?, ?)", bet, NEEDS[kind]):
            raise Refused(103804, "bet not found")
        if self.one("SELECT 1 FROM closed WHERE bet_id = ?", bet):
            raise Refused(102823, "the bet is closed")
        balance += cents if kind > 0 else -cents
        if kind < 0 and balance < 0:
            raise Refused(103802, "not enough money")
        value = {"PartnerTransactionId": f"T-{data['TransactionId']}", "Balance": major(balance)}
        row = (bet, kind, written, json.dumps(value), self.replies_are_final)
        self.db.execute("INSERT INTO movement (bet_id, type, data, value, confirmed) VALUES (?, ?, ?, ?, ?)", row)
        self.db.execute("UPDATE player SET cents = ? WHERE id = ?", (balance, data["PartnerUserId"]))
        return value

    def info(self, data: dict) -> list[dict]:
        """Return all movements of a bet: by this list the aggregator finds out what became of a lost answer."""
        rows = self.db.execute("SELECT data, value, at FROM movement WHERE bet_id = ?", (data["BetId"],))
        return [{**json.loads(made), **json.loads(value), "Timestamp": at} for made, value, at in rows]

    def close(self, data: dict) -> None:
        """Close a bet, or open it again."""
        opened, closed = "DELETE FROM closed WHERE bet_id = ?", "INSERT OR IGNORE INTO closed VALUES (?)"
        self.db.execute(closed if data["Closed"] else opened, (data["BetId"],))

    def unconfirmed(self) -> list[tuple[int, int, dict, dict]]:
        """Return bet, type, data and value of the movements whose Accept has not arrived, oldest first."""
        query = "SELECT bet_id, type, data, value FROM movement WHERE NOT confirmed ORDER BY rowid"
        with self.lock:
            rows = self.db.execute(query).fetchall()
        return [(bet, kind, json.loads(data), json.loads(value)) for bet, kind, data, value in rows]

    def confirm(self, bet: int, kind: int) -> None:
        """Note that the Accept of a movement has arrived."""
        with self.lock, self.db:
            self.db.execute("UPDATE movement SET confirmed = 1 WHERE (bet_id, type) = (?, ?)", (bet, kind))


def major(cents: int) -> str:
    """Return cents as the decimal text of the wire. Other currencies have other decimals: JPY none."""
    return f"{cents // 100}.{cents % 100:02d}"
