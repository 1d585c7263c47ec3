"""For whom a payload of Temporal is encrypted: its workflow, or the schedule that has started its workflow."""

import pytest
from cryptography.fernet import Fernet
from temporalio.api.common.v1 import Payload
from temporalio.converter import WorkflowSerializationContext

from betcore.domain.ids import BetKey, bet_workflow_id, catalogue_workflow_id, schedule_of
from betcore.temporal.payload_encryption import Encryption, named_workflow

_PROVIDER, _AT = "8d0e36a1-0000-4000-8000-000000000001", "2026-11-27T11:00:00Z"
_CATALOGUE = catalogue_workflow_id(_PROVIDER)
_PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b"1")
_CODEC = Encryption(Fernet.generate_key().decode())


def _of(workflow_id: str) -> Encryption:
    return _CODEC.with_context(WorkflowSerializationContext("default", workflow_id))


async def _reads(reader: str, writer: str) -> bool:
    return await _of(reader).decode(await _of(writer).encode([_PLAIN])) == [_PLAIN]


@pytest.mark.edge_case(102)
async def test_a_scheduled_workflow_reads_its_schedules_argument_and_the_result_of_the_run_before() -> None:
    for schedule in (_CATALOGUE, "jackpots", "cashback-rules"):
        assert await _reads(f"{schedule}-{_AT}", schedule)
        assert await _reads(f"{schedule}-{_AT}", f"{schedule}-2026-11-27T10:45:00Z")
    assert not await _reads(f"{_CATALOGUE}-{_AT}", "jackpots")
    assert not await _reads(f"{_CATALOGUE}-{_AT}", catalogue_workflow_id(_PROVIDER[:-1] + "2"))
    assert not await _reads(f"{_CATALOGUE}:1", _CATALOGUE)


@pytest.mark.edge_case(102)
async def test_no_bet_is_taken_for_a_scheduled_workflow() -> None:
    bet = bet_workflow_id(BetKey(_PROVIDER, "b"))
    assert not await _reads(f"{bet}-{_AT}", bet)
    assert not await _reads(bet, f"{bet}-{_AT}")
    assert schedule_of(f"bet:{_AT}-{_AT}") == f"bet:{_AT}-{_AT}"
    assert schedule_of(f"resume:7:1-{_AT}") == f"resume:7:1-{_AT}"


@pytest.mark.edge_case(102)
async def test_what_a_payload_names_decides_for_no_worker() -> None:
    (copied,) = await _of("bet:a").encode([_PLAIN])
    assert named_workflow(copied) == "bet:a"
    assert await _of("bet:b").decode([copied]) != [_PLAIN]
    renamed = Payload(metadata={**copied.metadata, "workflow-id": b"bet:b"}, data=copied.data)
    assert await _of("bet:b").decode([renamed]) != [_PLAIN]
    assert await _of("bet:a").decode([renamed]) == [_PLAIN]


@pytest.mark.edge_case(102)
async def test_what_an_earlier_release_bound_to_a_scheduled_workflow_is_read() -> None:
    one = f"jackpots-{_AT}"
    earlier = Encryption.of_workflow(_CODEC, "")
    earlier._bind(one)
    assert await _of(one).decode(await earlier.encode([_PLAIN])) == [_PLAIN]
