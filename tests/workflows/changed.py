"""Bets of later releases: a new step before the debit, with and without ``patched``, and one that fails."""

from collections.abc import Sequence

from temporalio import workflow

from workflows.bet import Bet
from workflows.reversal import Reversal
from workflows.sweep import Sweep

with workflow.unsafe.imports_passed_through():
    from betcore.domain.activity_inputs import Step
    from betcore.domain.bet import BetState
    from betcore.domain.messages import PayIn

A_THOUGHT = "a second's thought"


@workflow.defn(name="Bet")
class Changed(Bet):
    """Waits a second first, in open bets too: a release that must not be made."""

    @workflow.init
    def __init__(self, pay_in: PayIn) -> None:
        super().__init__(pay_in)

    @workflow.run
    async def run(self, pay_in: PayIn) -> BetState | None:
        """Run today's bet after a second."""
        await workflow.sleep(1)
        return await super().run(pay_in)


@workflow.defn(name="Bet")
class Patched(Bet):
    """Waits a second first if it was opened by this release."""

    @workflow.init
    def __init__(self, pay_in: PayIn) -> None:
        super().__init__(pay_in)

    @workflow.run
    async def run(self, pay_in: PayIn) -> BetState | None:
        """Run today's bet; a new one after a second."""
        if workflow.patched(A_THOUGHT):
            await workflow.sleep(1)
        return await super().run(pay_in)


@workflow.defn(name="Bet")
class Broken(Bet):
    """Fails when it is to pay."""

    @workflow.init
    def __init__(self, pay_in: PayIn) -> None:
        super().__init__(pay_in)

    @workflow.run
    async def run(self, pay_in: PayIn) -> BetState | None:
        """Run today's bet until money is owed."""
        return await super().run(pay_in)

    async def _credit(self, *_: object) -> Step:
        raise KeyError("unforeseen")


@workflow.defn(name="Thought")
class Thought:
    """The smallest workflow with a patch."""

    @workflow.run
    async def run(self) -> None:
        """Wait a moment."""
        if workflow.patched(A_THOUGHT):
            await workflow.sleep(0.01)


@workflow.defn(name="Thought")
class Thoughtless:
    """The same without it."""

    @workflow.run
    async def run(self) -> None:
        """Wait a moment."""
        await workflow.sleep(0.01)


def release(bet: type[Bet]) -> Sequence[type]:
    """Return the workflows of a worker with this bet."""
    return [bet, Reversal, Sweep]
