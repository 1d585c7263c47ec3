"""Edge case 268: two operators release many wins at once, over exactly the same set."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from betcore.domain.messages import Action
from tests.command_line import run
from tests.partner import Stack, TestPartner, eventually, until
from tests.system.scenarios import DONE, SETTLED, STAKED
from tests.system.test_scenarios_win_review import LIMITED, by_two, decide, in_review


class Sets:
    """Sets of the wins of one provider."""

    def __init__(self, partner: TestPartner, folder: Path) -> None:
        self.partner, self.folder = partner, folder

    async def _run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        ran = await run(self.partner.stack.folder, "ops", "review", *arguments, "--json")
        return ran.exit_code, json.loads(ran.stdout)

    async def listed(self, *options: str) -> dict[str, Any]:
        status, found = await self._run("list", "--provider", self.partner.provider, *options)
        assert status == 0, found
        return found

    async def saved(self, name: str, *options: str) -> Path:
        """Save the wins that wait as a set, and return its file."""
        file = self.folder / name
        found = await self.listed("--save", str(file), *options)
        assert found["set_id"] == hashlib.sha256(file.read_bytes()).hexdigest()
        return file

    async def release(self, file: Path, operator: str, *options: str) -> tuple[int, dict[str, Any]]:
        return await self._run("release", str(file), "--operator", operator, "--reason", "checked", *options)


def outcomes(done: dict[str, Any]) -> dict[str, int]:
    names = ("released", "proposed", "refused", "unknown", "left")
    return {name: done[name] for name in names if done[name]}


@pytest.fixture
async def sets(stack: Stack, tmp_path: Path) -> Sets:
    return Sets(await stack.partner(LIMITED), tmp_path)


@pytest.mark.edge_case(268)
async def test_two_operators_release_a_set_and_no_win_that_the_first_has_not_seen(sets: Sets) -> None:
    partner = sets.partner
    bets = [await in_review(partner) for _ in range(3)]
    seen = await sets.saved("seen.set")
    assert outcomes((await sets.release(seen, "ann"))[1]) == {"proposed": 3}
    late = await in_review(partner)
    more = await sets.saved("more.set")
    # With another file nothing is released, and neither by the operator who has proposed it, nor one by one.
    status, refused = await sets.release(more, "ben", "--set", hashlib.sha256(seen.read_bytes()).hexdigest())
    assert (status, refused["error"]["code"]) == (1, "invalid_file")
    status, again = await sets.release(seen, "Ann")
    assert (status, outcomes(again)) == (1, {"refused": 3})
    assert not (await decide(partner, bets[0], Action.RELEASE, "ben")).done
    assert outcomes((await sets.release(seen, "ann"))[1]) == {"proposed": 1, "refused": 2}
    assert [await partner.journal(bet) for bet in (*bets, late)] == [STAKED] * 4
    status, done = await sets.release(seen, "ben", "--set", hashlib.sha256(seen.read_bytes()).hexdigest())
    assert (status, outcomes(done)) == (0, {"released": 3})
    for bet in bets:
        assert (await until(partial(partner.pay_out, bet))).outcome == DONE
        assert await partner.journal(bet) == SETTLED
    assert await partner.journal(late) == STAKED
    assert [one["bet_id"] for one in (await sets.listed())["wins"]] == [(await partner.row(late)).bet_id]
    # What both have asked for is in the history of each bet.
    query = "SELECT DISTINCT data ->> 'set_id' AS kept FROM bet_event WHERE bet_id = :b AND data ->> 'done' = 'true'"
    [event] = await partner.sql(query, b=(await partner.row(bets[1])).bet_id)
    assert event.kept == done["set_id"]
    await by_two(partner, late, Action.REFUSE)


@pytest.mark.edge_case(268)
async def test_a_win_that_is_not_as_the_set_has_it_is_left(sets: Sets) -> None:
    partner = sets.partner
    refused, kept = await in_review(partner), await in_review(partner)
    file = await sets.saved("night.set")
    await sets.release(file, "ann")
    await by_two(partner, refused, Action.REFUSE)
    assert (await partner.pay_out(refused, "26.00")).code == 99
    await until_listed(sets, 2)
    forged = sets.folder / "forged.set"
    forged.write_text(file.read_text().replace('"EUR 25.00"', '"EUR 25.01"'))
    assert outcomes((await sets.release(forged, "ben"))[1]) == {"left": 2}
    status, done = await sets.release(file, "ben")
    assert (status, outcomes(done)) == (1, {"released": 1, "left": 1})
    assert [one["bet_id"] for one in done["wins"] if one["outcome"] == "left"] == [(await partner.row(refused)).bet_id]
    assert (await until(partial(partner.pay_out, kept))).outcome == DONE
    await by_two(partner, refused, Action.REFUSE)


async def until_listed(sets: Sets, number: int) -> None:
    async def is_so() -> bool:
        return len((await sets.listed())["wins"]) == number

    await eventually(is_so)


@pytest.mark.edge_case(268)
async def test_wins_in_review_are_listed_by_what_they_are(sets: Sets) -> None:
    partner = sets.partner
    number = (await partner.row(await in_review(partner))).bet_id
    [found] = (await sets.listed("--game", "dice", "--casino", partner.casino, "--max-amount", "EUR 25.00"))["wins"]
    assert (found["bet_id"], found["win"], found["stake"], found["reasons"]) == (
        number,
        "EUR 25.00",
        "EUR 10.00",
        "max_win",
    )
    assert len((await sets.listed("--limit-alone", "max_win", "--since", "2026-01-01"))["wins"]) == 1
    for options in (
        ("--game", "wheel"),
        ("--casino", "another"),
        ("--limit-alone", "max_odd"),
        ("--since", "2126-01-01"),
        ("--max-amount", "EUR 24.99"),
        ("--max-amount", "USD 100"),
    ):
        assert (await sets.listed(*options))["wins"] == []
