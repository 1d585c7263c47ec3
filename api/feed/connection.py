"""One websocket of a hub: its handshake, its calls, and the frames that are pushed to it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.feed import hub_messages
from api.feed.hub_messages import CallRefused, Message, MessageBuffer, Subscription, Unreadable
from api.feed.live_state import EVERY, LiveState
from api.feed.places import ENDED, Places, Sequences
from api.feed.readers import Reader, Readers
from betcore.db.database import DatabaseError

_log = structlog.get_logger()

_SHAKES_WITHIN = 15.0
# A client that takes no frame for so long is gone: its network, or the page.
_TAKES_WITHIN = 10.0
# A client leaves after 30 s in which it hears nothing.
_PINGS_EVERY = 15.0
_SUBSCRIPTIONS = 64
# A client pings four times a minute, and calls a few times.
_CALLS, _CALLS_WITHIN = 100, 10.0


@dataclass(slots=True)
class _Subscribed:
    """A subscription, and the number of its next tick."""

    about: Subscription
    number: int


@dataclass(frozen=True, slots=True)
class Shared:
    """What the connections of a process share."""

    state: LiveState
    readers: Readers
    places: Places
    sequences: Sequences


class _Ended(Exception):
    """The connection has to end. The text is for the client; ``come_back``: it may connect again by itself."""

    def __init__(self, reason: str, why: str, *, come_back: bool) -> None:
        super().__init__(why)
        self.reason = reason
        self.come_back = come_back


class Connection:
    """A websocket that was accepted. ``phase`` is its own part of each tick.

    Two tasks serve it: this one reads, another one pushes. A frame is made when its client takes it: one that is slow
    gets fewer frames, and always the newest state. None waits in a queue.
    """

    def __init__(self, socket: WebSocket, reader: Reader, phase: float, shared: Shared) -> None:
        self._socket = socket
        self._reader = reader
        self._phase = phase
        self._shared = shared
        self._buffer = MessageBuffer()
        self._games: dict[int, _Subscribed] = {}
        self._limit = asyncio.timeout(None)
        self._ends: _Ended | None = None
        self._calls_left, self._calls_until = _CALLS, 0.0

    async def serve(self) -> None:
        """Serve the client until one of both sides ends it."""
        try:
            with self._shared.places.shaking_hands():
                first = await self._shake_hands()
            await self._serve(first)
        except _Ended as end:
            ENDED.labels(end.reason).inc()
            await self._close(end)
        except WebSocketDisconnect:
            pass
        finally:
            for game_type, subscribed in self._games.items():
                self._shared.sequences.leave(self._reader.token.token_id, game_type, subscribed.number)

    async def _shake_hands(self) -> list[Message]:
        """Answer the handshake; return the messages that came with it."""
        try:
            async with asyncio.timeout(_SHAKES_WITHIN):
                while not (found := await self._receive()):
                    pass
        except TimeoutError:
            raise _Ended("handshake", "no handshake came", come_back=False) from None
        if (why := hub_messages.check_handshake(found[0])) is not None:
            await self._send(hub_messages.refused_handshake(why))
            raise _Ended("handshake", why, come_back=False)
        await self._send(hub_messages.SHAKEN)
        return found[1:]

    async def _serve(self, found: list[Message]) -> None:
        pushing = asyncio.create_task(self._push())
        pushing.add_done_callback(self._pushed)
        left = (self._reader.token.expires_at - datetime.now(UTC)).total_seconds()
        self._limit = asyncio.timeout(left)
        try:
            async with self._limit:
                while True:
                    for message in found:
                        await self._answer(message)
                    found = await self._receive()
        except TimeoutError:
            raise self._ends or _Ended("expired", "the access token has expired", come_back=True) from None
        finally:
            pushing.cancel()

    async def _receive(self) -> list[Message]:
        """Return the messages of the next frame. Raises _Ended, and WebSocketDisconnect."""
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        if event.get("text") is None:
            raise _Ended("unreadable", "this hub takes text frames alone", come_back=False)
        try:
            found = self._buffer.take(event["text"])
        except Unreadable as fault:
            raise _Ended("unreadable", str(fault), come_back=False) from None
        self._count(max(len(found), 1))
        return found

    def _count(self, calls: int) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._calls_until:
            self._calls_left, self._calls_until = _CALLS, now + _CALLS_WITHIN
        self._calls_left -= calls
        if self._calls_left < 0:
            raise _Ended("flood", "too many messages", come_back=False)

    async def _answer(self, message: Message) -> None:
        match hub_messages.kind(message):
            case 1:
                try:
                    self._call(message)
                    answer = hub_messages.completion(message)
                except CallRefused as refused:
                    answer = hub_messages.completion(message, str(refused))
            case 4:
                answer = hub_messages.completion(message, "this hub has no streams")
            case 7:
                raise WebSocketDisconnect
            case _:
                answer = None
        if answer is not None:
            await self._send(answer)

    def _call(self, message: Message) -> None:
        target = str(message.get("target")).lower()
        if target not in ("subscribe", "unsubscribe"):
            raise CallRefused("there is no such method")
        about = hub_messages.subscription(message)
        if about.partner_client_id != self._reader.casino.partner_client_id:
            raise CallRefused("PartnerClientId is not that of the access token")
        if target == "unsubscribe":
            self._unsubscribe(about.game_type)
        else:
            self._subscribe(about)

    def _subscribe(self, about: Subscription) -> None:
        if not self._shared.state.shows(about.game_type):
            raise CallRefused("there is no such game")
        known = self._games.get(about.game_type)
        if known is not None:
            known.about = about
        elif len(self._games) >= _SUBSCRIPTIONS:
            raise CallRefused(f"a connection has {_SUBSCRIPTIONS} subscriptions at most")
        else:
            number = self._shared.sequences.resume(self._reader.token.token_id, about.game_type)
            self._games[about.game_type] = _Subscribed(about, number)

    def _unsubscribe(self, game_type: int) -> None:
        known = self._games.pop(game_type, None)
        if known is not None:
            self._shared.sequences.leave(self._reader.token.token_id, game_type, known.number)

    async def _push(self) -> None:
        """Send a frame at each tick, and a ping if there was none for long. Raises _Ended."""
        clock = asyncio.get_running_loop().time
        at = clock() // EVERY * EVERY + (1 + self._phase) * EVERY
        pings_at = at + _PINGS_EVERY
        while True:
            await asyncio.sleep(at - clock())
            frame = self._frame()
            if at >= pings_at:
                await self._check_token()
                pings_at = at + _PINGS_EVERY
                frame = frame or hub_messages.PING
            if frame:
                await self._send(frame)
            # A tick that this client was too slow for counts too.
            passed = 1 + max(0, int((clock() - at) / EVERY))
            at += passed * EVERY
            for subscribed in self._games.values():
                subscribed.number += passed

    def _frame(self) -> str:
        found = ""
        for game_type, subscribed in self._games.items():
            tail = self._shared.state.tail(game_type, subscribed.about.rounds)
            if tail is not None:
                found += f"{hub_messages.PUSH_HEAD}{subscribed.number}{tail}"
        return found

    async def _check_token(self) -> None:
        try:
            if not await self._shared.readers.may_go_on(self._reader):
                raise _Ended("withdrawn", "the access token does not hold any more", come_back=True)
        except DatabaseError:
            # Asked again at the next ping: an outage of the database ends no connection.
            return

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(_TAKES_WITHIN):
                await self._socket.send_text(text)
        except TimeoutError:
            raise _Ended("stuck", "", come_back=True) from None

    def _pushed(self, pushing: asyncio.Task[None]) -> None:
        """End the connection if pushing has ended by itself."""
        if pushing.cancelled():
            return
        fault = pushing.exception()
        if not isinstance(fault, _Ended | WebSocketDisconnect):
            _log.error("a client could not be served", exc_info=fault)
        self._ends = fault if isinstance(fault, _Ended) else _Ended("disconnected", "", come_back=True)
        # The reading side may have come to its end at the same time.
        with suppress(RuntimeError):
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def _close(self, end: _Ended) -> None:
        if end.reason in ("stuck", "disconnected"):
            # It reads nothing: what would be sent now would wait like all else.
            return
        try:
            async with asyncio.timeout(_TAKES_WITHIN):
                if end.reason != "handshake":
                    await self._socket.send_text(hub_messages.close(str(end), come_back=end.come_back))
                await self._socket.close()
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return
