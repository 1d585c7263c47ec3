"""Edge case 261: what a provider has sent is kept with the event that it has caused."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest

from betcore.provider import xsign
from tests.partner import Stack, TestPartner
from tests.system.scenarios import DONE


async def proofs(partner: TestPartner, bet: str) -> dict[str, dict[str, Any] | None]:
    """Return the proof that each event of a bet has, by the event's kind."""
    row = await partner.row(bet)
    found = await partner.sql("SELECT kind, data -> 'proof' AS proof FROM bet_event WHERE bet_id = :b", b=row.bet_id)
    return {event.kind: event.proof for event in found}


async def signed(partner: TestPartner, operation: str, body: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Send a call, and return its body and headers."""
    raw = xsign.compact(body)
    headers = xsign.headers(partner.secret, partner.counterparty_id, raw)
    path = f"/v1/sessions/{partner.session_id}/bets/{operation}"
    assert (await partner.call("POST", path, raw, headers)).outcome == DONE
    return raw, headers


@pytest.mark.edge_case(261)
async def test_the_body_and_the_proof_show_who_has_sent_a_call(stack: Stack) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    stake = await signed(partner, "pay-in", {"betId": bet, "betAmount": "10.00", "gameRoundId": "r"})
    win = await signed(partner, "pay-out", {"betId": bet, "winAmount": "25.00", "gameRoundId": "r"})
    await signed(partner, "pay-out", {"betId": bet, "winAmount": "25.00", "gameRoundId": "r"})
    kept = await proofs(partner, bet)
    assert {kind for kind, proof in kept.items() if proof} == {"pay_in", "pay_out"}
    for (body, headers), kind in ((stake, "pay_in"), (win, "pay_out")):
        proof = kept[kind]
        assert proof == {
            "request_id": headers[xsign.REQUEST_ID],
            "timestamp": int(headers[xsign.TIMESTAMP]),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "signature": headers[xsign.SIGNATURE],
            "secret": "current",
        }
        head = (partner.counterparty_id, str(proof["timestamp"]), proof["request_id"])
        assert xsign.sign(partner.secret, *head, body) == proof["signature"]


@pytest.mark.edge_case(261)
async def test_a_refund_and_a_tombstone_have_their_proof(stack: Stack) -> None:
    partner = await stack.partner()
    bet, unseen = partner.new_bet(), partner.new_bet()
    assert (await partner.pay_in(bet)).outcome == DONE
    for one in (bet, unseen):
        await signed(partner, "refund", {"betId": one})
    assert (await proofs(partner, bet))["refund"]
    assert (await proofs(partner, unseen))["tombstone"]


@pytest.mark.edge_case(261)
async def test_the_refund_that_reverses_a_bet_has_its_proof(stack: Stack) -> None:
    partner = await stack.partner()
    bet = partner.new_bet()
    assert (await partner.pay_in_out(bet)).outcome == DONE
    assert (await partner.refund(bet)).outcome == DONE
    kept = await proofs(partner, bet)
    assert kept["pay_in_out"]
    assert kept["reversal"]


@pytest.mark.edge_case(261)
async def test_the_proof_says_if_the_previous_secret_has_signed(stack: Stack) -> None:
    partner = await stack.partner(provider="signature: raw_or_sorted")
    await partner.onboarding.rotate_secret("provider", partner.provider, 3600)
    before, bet = datetime.now(UTC), partner.new_bet()
    raw = b'{"gameRoundId": "r", "betAmount": "10.00", "betId": "%b"}' % bet.encode()
    in_order = xsign.compact({"gameRoundId": "r", "betAmount": "10.00", "betId": bet})
    headers = xsign.headers(partner.secret, partner.counterparty_id, in_order)
    path = f"/v1/sessions/{partner.session_id}/bets/pay-in"
    assert (await partner.call("POST", path, raw, headers)).outcome == DONE
    proof = (await proofs(partner, bet))["pay_in"]
    assert proof is not None
    assert (proof["secret"], proof["sorted"]) == ("previous", True)
    assert proof["body_sha256"] == hashlib.sha256(raw).hexdigest()
    assert abs(proof["timestamp"] / 1000 - before.timestamp()) < 60
