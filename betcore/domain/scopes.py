"""What an access token of a casino is good for. Pure."""

from collections.abc import Sequence
from typing import Literal, get_args

from betcore.domain.errors import ScopeMissing

Scope = Literal["payments", "games", "launch", "feed"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


def granted(held: Sequence[Scope], asked: str | None) -> str:
    """Return the scopes of a new access token, separated by blanks: those asked for that the casino holds, or all.

    Raises ScopeMissing if it holds none of them.
    """
    scopes = [scope for scope in held if asked is None or scope in asked.split()]
    if not scopes:
        raise ScopeMissing("the casino holds none of these scopes")
    return " ".join(scopes)
