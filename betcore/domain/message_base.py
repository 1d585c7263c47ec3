"""The base of all messages between API, workflows and activities."""

from pydantic import BaseModel, ConfigDict

from betcore.domain.money import Money

# Fields that differ in a repeated call, that say how the bet is carried out, or that hold personal data.
_NO_FACTS = frozenset(
    {
        "policy",
        "answer_by",
        "settle_by",
        "partner_user_id",
        "resumed",
        "handed_on",
        "after_pay_out",
        "reversal",
        "proof",
        "limits",
        "win_limits",
    }
)


class Message(BaseModel):
    """Base of all messages. Unknown fields are ignored, so that an older worker can read a newer message."""

    # The message of a failure stands in Temporal: with the input in it, it would hold personal data.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    def facts(self) -> dict[str, str]:
        """Return the fields that describe the bet, as texts, for one side of an incident.

        A repeated call gives the same facts. They hold no personal data.
        """
        given = {"call": getattr(self, "event_type", None)}
        given |= {name: getattr(self, name) for name in type(self).model_fields if name not in _NO_FACTS}
        return {
            name: f"{value.currency} {value}" if isinstance(value, Money) else str(value)
            for name, value in given.items()
            if value is not None
        }
