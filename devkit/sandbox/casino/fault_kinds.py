"""What a fault does to a call: one small function for each kind.

Each gets the exchange with one caller and decides in which order the movement is taken (``process``, which commits)
and the caller is answered (``reply``), or not at all. Without a fault it is the one, then the other.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from aiohttp import web

from devkit.sandbox.casino.call_log import Call
from devkit.sandbox.casino.casinos import Gate
from devkit.sandbox.casino.faults import Fault, FaultKind
from devkit.sandbox.casino.rewrites import rewrite_items
from devkit.sandbox.casino.wire import Accept, Answer, Code

_PAGE = "<!DOCTYPE html><html><head><title>Oops</title></head><body><h1>Something went wrong</h1></body></html>"


@dataclass
class Exchange:
    """One call on its way through. A fault that waits for ``POST /_release`` waits at ``gate``.

    ``send_accept`` sends the Accept of a movement: after the caller is ``answered``, unless the fault wants it sooner.
    """

    request: web.Request
    call: Call
    gate: Gate
    operation: Callable[[], Awaitable[Answer]]
    send_accept: Callable[[Accept, asyncio.Event], Awaitable[None]]
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def process(self) -> Answer:
        """Do what was asked for and commit it. If Accepts confirm it, they are on their way then."""
        answer = await self.operation()
        self.call.wallet_code = answer.verdict
        for accept in answer.accepts:
            await self.send_accept(accept, self.answered)
        return answer

    async def serve(self) -> web.StreamResponse:
        """Process and answer, without a fault."""
        try:
            response = self.reply(await self.process())
            # Written here, so that an Accept that waits for the answer is sent after it.
            with suppress(ConnectionError):
                await response.prepare(self.request)
                await response.write_eof()
            return response
        finally:
            self.answered.set()

    async def fail(self, fault: Fault) -> web.StreamResponse:
        """Process and answer as the fault has it. The answer may never arrive: an Accept does not wait for it."""
        self.call.fault = fault.kind
        self.answered.set()
        return await KINDS[fault.kind](self, fault)

    async def maybe_process(self, fault: Fault) -> None:
        """Process the call if the fault is to commit it."""
        if fault.commit:
            await self.process()

    def reply(self, answer: Answer) -> web.StreamResponse:
        """Answer in the envelope."""
        self.call.answer_code, self.call.status = answer.code, answer.status
        return self.send(answer.body(), "application/json", answer.status)

    def send(self, body: bytes | str, content_type: str, status: int) -> web.StreamResponse:
        """Answer with any bytes."""
        self.call.status = status
        content = body.encode() if isinstance(body, str) else body
        return web.Response(body=content, content_type=content_type, status=status)

    def hang_up(self) -> web.StreamResponse:
        """Close the connection; the caller receives nothing of what is returned."""
        if self.request.transport is not None:
            self.request.transport.abort()
        return web.Response()


async def _delay(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    answer = await exchange.process()
    await asyncio.sleep(fault.delay)
    return exchange.reply(answer)


async def _error(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    await exchange.maybe_process(fault)
    return exchange.send(_PAGE, "text/html", fault.status)


async def _error_code(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    await exchange.maybe_process(fault)
    return exchange.reply(Answer(fault.error_code))


async def _status(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    await exchange.maybe_process(fault)
    status = fault.status
    return exchange.reply(Answer(status, message=f"HTTP {status}", status=status))


async def _lost(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    await exchange.process()
    return exchange.hang_up()


async def _cut(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    body = (await exchange.process()).body()
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(exchange.request)
    await response.write(body[: len(body) // 2])
    exchange.call.status = response.status
    if exchange.request.transport is not None:
        exchange.request.transport.close()  # unlike abort() it sends what was written
    return response


async def _garbage(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    await exchange.process()
    return exchange.send(_PAGE, "text/html", 200)


async def _wrong_bet(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    answer = await exchange.process()
    value = _one_more(_one_more(answer.value, "BetId"), "CashbackId")
    return exchange.reply(replace(answer, value=value))


async def _wrong_type(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    answer = await exchange.process()
    return exchange.reply(replace(answer, value=_one_more(answer.value, "TransactionType")))


def _one_more(value: object, name: str) -> object:
    """Return the value with one number in it raised by 1, in each item of a list."""
    if isinstance(value, list):
        return [_one_more(one, name) for one in value]
    if isinstance(value, dict) and name in value:
        return value | {name: value[name] + 1}
    return value


async def _missing(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    envelope = (await exchange.process()).envelope()
    del envelope["ErrorCode"]
    return exchange.send(json.dumps(envelope), "application/json", 200)


async def _duplicate(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    await exchange.process()
    return exchange.reply(await exchange.process())


async def _refuse_after_commit(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    await exchange.process()
    return exchange.reply(Answer(fault.error_code))


async def _hold(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    await exchange.gate.wait()
    return exchange.reply(await exchange.process())


async def _hold_after(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    answer = await exchange.process()
    await exchange.gate.wait()
    return exchange.reply(answer)


async def _drop(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    return exchange.hang_up()


async def _answer(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    await exchange.maybe_process(fault)
    return exchange.send(fault.body, "application/json", fault.status)


async def _rewrite(exchange: Exchange, fault: Fault) -> web.StreamResponse:
    answer = await exchange.process()
    return exchange.reply(replace(answer, value=rewrite_items(answer.value, fault.rewritten)))


Play = Callable[[Exchange, Fault], Awaitable[web.StreamResponse]]


def _changing_items(change: Callable[[list[object]], list[object]]) -> Play:
    """Return a fault that takes all movements of a list, and answers with other items than there were."""

    async def play(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
        answer = await exchange.process()
        items = answer.value
        return exchange.reply(replace(answer, value=change(items)) if isinstance(items, list) else answer)

    return play


async def _order_broken(exchange: Exchange, _fault: Fault) -> web.StreamResponse:
    """Answer the movements of a list that the wallet has not come to as if it had made them."""
    answer = await exchange.process()
    items = answer.value if isinstance(answer.value, list) else []
    passed_over = [
        {"BetId": one.bet_id, "TransactionType": one.transaction_type, "ErrorCode": int(Code.SUCCESS), "Message": ""}
        for one in exchange.call.items[len(items) :]
    ]
    return exchange.reply(replace(answer, value=[*items, *passed_over]))


def _of_another_bet(item: object) -> object:
    # No bet of the aggregator has the number 1: its numbers come from the time.
    return item | {"BetId": 1} if isinstance(item, dict) else item


KINDS: dict[FaultKind, Play] = {
    FaultKind.DELAY: _delay,
    FaultKind.ERROR: _error,
    FaultKind.ERROR_CODE: _error_code,
    FaultKind.STATUS: _status,
    FaultKind.LOST: _lost,
    FaultKind.CUT: _cut,
    FaultKind.GARBAGE: _garbage,
    FaultKind.WRONG_BET: _wrong_bet,
    FaultKind.WRONG_TYPE: _wrong_type,
    FaultKind.MISSING: _missing,
    FaultKind.DUPLICATE: _duplicate,
    FaultKind.REFUSE_AFTER_COMMIT: _refuse_after_commit,
    FaultKind.HOLD: _hold,
    FaultKind.HOLD_AFTER: _hold_after,
    FaultKind.DROP: _drop,
    FaultKind.ANSWER: _answer,
    FaultKind.REWRITE: _rewrite,
    FaultKind.OTHER_TYPES: _rewrite,
    FaultKind.DIRTY_TEXTS: _rewrite,
    FaultKind.ITEM_MISSING: _changing_items(lambda items: items[1:]),
    FaultKind.ITEM_DOUBLED: _changing_items(lambda items: [*items, *items[:1]]),
    FaultKind.ITEM_FOREIGN: _changing_items(lambda items: [_of_another_bet(items[0]), *items[1:]]),
    FaultKind.ITEMS_REVERSED: _changing_items(lambda items: items[::-1]),
    FaultKind.LAST_ITEM_MISSING: _changing_items(lambda items: items[:-1]),
    FaultKind.ORDER_BROKEN: _order_broken,
}
