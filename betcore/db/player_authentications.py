"""Calls of users/auth in the database: of several with one token, in all processes, one is sent to the casino."""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import cast
from uuid import uuid4

from betcore.db.database import Database
from betcore.db.statements import player_authentications as statements
from betcore.domain.errors import PlayCode, PlayRefused
from betcore.domain.partners import Casino
from betcore.domain.players import AuthenticatedPlayer, CasinoUser, token_hash
from betcore.runtime.vault import Place, Vault

# What came of a call is also what another one with the same token gets, for so long. A launch may take half a minute:
# who repeats it because it has failed, or because its answer was lost, must still find the casino's next token here.
SHARED_FOR = timedelta(seconds=45)
_KEPT_FOR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Flight:
    """A call with one token that this process is to make; another process takes it over after ``lost_after``."""

    casino_id: int
    token_hash: str
    flight: str


class Flights:
    """Reads and writes calls of users/auth. Tokens stand there encrypted, or as a hash."""

    def __init__(self, database: Database, vault: Vault, lost_after: timedelta) -> None:
        self._database = database
        self._vault = vault
        self._lost_after = lost_after

    async def claim(
        self, casino: Casino, refresh_token: str, watched: str | None
    ) -> Flight | AuthenticatedPlayer | str:
        """Return the call that this process is to make; or the player, if it was made; or which call is under way.

        ``watched`` is the call that was under way before. Raise PlayRefused if the casino has refused the token, or did
        not answer the call that was waited for.
        """
        mine = self.flight(casino, refresh_token)
        return self.claimed(mine, await self._database.one_row(statements.CLAIM, **self.claiming(mine, watched)))

    def flight(self, casino: Casino, refresh_token: str) -> Flight:
        """Return a new call with a token."""
        return Flight(casino.casino_id, token_hash(refresh_token), str(uuid4()))

    def claiming(self, mine: Flight, watched: str | None) -> dict[str, object]:
        """Return what claims a call."""
        return {**asdict(mine), "watched": watched, "shared_for": SHARED_FOR, "lost_after": self._lost_after}

    def claimed(self, mine: Flight, row: statements.AuthenticationRow | None) -> Flight | AuthenticatedPlayer | str:
        """Return what ``claim`` does for the row that stands for a token."""
        if row is None:
            return ""
        if str(row.flight) == mine.flight:
            return mine
        if row.outcome is None:
            return str(row.flight)
        if row.result is None or row.player_id is None:
            raise _refusal(cast(PlayCode, row.outcome))
        return _player(row.player_id, CasinoUser(**json.loads(self._vault.open(row.result, _place(mine)))))

    async def again(self, flight: Flight) -> bool:
        """Begin a second attempt; return False if another process has taken the call over."""
        return await self._database.one_row(statements.AGAIN, **asdict(flight)) is not None

    async def known(self, flight: Flight, user: CasinoUser) -> AuthenticatedPlayer:
        """Register the player when new, and end the call. Raise PlayRefused if an operator blocks the player."""
        row = await self._database.one_row(statements.KNOWN, **self.keeping(flight, user))
        if row is None or row.blocked:
            raise _refusal("player_blocked")
        return _player(row.player_id, user)

    def keeping(self, flight: Flight, user: CasinoUser) -> dict[str, object]:
        """Return what keeps the casino's answer."""
        result = self._vault.seal(json.dumps(asdict(user)), _place(flight))
        return {**asdict(flight), "partner_user_id": user.partner_user_id, "result": result}

    async def refused(self, flight: Flight, code: PlayCode) -> PlayRefused:
        """End the call, and return the refusal."""
        await self._database.execute(statements.REFUSED, **asdict(flight), outcome=code)
        return _refusal(code)

    async def forget(self) -> None:
        """Delete what came of calls that are too old to be shared."""
        await self._database.execute(statements.FORGET, kept_for=_KEPT_FOR)


def _place(flight: Flight) -> Place:
    return Place("player_authentication", f"{flight.casino_id}/{flight.token_hash}", "result")


def _player(player_id: int, user: CasinoUser) -> AuthenticatedPlayer:
    return AuthenticatedPlayer(player_id, user.partner_user_id, user.currency, user.refresh_token)


def _refusal(code: PlayCode) -> PlayRefused:
    return PlayRefused("the casino's answer to users/auth", code=code)
