"""Surface C: what the aggregator calls at a casino.

Each call is verified, logged, and given to its operation. An operation first does what is asked (for a movement:
``Wallet.take``, which commits) and then builds the answer. The two are apart because the answer can get lost, arrive
late, or, at a casino that confirms with Accept, arrive in another way.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web
from pydantic import ValidationError

from devkit.sandbox.casino.call_log import Call, read_call
from devkit.sandbox.casino.casinos import Casino, Casinos
from devkit.sandbox.casino.fault_kinds import Exchange
from devkit.sandbox.casino.outbox import Outbox
from devkit.sandbox.casino.rules import Entry, Movement, Type
from devkit.sandbox.casino.tokens import BadToken, Keys, KeysUnavailable, verify
from devkit.sandbox.casino.wallet import Taken, Wallet
from devkit.sandbox.casino.wire import (
    CASHBACK_PATH,
    LIST_PATH,
    LONGEST_LIST,
    Accept,
    Answer,
    AuthRequest,
    CloseRequest,
    Code,
    DataRequest,
    InfoRequest,
    MakeCashbackRequest,
    MakeListRequest,
    MakeRequest,
    number_name,
    print_amount,
    read_amount,
)

_log = logging.getLogger(__name__)

Operation = Callable[[Wallet, Casino, str], Awaitable[Answer]]


class WalletApi:
    """The endpoints of surface C, for all casinos of one sandbox."""

    def __init__(self, wallet: Wallet, casinos: Casinos, keys: Keys, outbox: Outbox) -> None:
        self._wallet = wallet
        self._casinos = casinos
        self._keys = keys
        self._outbox = outbox

    def routes(self) -> list[web.RouteDef]:
        """Return two routes for each operation: below the root, and below a casino's own name."""
        names = "/{account:PartnerClient-[0-9]+}"
        return [web.post(start + path, self._serve) for start in ("", names) for path in OPERATIONS]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        account = request.match_info.get("account")
        path = request.path.removeprefix(f"/{account}") if account else request.path
        try:
            body = await request.read()
            token = await verify(body, self._keys, lambda one: self._casinos[one].switches.leeway, path, account)
        except BadToken as error:
            return self._unauthorised(path, error)
        except KeysUnavailable as error:
            _log.warning("the aggregator's keys cannot be read: %s", error)
            return _respond(Answer(Code.NOT_ADDED, message="Keys unavailable", status=503))
        casino = self._casinos[token.client_id]
        call = read_call(path, token.data, token.jti)
        casino.calls.append(call)
        operation = partial(_operate, OPERATIONS[path], self._wallet, casino, token.data)
        exchange = Exchange(request, call, casino.gate, operation, partial(self._outbox.send, casino))
        fault = casino.plan.pick(call)
        return await (exchange.serve() if fault is None else exchange.fail(fault))

    def _unauthorised(self, path: str, error: BadToken) -> web.Response:
        answer = Answer(Code.BAD_TOKEN, message=f"{error}", status=401)
        if error.client_id is not None:
            refused = Call(path, answer_code=answer.code, status=answer.status)
            self._casinos[error.client_id].calls.append(refused)
        return _respond(answer)


async def _operate(operation: Operation, wallet: Wallet, casino: Casino, data: str) -> Answer:
    try:
        return await operation(wallet, casino, data)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, one["loc"])) or "data" for one in error.errors())
        return Answer(Code.NOT_ADDED, message=f"Malformed: {fields}", status=400)


async def auth_user(wallet: Wallet, casino: Casino, data: str) -> Answer:
    """Serve ``/users/auth``: return the refresh token's player, and exchange the token for a new one."""
    asked = AuthRequest.model_validate_json(data)
    fresh = new_refresh_token()
    player = await wallet.exchange_token(casino.client_id, asked.refresh_token, fresh)
    if player is None:
        return Answer(Code.USER_NOT_FOUND)
    if player.blocked:
        return Answer(Code.PLAYER_BLOCKED)
    value = {"RefreshToken": fresh, "PartnerUserId": player.partner_user_id, "CurrencyCode": player.currency}
    return Answer(Code.SUCCESS, value)


