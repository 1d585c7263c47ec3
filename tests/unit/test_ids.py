"""Identities and their inverses."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betcore.ids import BetKey, bet_workflow_id, parse_bet_workflow_id


@given(st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True))
def test_a_workflow_id_tells_its_bet(provider_bet_id: str) -> None:
    key = BetKey(str(uuid4()), provider_bet_id)
    assert parse_bet_workflow_id(bet_workflow_id(key)) == key


@pytest.mark.parametrize("other", ["", "bet:x", "resume:1:2", "reversal:a:b"])
def test_another_workflow_id_is_refused(other: str) -> None:
    with pytest.raises(ValueError):
        parse_bet_workflow_id(other)
