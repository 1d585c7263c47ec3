"""A provider's games on a running stack: from its list to a bet, and what becomes of a bet whose game is gone."""

import json
from typing import Any

from betcore.db.onboarding_sessions import NewSession
from tests.command_line import run
from tests.partner import Stack, TestPartner
from tests.system.scenarios import DONE

DICE, WHEEL = {"gameId": "dice", "name": "Dice"}, {"gameId": "wheel", "name": "Wheel", "gameCategory": "casual"}


async def _listing_partner(stack: Stack, confirmation: str = "reply") -> TestPartner:
    """Return a partner whose provider lists games: the sandbox provider, by a name of its own."""
    partner = await stack.partner(confirmation=confirmation)
    url = stack.addresses["sandbox_provider"]
    await partner.onboarding.change("provider", partner.provider, address=url)
    known = {"counterparty_id": partner.counterparty_id, "secret": partner.secret}
    async with stack.http.post(f"{url}/_counterparty", json=known) as answer:
        assert answer.status == 200
    return partner


async def _sync(partner: TestPartner, *games: object, ended: int = 0, **query: str) -> Any:
    """Set the provider's list, and sync it by the command."""
    where = partner.stack.addresses["sandbox_provider"] + "/_games"
    query["counterparty_id"] = partner.counterparty_id
    async with partner.stack.http.post(where, params=query, data=json.dumps(games)) as answer:
        assert answer.status == 200
    result = await run(partner.stack.folder, "game", "sync", "--provider", partner.provider, "--json")
    assert result.exit_code == ended, result.output
    return json.loads(result.stdout)


async def test_a_game_of_a_list_is_played_until_it_is_gone(stack: Stack) -> None:
    partner = await _listing_partner(stack)
    done = await _sync(partner, DICE, WHEEL)
    assert (done["outcome"], done["added"], done["changed"]) == ("synced", 1, 0)
    seat = NewSession(partner.provider, partner.casino, "wheel", "anna", "EUR")
    session = (await partner.sessions.open(seat))["session_id"]
    won, lost = partner.new_bet(), partner.new_bet()
    for bet in (won, lost):
        assert (await partner.pay_in(bet, session=session)).outcome == DONE
    assert (await _sync(partner, DICE))["gone"] == 1
    assert (await partner.pay_in(partner.new_bet(), session=session)).outcome == (7, "game_disabled")
    assert (await partner.pay_out(won, "25.00", session=session)).outcome == DONE
    assert (await partner.refund(lost, session=session)).outcome == DONE
    assert (await _sync(partner, DICE, WHEEL))["changed"] == 1
    assert (await partner.pay_in(partner.new_bet(), session=session)).outcome == DONE


async def test_a_sync_that_fails_or_is_held_says_so(stack: Stack) -> None:
    partner = await _listing_partner(stack)
    assert (await _sync(partner, DICE, ended=1, status="500"))["reason"] == "status"
    assert (await _sync(partner, ended=1))["outcome"] == "held"
    result = await run(stack.folder, "provider", "show", "--name", partner.provider, "--json")
    assert json.loads(result.stdout)["catalogue"]["outcome"] == "held"
    [game] = await partner.catalogue.games(partner.provider)
    assert game["offered"] is True


async def test_a_casino_keeps_a_copy_by_what_has_changed(stack: Stack) -> None:
    partner = await _listing_partner(stack, confirmation="accept")
    asked = {"partner_client_id": partner.partner_client_id}

    async def seen() -> tuple[int, dict[str, bool]]:
        found = await partner.at_casino("GET", "/_games", params=asked)
        ours = [game for game in found["games"] if game["Provider"] == partner.provider]
        return found["changed"], {game["Name"]: game["Enabled"] for game in ours}

    await _sync(partner, DICE, WHEEL)
    _, before = await seen()
    assert before == {"Dice": True, "Wheel": True}
    await _sync(partner, DICE)
    changed, after = await seen()
    # Tests beside this one change games of their own providers.
    assert 1 <= changed < len((await partner.at_casino("GET", "/_games", params=asked))["games"])
    assert after == {"Dice": True, "Wheel": False}
