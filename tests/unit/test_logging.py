"""Log lines: each is one JSON object on standard error, from any library, and has no secret."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from betcore.runtime.logging import configure_logging
from betcore.runtime.settings import Settings


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    handlers, level, configured = logging.root.handlers[:], logging.root.level, structlog.get_config()
    yield
    structlog.configure(**configured)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_our_lines_and_those_of_libraries_have_one_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    structlog.get_logger().info("ours", bet="bet-1")
    logging.getLogger("uvicorn.error").warning("their %s", "line")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["level"], ours["bet"]) == ("ours", "info", "bet-1")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("their line", "warning", "uvicorn.error")
    assert ours.keys() >= {"timestamp"} <= theirs.keys()


def test_the_level_holds_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings(log_level="warning"))
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    assert lines(capsys) == []


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_and_signatures_are_blotted_out_at_any_depth(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    configure_logging(Settings(log_json=as_json))
    structlog.get_logger().warning(
        "x", secret="hush", previous_secret="hush", headers=[{"X-Sign": "hush"}], x_sign="hush", signature="hush",
        settings={"a": {"api_key": "hush", "Authorization": "hush"}}, private_pem="hush", token="hush", kept="seen",
    )  # fmt: skip
    err = capsys.readouterr().err
    assert "hush" not in err
    assert "seen" in err


@pytest.mark.parametrize("as_json", [True, False])
def test_tracebacks_come_without_local_variables(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    configure_logging(Settings(log_json=as_json))
    secret = "hush"
    try:
        raise ValueError(len(secret))
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("x").exception("failed too")
    err = capsys.readouterr().err
    assert err.count("ValueError: 4") == 2
    assert "'hush'" not in err
