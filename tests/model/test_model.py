"""The model and the service do the same things, and agree. ``--soak`` gives them half an hour."""

import asyncio
import secrets
import threading
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.replay import as_text
from tests.model.script import Enough, Trials
from tests.partner import start_stack

_SHORT, _SOAK = 30, 1800  # seconds
_STEPS, _EXAMPLES = 14, 1_000_000


@pytest.fixture
def trials(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Trials]:
    """A stack for all examples. Hypothesis is synchronous: what it asks for runs on a loop in a thread."""
    seconds = _SOAK if request.config.getoption("--soak") else _SHORT
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    stack = start_stack(tmp_path / "stack", "--processes", "1", BETCORE_SWEEP_SECONDS="2")
    try:
        yield Trials(run, run(stack.__aenter__()), seconds)
    finally:
        run(stack.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_service_and_model_agree(trials: Trials, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = secrets.randbits(32)

    class Example(Machine):
        pass

    Example.trials = trials
    report = ""
    with suppress(Enough):
        try:
            run_state_machine_as_test(
                seed(chosen)(Example),
                settings=settings(
                    max_examples=_EXAMPLES,
                    stateful_step_count=_STEPS,
                    deadline=None,
                    print_blob=True,
                    verbosity=Verbosity.quiet,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.reuse, Phase.generate, Phase.shrink],
                ),
            )
        except Exception as error:
            if not trials.script:
                raise
            report = "\n".join(getattr(error, "__notes__", []))
    with capsys.disabled():
        print(f"\nmodel: seed {chosen}, {trials.examples} examples")  # noqa: T201
        for name, counted in (("steps", trials.counts), ("answers", trials.answers), ("ends", trials.ends)):
            print(f"{name}: " + ", ".join(f"{what}: {count}" for what, count in sorted(counted.items())))  # noqa: T201
    if trials.script:
        file = trials.keep(tmp_path)
        after = f"found after {(trials.failed_at or 0) - trials.began:.0f} s"
        pytest.fail(
            f"{trials.why}\n{after}, seed {chosen}\n{report}\n\n{as_text(trials.script)}\n\n{file}", pytrace=False
        )
