"""What every message between API, workflow and activities is made of."""

from pydantic import BaseModel, ConfigDict

from betcore.money import Money


class Message(BaseModel):
    """Base of all messages. Unknown fields are ignored: an older worker can read a newer message."""

    model_config = ConfigDict(frozen=True)

    def facts(self) -> dict[str, str]:
        """What it says of the bet, in words, for one side of an incident; a repeat says the same. No personal data."""
        left_out = {"policy", "answer_by", "settle_by", "partner_user_id", "resumed", "after_pay_out", "reversal"}
        left_out.add("handed_on")
        given = {"call": getattr(self, "name", None)}
        given |= {name: getattr(self, name) for name in type(self).model_fields if name not in left_out}
        return {
            name: f"{value.currency} {value}" if isinstance(value, Money) else str(value)
            for name, value in given.items()
            if value is not None
        }
