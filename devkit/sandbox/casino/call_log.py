"""The calls that arrived at surface C, as ``GET /_calls`` shows them."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

_T = TypeVar("_T", int, str, bool)
_OF_MOVEMENT = (
    *("bet_id", "transaction_type", "amount", "partner_user_id", "transaction_id"),
    *("tax_amount", "promo_code", "tag_id"),
)


@dataclass
class Call:
    """One call.

    ``wallet_code`` is what the wallet decided (None: not asked), ``answer_code`` what the caller was answered (None:
    nothing that could be read), ``status`` the HTTP status of the answer, ``fault`` the kind that met it. ``items`` are
    the movements of a list; ``bet_id`` may be a CashbackId.
    """

    path: str
    bet_id: int | None = None
    transaction_type: int | None = None
    amount: str | None = None
    partner_user_id: str | None = None
    transaction_id: str | None = None
    tax_amount: str | None = None
    promo_code: str | None = None
    tag_id: int | None = None
    extra_data: str | None = None
    closed: bool | None = None
    jti: str | None = None
    fault: str | None = None
    wallet_code: int | None = None
    answer_code: int | None = None
    status: int | None = None
    items: "tuple[Call, ...]" = ()
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def movements(self) -> "tuple[Call, ...]":
        """Return what the call is about: the items of a list, else the call itself."""
        return self.items or (self,)

    def show(self) -> dict[str, Any]:
        """Return the call as JSON can carry it; of an item its movement."""
        items = [{name: getattr(item, name) for name in _OF_MOVEMENT} for item in self.items]
        return asdict(self) | {"items": items, "at": self.at.isoformat()}


def read_call(path: str, data: str, jti: str) -> Call:
    """Return what can be read of a call whose data is not checked yet; fields of a wrong type are left out."""
    try:
        seen = json.loads(data)
    except ValueError:
        seen = None
    if isinstance(seen, list):
        items = tuple(_read(path, one, jti) for one in seen if isinstance(one, dict))
        return Call(path, jti=jti, items=items)
    return _read(path, seen if isinstance(seen, dict) else {}, jti)


def _read(path: str, seen: dict[str, Any], jti: str) -> Call:
    return Call(
        path,
        bet_id=_typed(seen, "CashbackId" if "CashbackId" in seen else "BetId", int),
        transaction_type=_typed(seen, "TransactionType", int),
        amount=_typed(seen, "Amount", str),
        partner_user_id=_typed(seen, "PartnerUserId", str),
        transaction_id=_typed(seen, "TransactionId", str),
        tax_amount=_typed(seen, "TaxAmount", str),
        promo_code=_typed(seen, "PromoCode", str),
        tag_id=_typed(seen, "TagId", int),
        extra_data=_typed(seen, "ExtraData", str),
        closed=_typed(seen, "Closed", bool),
        jti=jti,
    )


def _typed(seen: dict[str, Any], name: str, kind: type[_T]) -> _T | None:
    value = seen.get(name)
    # Not isinstance: to Python true is an int.
    return value if type(value) is kind else None
