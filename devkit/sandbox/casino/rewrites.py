"""The same answer in other forms: JSON with other types than the reference's, as casinos send it, or dirty text.

Each function takes the fields of one answer, of one item of a list, or of one Accept, and returns them as another
casino would have written them. No value changes.
"""

from collections.abc import Callable

Fields = dict[str, object]

# Longer than any id, and shorter than a body may be.
_LONG = 20_000


def other_types(fields: Fields) -> Fields:
    """Return the fields with ids as strings, the amount of a debit negative, and two decimals more on every amount."""
    changed = dict(fields)
    debit = str(fields.get("TransactionType", "")).startswith("-")
    for name in ("BetId", "CashbackId", "TransactionType", "ErrorCode"):
        if name in fields:
            changed[name] = str(fields[name])
    if "Amount" in fields:
        changed["Amount"] = f"{'-' if debit else ''}{_longer(str(fields['Amount']))}"
    if isinstance(fields.get("Balance"), str):
        changed["Balance"] = _longer(str(fields["Balance"]))
    return changed


def dirty_texts(fields: Fields) -> Fields:
    """Return the fields with texts that PostgreSQL, JSON and people's screens cannot take as they are."""
    dirt: Fields = {"Message": "**done** <b>\x00\ud83d</b>"}
    if fields.get("PartnerTransactionId") is not None:
        dirt["PartnerTransactionId"] = f"{fields['PartnerTransactionId']}\x00\ud83d{'x' * _LONG}"
    return fields | dirt


def rewrite_items(value: object, rewrite: Callable[[Fields], Fields]) -> object:
    """Return the Value of an answer, each of its items changed; an empty list as an empty object."""
    match value:
        case dict():
            return rewrite(value)
        case list():
            return [rewrite(item) for item in value] or {}
        case other:
            return other


def _longer(amount: str) -> str:
    return f"{amount}00" if "." in amount else f"{amount}.00"
