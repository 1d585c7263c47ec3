"""The answer of the readers of requests to every body of the table, compared with the recorded one."""

import json

import pytest

from tests.api import bodies

RECORDED = json.loads(bodies.FILE.read_text())


@pytest.fixture(scope="module")
def answers() -> bodies.Answers:
    return bodies.answers()


@pytest.mark.parametrize("reader", RECORDED)
def test_every_body_is_answered_as_recorded(answers: bodies.Answers, reader: str) -> None:
    assert answers[reader] == RECORDED[reader]


def test_every_reader_is_recorded(answers: bodies.Answers) -> None:
    assert set(answers) == set(RECORDED)
