"""Codes of commands are an interface: operators' scripts read them. They are frozen here, with their class."""

import json
from collections.abc import Iterator
from typing import get_args

import pytest
import typer

from betcore.cli.output import reporting_errors
from betcore.domain import errors
from betcore.domain.errors import (
    BetcoreError,
    ConfigurationCode,
    FailureCode,
    InputCode,
    InvalidInput,
    Misconfigured,
    NotFound,
    PlayCode,
    PlayRefused,
    PreconditionCode,
    PreconditionFailed,
    Unavailable,
)

CODES = {
    PlayRefused: "token_invalid player_blocked casino_disabled game_unavailable provider_unavailable "
    "casino_unavailable currency_unsupported limits_empty session_expired",
    InvalidInput: "invalid_name invalid_address invalid_profile invalid_limits invalid_overlap invalid_mode "
    "invalid_time invalid_window invalid_folder invalid_file invalid_kind invalid_operation unknown_currency "
    "not_supported",
    PreconditionFailed: "already_exists provider_disabled provider_suspended casino_disabled game_disabled "
    "game_gone currency_unsupported limits_empty operation_refused",
    Misconfigured: "invalid_settings tls_refused no_database no_temporal no_secret_key wrong_secret_key no_signing_key",
    Unavailable: "unreachable database_refused ended unknown",
}
TYPES = {
    PlayRefused: PlayCode,
    InvalidInput: InputCode,
    PreconditionFailed: PreconditionCode,
    Misconfigured: ConfigurationCode,
    Unavailable: FailureCode,
}


def _each() -> Iterator[BetcoreError]:
    yield NotFound("why")
    for refusal, codes in CODES.items():
        for code in codes.split():
            yield refusal("why", code=code)


@pytest.mark.parametrize("refusal", CODES, ids=lambda refusal: refusal.__name__)
def test_a_class_keeps_its_codes(refusal: type[BetcoreError]) -> None:
    assert list(get_args(TYPES[refusal])) == CODES[refusal].split()


def test_the_drawn_tree_has_every_class_and_every_code() -> None:
    words = set((errors.__doc__ or "").replace(",", " ").split())
    assert {type(error).__name__ for error in _each()} | {error.code for error in _each()} <= words


@pytest.mark.parametrize("error", list(_each()), ids=lambda error: error.code)
def test_a_command_prints_the_code_and_exits_with_status_1(
    error: BetcoreError, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as end, reporting_errors(as_json=True):
        raise error
    assert end.value.exit_code == 1
    assert json.loads(capsys.readouterr().out) == {"error": {"code": error.code, "message": "why"}}
    with pytest.raises(typer.Exit), reporting_errors(as_json=False):
        raise error
    assert capsys.readouterr().err == f"error: why ({error.code})\n"
