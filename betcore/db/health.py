"""Stub."""

from typing import Any


class Health:
    def __init__(self, engine: Any) -> None: ...
