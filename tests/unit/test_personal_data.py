"""What people may read of messages in the Temporal UI: each field of each message is decided."""

from betcore.domain.personal_data import PERSONAL, READABLE, SEALED, without_personal_data
from tests.unit.test_wire_names import MESSAGES

# Of the SDK, of Sweep's result, and of Temporal's failures.
_NO_FIELDS = {"attention", "failing", "overdue", "stack_trace"}
WHAT_TO_DO = """
A field of a message is neither readable in the Temporal UI nor personal. Decide which it is: what names a player at
a casino, what a player has, and what is worth something to its reader is PERSONAL (betcore/domain/personal_data.py).
"""


def test_each_field_of_each_message_is_readable_or_personal() -> None:
    fields = {name for message in MESSAGES.values() if isinstance(message, dict) for name in message}
    assert fields - READABLE - PERSONAL == set(), WHAT_TO_DO
    assert (READABLE | PERSONAL) - fields == _NO_FIELDS
    assert set() == READABLE & PERSONAL


def test_what_is_personal_is_frozen() -> None:
    assert sorted(PERSONAL) == [
        "accepted_balance",
        "cancelled_balance",
        "closed_balance",
        "issued_balance",
        "partner_user_id",
        "promo_code",
        "session_id",
        "signature",
    ]


def test_what_is_personal_or_unknown_is_sealed_at_any_depth() -> None:
    money = {"minor": 1000, "currency": "EUR"}
    pay_in = {"partner_user_id": "anna", "stake": money, "promo_code": None, "e_mail": "a@b.example"}
    message = {"pay_in": pay_in, "record": {"accepted_balance": money, "state": "acceptance"}, "lines": ["a", "b"]}
    assert without_personal_data([message, "text", 3, None]) == [
        {
            "pay_in": {"partner_user_id": SEALED, "stake": money, "promo_code": None, "e_mail": SEALED},
            "record": {"accepted_balance": SEALED, "state": "acceptance"},
            "lines": ["a", "b"],
        },
        "text",
        3,
        None,
    ]


def test_facts_of_an_incident_are_read_by_their_names() -> None:
    incident = {
        "kind": "different_data",
        "ours": {"stake": "EUR 5.00", "session_id": "s"},
        "theirs": {"player": "anna"},
    }
    assert without_personal_data(incident) == {
        "kind": "different_data",
        "ours": {"stake": "EUR 5.00", "session_id": SEALED},
        "theirs": {"player": SEALED},
    }


def test_currencies_and_kinds_that_are_counted_are_shown() -> None:
    counted = {"approval_above": {"EUR": 100}, "kinds": {"missing_at_casino": 2}, "outcomes": {}}
    assert without_personal_data(counted) == counted
