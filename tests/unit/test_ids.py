"""Identities and their inverses."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betcore.domain.ids import BetKey, current_bet_workflow_id, current_reversal_workflow_id, parse_workflow_id


@given(st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True), st.integers(1, 2**62), st.integers(0, 9))
def test_a_workflow_id_names_its_bet(provider_bet_id: str, bet_id: int, lives: int) -> None:
    key = BetKey(str(uuid4()), provider_bet_id)
    for current_id in (current_bet_workflow_id, current_reversal_workflow_id):
        assert parse_workflow_id(current_id(key, bet_id, lives)) == (bet_id if lives else key)


@pytest.mark.parametrize(
    "other", ["", "bet:x", "bet:x:y", "sweep:1:2", "resume:x:1", "resume:-1:1", f"resume:{2**63}:1"]
)
def test_another_workflow_id_is_refused(other: str) -> None:
    with pytest.raises(ValueError):
        parse_workflow_id(other)
