"""The wallet's rules as functions, and amounts, for all that Hypothesis can think of."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from devkit.sandbox.casino.rules import Book, Entry, Movement, Player, Switches, Type, judge
from devkit.sandbox.casino.wire import Code, decimals_written, print_amount, read_amount

TIMES = datetime(2026, 1, 1, tzinfo=UTC)
AMOUNTS = st.integers(0, 10**20 - 1).map(lambda minor: Decimal(minor).scaleb(-2))
TYPES = st.sampled_from(Type)
PLAYERS = st.sampled_from(["alice", "bob"])


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    kinds = draw(st.lists(TYPES, unique=True))
    return [
        Entry(place, kind, draw(PLAYERS), draw(AMOUNTS), None, Decimal(0), TIMES) for place, kind in enumerate(kinds)
    ]


@st.composite
def books(draw: st.DrawFn) -> Book:
    player = Player("alice", "EUR", 2, draw(st.booleans()), draw(AMOUNTS))
    return Book(player, draw(entries()), draw(st.booleans()), draw(st.booleans()))


MOVEMENTS = st.builds(
    Movement, bet_id=st.just(1), type=TYPES, partner_user_id=st.just("alice"), amount=AMOUNTS, transaction_id=st.none()
)
SWITCHES = st.builds(Switches, repeats=st.sampled_from(["replay", "duplicate"]))


@given(MOVEMENTS, books(), SWITCHES)
def test_a_type_moves_money_at_most_once(movement: Movement, book: Book, switches: Switches) -> None:
    verdict = judge(movement, book, switches)
    assert not (verdict.move and book.first(movement.type))


@given(MOVEMENTS, books(), SWITCHES)
def test_money_moves_only_where_it_is_and_where_it_may(movement: Movement, book: Book, switches: Switches) -> None:
    verdict = judge(movement, book, switches)
    assert book.player is not None
    if verdict.move:
        assert not book.closed
        assert not movement.type.takes or book.player.balance >= movement.amount
        if movement.type is Type.STAKE:
            assert not book.player.blocked
            assert not book.void
        else:
            assert book.first(Type.STAKE, by="alice") or movement.type is Type.PAYOUT_RETURN
    assert verdict.move is (verdict.code is Code.SUCCESS and verdict.recorded is None)


@given(MOVEMENTS, books())
def test_a_repeat_hears_the_same_whatever_happened_since(movement: Movement, book: Book) -> None:
    assert book.player is not None
    recorded = Entry(99, movement.type, "alice", movement.amount, movement.transaction_id, book.player.balance, TIMES)
    others = [one for one in book.entries if one.type is not movement.type]
    verdict = judge(movement, replace(book, entries=[*others, recorded]), Switches())
    assert (verdict.code, verdict.recorded, verdict.move) == (Code.SUCCESS, recorded, False)


@given(MOVEMENTS, books(), SWITCHES)
def test_only_an_unknown_stakes_return_leaves_a_tombstone(movement: Movement, book: Book, switches: Switches) -> None:
    verdict = judge(movement, book, switches)
    if verdict.bury:
        assert movement.type is Type.STAKE_RETURN
        assert verdict.code is Code.BET_NOT_FOUND
        assert not verdict.move


@given(st.integers(0, 10**36 - 1), st.integers(0, 18))
def test_amounts_are_printed_as_they_are_read(minor: int, decimals: int) -> None:
    whole, part = divmod(minor % 10 ** (18 + decimals), 10**decimals)
    text = f"{whole}.{part:0{decimals}d}" if decimals else str(whole)
    amount = read_amount(text)
    assert amount is not None
    assert print_amount(amount, decimals) == text
    assert decimals_written(amount) == decimals


@given(st.text())
def test_what_is_no_amount_is_not_read(text: str) -> None:
    amount = read_amount(text)
    assert amount is None or (amount >= 0 and print_amount(amount, decimals_written(amount)) == text)
