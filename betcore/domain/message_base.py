"""The base of all messages between API, workflows and activities."""

from pydantic import BaseModel, ConfigDict

from betcore.domain.money import Money


class Message(BaseModel):
    """Base of all messages. Unknown fields are ignored, so that an older worker can read a newer message."""

    model_config = ConfigDict(frozen=True)

    def facts(self) -> dict[str, str]:
        """Return the fields that describe the bet, as texts, for one side of an incident.

        A repeated call gives the same facts. They hold no personal data.
        """
        left_out = {"policy", "answer_by", "settle_by", "partner_user_id", "resumed", "after_pay_out", "reversal"}
        left_out.add("handed_on")
        given = {"call": getattr(self, "name", None)}
        given |= {name: getattr(self, name) for name in type(self).model_fields if name not in left_out}
        return {
            name: f"{value.currency} {value}" if isinstance(value, Money) else str(value)
            for name, value in given.items()
            if value is not None
        }
