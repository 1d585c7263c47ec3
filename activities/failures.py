"""Failures of activities, cut to a length that Temporal keeps and people can read in its UI."""

from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from betcore.domain.casino_values import short


class ShortFailures(Interceptor):
    """Shortens what activities raise; the log has it in full.

    Temporal drops the text of a failure above 4 KiB, such as that of a database error with its statement.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Return the link between the worker and an activity that shortens its failures."""
        return _Shortened(super().intercept_activity(next))


class _Shortened(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        try:
            return await super().execute_activity(input)
        except FailureError:
            # Those of this service are short, and Temporal's own are not to be changed.
            raise
        except Exception as error:
            activity.logger.warning("an activity failed", exc_info=error)
            raise ApplicationError(short(str(error)), type=type(error).__name__) from None