async def read_user(wallet: Wallet, casino: Casino, data: str) -> Answer:
    """Serve ``/users/data``: the balance."""
    asked = DataRequest.model_validate_json(data)
    player = await wallet.player(casino.client_id, asked.partner_user_id)
    if player is None:
        return Answer(Code.USER_NOT_FOUND)
    return Answer(Code.SUCCESS, {"Balance": print_amount(player.balance, player.decimals)})


async def make_payment(wallet: Wallet, casino: Casino, data: str) -> Answer:
    """Serve ``/payments/make``: one movement of money. What is malformed is refused here, however outcomes are
    confirmed."""
    return await _make(wallet, casino, MakeRequest.model_validate_json(data))


async def make_cashback(wallet: Wallet, casino: Casino, data: str) -> Answer:
    """Serve ``/cashback-payments/make``: the credit of a cashback, or the debit that takes it back."""
    return await _make(wallet, casino, MakeCashbackRequest.model_validate_json(data))


async def make_payments(wallet: Wallet, casino: Casino, data: str) -> Answer:
    """Serve ``/payments/make-list``: each item is taken, refused and, if that is the way, confirmed by itself.

    A list that is malformed in any item is refused whole, and nothing of it is taken. One that begins with a stake is
    taken in its order, up to the first item that is refused. No item behind that is answered; if only an Accept will
    refuse that one, the others are answered as received, and no Accept follows for them.
    """
    if len(data.encode()) > LONGEST_LIST:
        return Answer(Code.NOT_ADDED, message="Malformed: too long", status=400)
    asked = MakeListRequest.model_validate_json(data).root
    answers: list[Answer] = []
    stops = asked[0].transaction_type == Type.STAKE
    for one in asked:
        if stops and any(answer.code != Code.SUCCESS for answer in answers):
            break
        stopped = stops and any(answer.verdict != Code.SUCCESS for answer in answers)
        answers.append(Answer(Code.SUCCESS) if stopped else await _make(wallet, casino, one))
    items = [_item(one, answer) for one, answer in zip(asked, answers, strict=False)]
    return Answer(Code.SUCCESS, items, accepts=tuple(accept for answer in answers for accept in answer.accepts))


def _item(asked: MakeRequest, answer: Answer) -> dict[str, object]:
    """Return the answer to an item of a list: the fields of its envelope, and what its Value would be."""
    value = answer.value if isinstance(answer.value, dict) else {}
    named = {"BetId": asked.bet_id, "TransactionType": asked.transaction_type}
    return named | {"ErrorCode": int(answer.code), "Message": answer.envelope()["Message"]} | value


async def _make(wallet: Wallet, casino: Casino, asked: MakeRequest) -> Answer:
    movement = _movement(asked)
    if isinstance(movement, Code):
        return Answer(movement)
    if casino.switches.confirmation == "reply":
        return confirmation(await wallet.take(casino.client_id, movement, casino.switches), movement, casino)
    # To refuse a repeat by Accept would contradict the Accept of the first.
    switches = casino.switches.model_copy(update={"repeats": "replay"})
    return _only_taken(
        confirmation(await wallet.take(casino.client_id, movement, switches), movement, casino), movement
    )


def _movement(asked: MakeRequest) -> Movement | Code:
    """Return what is asked for, or the code that refuses it."""
    amount, tax = read_amount(asked.amount), read_amount(asked.tax_amount)
    if amount is None or (tax is None and asked.tax_amount is not None):
        return Code.WRONG_AMOUNT
    if asked.transaction_type not in list(Type):
        return Code.NOT_ADDED
    kind = Type(asked.transaction_type)
    cashback = isinstance(asked, MakeCashbackRequest)
    if cashback and kind not in (Type.PAYOUT, Type.PAYOUT_RETURN):
        return Code.NOT_ADDED
    given = (tax, asked.promo_code, asked.tag_id, cashback)
    return Movement(asked.bet_id, kind, asked.partner_user_id, amount, asked.transaction_id, *given)


