"""The smallest workflow that prints money."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from betcore.domain.money import Money


@workflow.defn
class Printing:
    """Prints an amount."""

    @workflow.run
    async def run(self, money: Money) -> str:
        """Return the currency and the amount in major units."""
        return f"{money.currency} {money}"
