"""How the failure of an activity is told to Temporal: in one short text, which people can read in its UI."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from betcore.domain.casino_values import short


class ShortFailures(Interceptor):
    """Temporal leaves out a failure that is longer than 4 KiB, such as that of a database with its statement: what is
    raised in an activity goes to the log in full, and to Temporal in short."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Stand between an activity and its worker."""
        return _Shortened(super().intercept_activity(next))


class _Shortened(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except FailureError:
            # Ours, which are short, and Temporal's own.
            raise
        except Exception as error:
            activity.logger.warning("an activity failed", exc_info=error)
            raise ApplicationError(short(str(error)), type=type(error).__name__) from None
