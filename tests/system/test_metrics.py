"""What a running stack tells Prometheus: each process at its own address, each partner by its name."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.partner import PATIENCE, Stack, TestPartner, eventually


@dataclass(frozen=True)
class Scrape:
    """The samples of some processes, as one."""

    samples: list[Sample]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of this name that have these labels."""
        return sum(one.value for one in self.samples if one.name == name and labels.items() <= one.labels.items())


async def scraped(stack: Stack, addresses: Iterable[str]) -> Scrape:
    """Return what these processes say."""
    found: list[Sample] = []
    for address in addresses:
        async with stack.http.get(f"{address}/metrics") as answer:
            assert answer.status == 200
            for family in text_string_to_metric_families(await answer.text()):
                found += family.samples
    return Scrape(found)


async def test_workers_answer_whether_they_can_work(stack: Stack) -> None:
    assert len(stack.addresses["workers"]) == 2
    for address in stack.addresses["workers"]:
        async with stack.http.get(f"{address}/health/live") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "up"})
        async with stack.http.get(f"{address}/health/ready") as answer:
            assert await answer.json() == {"database": True, "temporal": True, "polling": True}


async def test_what_a_partner_does_is_counted_by_its_name(stack: Stack, partner: TestPartner) -> None:
    settled, returned = partner.new_bet(), partner.new_bet()
    for bet in (settled, returned):
        assert (await partner.pay_in(bet)).code == 1
    assert (await partner.pay_out(settled)).code == 1
    assert (await partner.refund(returned)).code == 1
    assert (await partner.pay_in(settled, "11.00")).code == 6
    of_provider = {"surface": "provider", "partner": partner.provider}
    api = await scraped(stack, [stack.addresses["api_inner"]])
    assert api.total("betcore_requests_total", **of_provider, operation="payIn", code="1") == 2
    assert api.total("betcore_requests_total", **of_provider, operation="payIn", code="6") == 1
    assert api.total("betcore_requests_total", **of_provider) == 5
    assert api.total("betcore_request_seconds_count", **of_provider) == 5
    of_casino = {"casino": partner.casino}
    ended = {"provider": partner.provider, **of_casino, "workflow_type": "Bet"}

    async def counted() -> bool:
        workers = await scraped(stack, stack.addresses["workers"])
        outcomes = [workers.total("betcore_ended_total", **ended, outcome=one) for one in ("settled", "refunded")]
        return outcomes == [1, 1] and workers.total("betcore_ended_total", **ended) == 2

    # The provider is answered before the workflow has ended.
    await eventually(counted, PATIENCE)
    workers = await scraped(stack, stack.addresses["workers"])
    made = {"call": "/payments/make", **of_casino}
    assert workers.total("betcore_casino_answers_total", **made, kind="ok") == 4
    assert workers.total("betcore_casino_seconds_count", **made) == 4
    # The SDK's own, at the same address.
    assert workers.total("temporal_workflow_completed_total", workflow_type="Bet") >= 2
    assert workers.total("temporal_num_pollers", task_queue="wallet") > 0


async def test_a_call_that_is_signed_wrongly_counts_for_no_partner(stack: Stack, partner: TestPartner) -> None:
    partner.secret = "wrong"
    assert (await partner.balance()).code == 8
    api = await scraped(stack, [stack.addresses["api_inner"]])
    assert api.total("betcore_requests_total", surface="provider", partner="", code="8") >= 1
    assert api.total("betcore_requests_total", partner=partner.provider) == 0


async def test_no_sample_names_a_bet_a_session_or_a_player(stack: Stack, partner: TestPartner) -> None:
    bet = partner.new_bet()
    assert (await partner.pay_in(bet)).code == 1
    texts = []
    for address in [stack.addresses["api_inner"], stack.addresses["feed_inner"], *stack.addresses["workers"]]:
        async with stack.http.get(f"{address}/metrics") as answer:
            texts.append(await answer.text())
    query = """SELECT player_ref FROM player JOIN casino USING (casino_id) WHERE name = :name"""
    [player] = await partner.sql(query, name=partner.casino)
    row = await partner.row(bet)
    for hidden in (bet, partner.session_id, str(row.bet_id), str(player.player_ref)):
        assert not any(hidden in text for text in texts)


async def test_open_money_is_in_the_metrics_of_the_api(stack: Stack, partner: TestPartner) -> None:
    assert (await partner.pay_in(partner.new_bet(), "12.34")).code == 1
    about = {"subject": "bet", "provider": partner.provider, "casino": partner.casino, "currency": "EUR"}

    async def shown() -> bool:
        found = await scraped(stack, [stack.addresses["api_inner"]])
        return found.total("betcore_open_minor_units", **about, status="open") == 1234

    # It is added up once in fifteen seconds.
    await eventually(shown, PATIENCE)
    found = await asyncio.gather(*(scraped(stack, [stack.addresses["api_inner"]]) for _ in range(3)))
    assert [one.total("betcore_open", **about) for one in found] == [1, 1, 1]
