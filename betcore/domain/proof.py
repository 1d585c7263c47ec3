"""What proves later that a provider has sent a call: kept with the event that the call has caused."""

from typing import Literal

from betcore.domain.message_base import Message


class Proof(Message):
    """A signed call of a provider. With its body it shows who has sent it: the signature can be made anew.

    ``timestamp`` is what was signed: Unix time in milliseconds by the provider's clock. ``secret`` is which of the two
    secrets that were in force had made the signature; ``sorted`` says that it is of the body with sorted keys.
    """

    request_id: str
    timestamp: int
    body_sha256: str
    signature: str
    secret: Literal["current", "previous"]
    sorted: bool = False


def in_event(proof: Proof | None, name: str = "proof") -> dict[str, object]:
    """Return what the data of an event has of a proof: nothing without one, as of what an operator has decided."""
    return {} if proof is None else {name: proof.model_dump(exclude_defaults=True)}
