"""Tasks that several callers wait for, or none."""

import asyncio
from typing import Any


def retrieve(done: "asyncio.Future[Any]") -> None:
    """Look at the error of what is done, as a callback, so that asyncio does not complain if every caller has gone."""
    if not done.cancelled():
        done.exception()
