"""``play --casino``: the sandbox provider plays at a wallet that was added by ``casino add``."""

import json
from typing import Any

import pytest

from devkit.play import runner
from tests import command_line
from tests.partner import Stack, TestPartner

BETS = ("--bets", "8", "--rate", "50", "--one-step", "0.5")


async def _play(stack: Stack, *options: str) -> tuple[int, dict[str, Any]]:
    done = await command_line.run(stack.folder, "play", *BETS, "--json", *options)
    return done.exit_code, json.loads(done.stdout)


async def test_the_book_of_an_own_wallet_is_compared_by_its_payments_info(stack: Stack, partner: TestPartner) -> None:
    await partner.seat("ben")
    status, summary = await _play(stack, "--casino", partner.casino, "--player", "anna", "--player", "ben")
    assert (status, summary["differences"], summary["books"]) == (0, [], ["provider", "service", "casino"])
    entries = await partner.entries()
    assert {entry["partner_user_id"] for entry in entries} == {"anna", "ben"}
    assert len({entry["bet_id"] for entry in entries}) == summary["bets"] == 8


async def test_what_the_wallet_has_twice_is_a_difference(
    stack: Stack, partner: TestPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "BOOKS_AGREE_WITHIN_SECONDS", 0)
    await partner.switches(idempotency="off")
    await partner.faults({"kind": "duplicate", "path": "/payments/make", "times": 1})
    status, summary = await _play(stack, "--casino", partner.casino, "--player", "anna")
    assert status == 1
    assert "the casino has" in summary["differences"][0]["what"]


async def test_without_payments_info_two_books_are_compared(stack: Stack, partner: TestPartner) -> None:
    await partner.faults({"kind": "error", "path": "/payments/info"})
    status, summary = await _play(stack, "--casino", partner.casino, "--player", "anna")
    assert (status, summary["differences"], summary["books"]) == (0, [], ["provider", "service"])


async def test_a_casino_that_is_not_there_is_refused(stack: Stack) -> None:
    status, shown = await _play(stack, "--casino", "no-such-casino", "--player", "anna")
    assert status == 1
    assert shown["error"]["code"] == "not_found"


@pytest.mark.parametrize("alone", [("--casino", "royal"), ("--player", "anna")])
async def test_a_casino_and_its_players_belong_together(stack: Stack, alone: tuple[str, str]) -> None:
    done = await command_line.run(stack.folder, "play", *alone)
    assert done.exit_code == 2
    assert "--casino and --player belong together" in done.stderr