def confirmation(taken: Taken, movement: Movement, casino: Casino) -> Answer:
    """Return the answer to a movement that was taken or refused, from its record: a repeat gets the same as the
    first."""
    if taken.entry is None or taken.player is None:
        return Answer(taken.code)
    value: dict[str, object] = {
        number_name(cashback=movement.cashback): movement.bet_id,
        "TransactionType": int(movement.type),
        "TransactionId": taken.entry.transaction_id,
        "PartnerTransactionId": _partner_transaction_id(taken.entry),
    }
    if casino.switches.balance_in_answer:
        value["Balance"] = print_amount(taken.entry.balance_after, taken.player.decimals)
    return Answer(taken.code, value)


def _only_taken(outcome: Answer, movement: Movement) -> Answer:
    """Return the answer of a casino that confirms by Accept: the movement was received."""
    value = outcome.value if isinstance(outcome.value, dict) else {}
    echo = {
        number_name(cashback=movement.cashback): movement.bet_id,
        "TransactionType": int(movement.type),
        "TransactionId": movement.transaction_id,
    }
    accept = Accept(
        movement.bet_id,
        int(movement.type),
        movement.partner_user_id,
        f"{movement.amount:f}",
        movement.transaction_id,
        int(outcome.code),
        value.get("PartnerTransactionId"),
        value.get("Balance"),
        None if movement.tax is None else f"{movement.tax:f}",
        movement.cashback,
    )
    return Answer(Code.SUCCESS, echo, accepts=(accept,))


async def list_payments(wallet: Wallet, casino: Casino, data: str) -> Answer:
    """Serve ``/payments/info``: the movements of a bet in the journal; an empty list if there is none."""
    asked = InfoRequest.model_validate_json(data)
    cashback = asked.bet_id is None and casino.switches.cashback_info
    number = asked.cashback_id if cashback else asked.bet_id
    if number is None:
        return Answer(Code.NOT_ADDED, message="Malformed: BetId", status=400)
    entries, name = await wallet.entries(casino.client_id, number), number_name(cashback=cashback)
    return Answer(Code.SUCCESS, [{name: number, **_info(entry, decimals)} for entry, decimals in entries])


def _info(entry: Entry, decimals: int) -> dict[str, object]:
    return {
        "PartnerTransactionId": _partner_transaction_id(entry),
        "PartnerUserId": entry.partner_user_id,
        "TransactionType": int(entry.type),
        "TransactionId": entry.transaction_id,
        "Amount": print_amount(entry.amount, decimals),
        "Timestamp": entry.at.isoformat(),
        **({} if entry.tax is None else {"TaxAmount": print_amount(entry.tax, decimals)}),
    }


async def close_bet(wallet: Wallet, casino: Casino, data: str) -> Answer:
    """Serve ``/payments/close``: no more movements for this bet, until it is opened again."""
    asked = CloseRequest.model_validate_json(data)
    code = await wallet.close(casino.client_id, asked.bet_id, closed=asked.closed)
    return Answer(code, {} if code is Code.SUCCESS else None)


def new_refresh_token() -> str:
    """Return a token that a player's page can hand to the aggregator."""
    return secrets.token_urlsafe(24)


def _partner_transaction_id(entry: Entry) -> str:
    return f"SC-{entry.id}"


def _respond(answer: Answer) -> web.Response:
    return web.Response(body=answer.body(), content_type="application/json", status=answer.status)


OPERATIONS: dict[str, Operation] = {
    "/users/auth": auth_user,
    "/users/data": read_user,
    "/payments/make": make_payment,
    LIST_PATH: make_payments,
    CASHBACK_PATH: make_cashback,
    "/payments/info": list_payments,
    "/payments/close": close_bet,
}
