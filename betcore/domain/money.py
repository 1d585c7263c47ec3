"""Money: an integer of minor units and its currency. Decimals exist only while it is parsed or printed."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from betcore.domain.currencies import decimals
from betcore.domain.errors import Malformed

# An amount on the wire, in major units: no sign, no exponent, no leading zero, fifteen digits before the point.
AMOUNT = re.compile(r"(0|[1-9][0-9]{0,14})(?:\.([0-9]+))?")
# The column is numeric(38,0). An amount of the wire has at most 15 + 18 digits, so no sum of them overflows it.
MAX_MINOR = 10**38 - 1


class Money(BaseModel):
    """An amount of money, never negative. A movement's TransactionType gives its direction."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    minor: Annotated[int, Field(ge=0, le=MAX_MINOR)]
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Return the amount that a text of the wire gives in major units.

        Raises Malformed for anything but plain digits, and for more decimals than the currency has: nothing is rounded.
        """
        found = AMOUNT.fullmatch(text)
        if found is None:
            raise Malformed("an amount is digits with an optional fraction")
        whole, fraction = found[1], found[2] or ""
        places = decimals(currency)
        if len(fraction) > places:
            raise Malformed(f"{currency} has {places} decimals")
        return cls(minor=int(whole + fraction.ljust(places, "0")), currency=currency)

    def __str__(self) -> str:
        """Return major units with all decimals of the currency: ``10.00``."""
        places = decimals(self.currency)
        digits = str(self.minor).rjust(places + 1, "0")
        return f"{digits[:-places]}.{digits[-places:]}" if places else digits

    def as_json_number(self) -> str:
        """Return major units as a JSON number without trailing zeros: ``125.5``."""
        text = str(self)
        return text.rstrip("0").rstrip(".") if "." in text else text

    def __lt__(self, other: "Money") -> bool:
        """Compare amounts of one currency. Raises ValueError for two currencies."""
        if self.currency != other.currency:
            raise ValueError(f"cannot compare {self.currency} with {other.currency}")
        return self.minor < other.minor


def minor_units(value: Decimal | int) -> int:
    """Return a numeric(38,0) of the database as an integer. Raises ValueError if it has a fraction."""
    whole = int(value)
    if whole != value:
        raise ValueError(f"{value} is not a whole number of minor units")
    return whole
