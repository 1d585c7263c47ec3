"""A message that is not encrypted for its workflow, or names another bet, moves no money and blocks no workflow."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.fernet import Fernet, MultiFernet
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from betcore.domain.bet import BetState, ReversalState
from betcore.domain.errors import Code
from betcore.domain.ids import BETS_QUEUE, BetKey, TransactionType, reversal_workflow_id
from betcore.domain.messages import Action, Operate, PayIn
from betcore.runtime.settings import Settings
from betcore.temporal.client import data_converter
from tests.in_process_casino import InProcessCasino, open_casino
from tests.partner import eventually
from tests.workflows.bets import Handle, begin, start, update, working
from workflows.releases.registry import WORKFLOWS
from workflows.releases.replay import replay
from workflows.reversal import Reversal

KEY, NEWER = (Fernet.generate_key().decode() for _ in range(2))
WON = [(-1, "10.00"), (1, "25.00")]


def _converter(keys: str = KEY, *, plaintext: bool = False) -> Any:
    return data_converter(Settings(temporal_payload_key=SecretStr(keys), temporal_plaintext=plaintext))


async def _client(address: str, keys: str = KEY, *, plaintext: bool = False) -> Client:
    return await Client.connect(address, data_converter=_converter(keys, plaintext=plaintext))


class _Fernets(PayloadCodec):
    """The codec of earlier releases."""

    def __init__(self) -> None:
        self._fernet = MultiFernet([Fernet(KEY)])

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(
                metadata={"encoding": b"binary/encrypted-fernet"},
                data=self._fernet.encrypt(payload.SerializeToString()),
            )
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(self._fernet.decrypt(payload.data)) for payload in payloads]


async def _old_client(address: str) -> Client:
    converter = dataclasses.replace(
        pydantic_data_converter,
        payload_codec=_Fernets(),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
    return await Client.connect(address, data_converter=converter)


async def _open_bet(client: Client, casino: InProcessCasino, bet: PayIn | None = None) -> tuple[PayIn, Handle]:
    bet = bet or await casino.pay_in()
    record, handle = await start(client, bet)
    assert record.state is BetState.ACCEPTANCE
    await casino.calls.mark_told(record.bet_id, "r")
    return bet, handle


async def _win(casino: InProcessCasino, handle: Handle, bet: PayIn) -> None:
    assert (await update(handle, "pay_out", casino.pay_out(bet, "25.00"))).state is BetState.SETTLED


async def _payload_of(handle: Handle, name: str) -> Payload:
    """Return the argument of a signal as the history of a workflow has it."""
    for event in (await handle.fetch_history()).events:
        signal = event.workflow_execution_signaled_event_attributes
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED and signal.signal_name == name:
            return signal.input.payloads[0]
    raise AssertionError(f"no signal {name}")


@pytest.mark.edge_case(102)
async def test_what_was_not_encrypted_for_a_bet_moves_nothing_and_blocks_nothing(
    database_url: str, temporal_address: str
) -> None:
    ours, plain = (
        await _client(temporal_address),
        await Client.connect(temporal_address, data_converter=pydantic_data_converter),
    )
    async with open_casino(database_url) as casino, working(ours, casino):
        bet, handle = await _open_bet(ours, casino)
        twin, of_twin = await _open_bet(ours, casino, await casino.pay_in(round_id=bet.round_id))
        strange = plain.get_workflow_handle(handle.id)
        await of_twin.signal("pay_out", casino.pay_out(twin, "25.00"))
        copied = await _payload_of(of_twin, "pay_out")
        for forged in (
            casino.pay_out(bet, "777.00"),
            RawValue(copied),
            RawValue(Payload(metadata={"encoding": b"binary/encrypted-aes-gcm"}, data=b"x")),
            RawValue(Payload(metadata={"encoding": b"binary/encrypted-aes-gcm"}, data=copied.data[:-1] + b"\0")),
            RawValue(Payload(metadata={"encoding": b"binary/encrypted-fernet"}, data=b"x" * 80)),
            RawValue(Payload(metadata={}, data=b"{}")),
        ):
            await strange.signal("pay_out", forged)
            await strange.signal("refund", forged)
            for name in ("pay_out", "refund", "operate"):
                with pytest.raises(WorkflowUpdateFailedError):
                    await strange.execute_update(name, forged)
        for lacking in ("pay_out", "refund", "accept"):
            await strange.signal(lacking)
            await strange.signal(lacking, args=["more", "than one"])
        assert [one for one in await casino.journal() if one[0] > 0] == [(1, "25.00")]  # the twin's
        await _win(casino, handle, bet)
        assert sorted(await casino.journal()) == sorted(WON * 2)


@pytest.mark.edge_case(102)
async def test_a_workflow_that_is_started_in_plaintext_moves_nothing(database_url: str, temporal_address: str) -> None:
    ours = await _client(temporal_address)
    plain = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    async with open_casino(database_url) as casino, working(ours, casino):
        bet = await casino.pay_in()
        handle = await begin(plain, bet)
        await eventually(lambda: _task_failed(handle))
        assert await casino.row(bet) is None
        assert await casino.journal() == []


@pytest.mark.edge_case(102)
async def test_every_part_of_a_bet_is_encrypted_and_its_history_replays(
    database_url: str, temporal_address: str
) -> None:
    ours = await _client(temporal_address)
    async with open_casino(database_url) as casino, working(ours, casino):
        # The slow lane, with failures, and a reversal that the bet starts as its child.
        lost = {"kind": "lost", "path": "/payments/make", "transaction_type": 1, "times": 5}
        await casino.faults(lost, {"kind": "error", "path": "/payments/info"})
        bet = await casino.pay_in_out()
        handle = await begin(ours, bet)
        await eventually(lambda: _sent(casino, 3))
        await handle.signal("refund", casino.refund(bet))
        await handle.result()
        reversal = ours.get_workflow_handle(reversal_workflow_id(BetKey(bet.counterparty_id, bet.provider_bet_id)))

        async def reversed_() -> bool:
            try:
                return bool(await reversal.result())
            except RPCError:
                return False

        await eventually(reversed_)
        assert await casino.journal() == [*WON, (-2, "25.00"), (2, "10.00")]
        for one in (handle, reversal):
            history = await one.fetch_history()
            assert "anna" not in history.to_json()
            found = await replay(history, WORKFLOWS, _converter())
            assert found.complaint is None, found.complaint


@pytest.mark.edge_case(102)
async def test_a_bet_of_the_release_before_goes_on(database_url: str, temporal_address: str) -> None:
    old, new = await _old_client(temporal_address), await _client(temporal_address)
    async with open_casino(database_url) as casino:
        async with working(old, casino):
            bet, handle = await _open_bet(old, casino)
            over, ended = await _open_bet(old, casino)
            await _win(casino, ended, over)
        async with working(new, casino):
            await _win(casino, new.get_workflow_handle(handle.id), bet)
        assert await casino.journal() == [(-1, "10.00"), *WON, (1, "25.00")]
        for one in (handle, ended):
            found = await replay(await one.fetch_history(), WORKFLOWS, _converter())
            assert found.complaint is None, found.complaint


@pytest.mark.edge_case(102)
async def test_keys_are_rotated_with_bets_open_and_a_lost_key_comes_back(
    database_url: str, temporal_address: str
) -> None:
    before, after = await _client(temporal_address), await _client(temporal_address, f"{NEWER},{KEY}")
    without = await _client(temporal_address, NEWER)
    async with open_casino(database_url) as casino:
        async with working(before, casino):
            bet, handle = await _open_bet(before, casino)
            other, waits = await _open_bet(before, casino)
        async with working(after, casino):
            await _win(casino, after.get_workflow_handle(handle.id), bet)
        async with working(without, casino):
            await without.get_workflow_handle(waits.id).signal("refund", casino.refund(other))
            await eventually(lambda: _task_failed(waits))
            assert len(await casino.journal()) == 3
        async with working(after, casino):
            refunded = await update(after.get_workflow_handle(waits.id), "refund", casino.refund(other))
            assert refunded.state is BetState.REFUNDED


@pytest.mark.edge_case(102)
async def test_encryption_is_turned_on_with_bets_open(database_url: str, temporal_address: str) -> None:
    plain = await Client.connect(temporal_address, data_converter=pydantic_data_converter)
    turning = await _client(temporal_address, plaintext=True)
    async with open_casino(database_url) as casino:
        async with working(plain, casino):
            bet, handle = await _open_bet(plain, casino)
        async with working(turning, casino):
            await _win(casino, turning.get_workflow_handle(handle.id), bet)


async def _sent(casino: InProcessCasino, times: int, movement: int = TransactionType.PAY_OUT) -> bool:
    return (await casino.attempts()).get(movement, 0) >= times


async def _task_failed(handle: Handle) -> bool:
    history = await handle.fetch_history()
    return any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED for event in history.events)


# A message of our own for another bet


@pytest.mark.edge_case(102)
async def test_a_message_that_names_another_bet_is_refused(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet, handle = await _open_bet(temporal, casino)
        twin, _ = await _open_bet(temporal, casino, await casino.pay_in(round_id=bet.round_id))
        of_twin = BetKey(twin.counterparty_id, twin.provider_bet_id)
        for name, call in (("pay_out", casino.pay_out(bet, "25.00")), ("refund", casino.refund(bet))):
            wrong = call.model_copy(update={"bet": of_twin})
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(name, wrong, id="wrong")
            assert isinstance(refused.value.cause, ApplicationError)
            assert refused.value.cause.type == Code.DIFFERENT_DATA
            await handle.signal(name, wrong)
        order = Operate(action=Action.VOID, operator="ann", reason="a test", bet_id=(await casino.row(twin)).bet_id)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("operate", order)
        assert "the action is for bet" in str(refused.value.cause)
        right = casino.pay_out(bet, "25.00").model_copy(
            update={"bet": BetKey(bet.counterparty_id, bet.provider_bet_id)}
        )
        assert (await update(handle, "pay_out", right)).state is BetState.SETTLED
        assert sorted(await casino.journal()) == sorted([(-1, "10.00"), *WON])
        # The answer does not wait for incidents, the workflow's end does.
        assert await handle.result() is BetState.SETTLED
        assert [incident.kind for incident in await casino.incidents()] == ["different_data"] * 2


@pytest.mark.edge_case(102)
async def test_a_reversal_answers_no_refund_of_another_bet(database_url: str, temporal: Client) -> None:
    async with open_casino(database_url) as casino, working(temporal, casino):
        bet = await casino.pay_in_out()
        settled, _ = await start(temporal, bet)
        await casino.faults({"kind": "drop", "path": "/payments/make", "transaction_type": -2})
        reversal = await temporal.start_workflow(
            Reversal.run,
            casino.reverse(bet, settled),
            id=reversal_workflow_id(BetKey(bet.counterparty_id, bet.provider_bet_id)),
            task_queue=BETS_QUEUE,
        )
        await eventually(lambda: _sent(casino, 3, TransactionType.PAY_OUT_RETURN))
        wrong = casino.refund(bet).model_copy(update={"bet": BetKey(bet.counterparty_id, "another")})
        with pytest.raises(WorkflowUpdateFailedError):
            await reversal.execute_update("refund", wrong, id="wrong")
        await casino.faults()
        assert await reversal.result() is ReversalState.REVERSED
