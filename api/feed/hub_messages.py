"""The messages of a SignalR hub: JSON hub protocol, version 1. Pure.

Every message ends with the byte 0x1E. A client's may come in parts, or several in one frame; the last one of a frame
may lack that byte.
"""

import json
from dataclasses import dataclass
from typing import Any

from api.feed.websockets import MAX_MESSAGE

END = "\x1e"
PING = f'{{"type":6}}{END}'
SHAKEN = f"{{}}{END}"
PUSHED = "SubOnWholeGamesInfo"
# Each frame that is pushed begins with this; the number of the tick follows, and then what all clients get.
PUSH_HEAD = f'{{"type":1,"target":"{PUSHED}","arguments":[{{"sId":'
# Rounds of a game in a frame.
MOST_ROUNDS = 5

Message = dict[str, Any]


class Unreadable(Exception):
    """What a client has sent is no message. The text is for the client."""


class CallRefused(Exception):
    """A call of a client is refused; its connection stays. The text is for the client."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which frames a client asks for: of a game, with so many of its newest rounds."""

    game_type: int
    partner_client_id: int
    rounds: int


class MessageBuffer:
    """Puts the messages of a client together."""

    def __init__(self) -> None:
        self._rest = ""

    def take(self, text: str) -> list[Message]:
        """Return the messages that a frame completes. Raises Unreadable."""
        *whole, rest = (self._rest + text).split(END)
        if len(rest) > MAX_MESSAGE:
            raise Unreadable("a message is too long")
        found = [_object(one) for one in whole if one.strip()]
        self._rest = rest
        try:
            found.append(_object(rest))
            self._rest = ""
        except Unreadable:
            # Not whole yet: the next frame may end it.
            pass
        return found


def check_handshake(message: Message) -> str | None:
    """Return why a handshake is refused, None if it is not."""
    if message.get("protocol") != "json":
        return "this hub speaks the protocol json"
    return None if message.get("version") == 1 else "this hub speaks version 1 of the protocol"


def refused_handshake(why: str) -> str:
    """Return the answer to a handshake that is refused."""
    return _written({"error": why})


def completion(message: Message, error: str | None = None) -> str | None:
    """Return the answer to a call; None if its client awaits none."""
    call = message.get("invocationId")
    if not isinstance(call, str) or len(call) > 100:
        return None
    return _written({"type": 3, "invocationId": call} | ({} if error is None else {"error": error}))


def close(why: str, *, come_back: bool) -> str:
    """Return the last message of a connection; ``come_back``: a client that reconnects by itself may do so."""
    return _written({"type": 7, "error": why, "allowReconnect": come_back})


def kind(message: Message) -> int | None:
    """Return the type of a message, which may be written as a text; None if it has none."""
    given = message.get("type")
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) < 3:
        return int(given)
    return given if type(given) is int else None


def subscription(message: Message) -> Subscription:
    """Return what a call of Subscribe or Unsubscribe is about. Raises CallRefused."""
    arguments = message.get("arguments")
    if not isinstance(arguments, list) or len(arguments) != 2 or arguments[0] != PUSHED:
        raise CallRefused(f'the arguments are "{PUSHED}" and a text of JSON')
    about = arguments[1]
    if isinstance(about, str):
        try:
            about = _object(about)
        except Unreadable:
            raise CallRefused("the second argument is a text with a JSON object") from None
    if not isinstance(about, dict):
        raise CallRefused("the second argument is a text with a JSON object")
    count = _number(about, "Count", 1)
    if not 1 <= count <= MOST_ROUNDS:
        raise CallRefused(f"Count is a number from 1 to {MOST_ROUNDS}")
    return Subscription(_number(about, "GameType"), _number(about, "PartnerClientId"), count)


def _number(about: Message, name: str, default: int | None = None) -> int:
    given = about.get(name, default)
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) < 17:
        return int(given)
    if type(given) is not int:
        raise CallRefused(f"{name} is a number")
    return given


def _object(text: str) -> Message:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("a message is not JSON") from None
    if not isinstance(found, dict):
        raise Unreadable("a message is a JSON object")
    return found


def _written(message: Message) -> str:
    return json.dumps(message, separators=(",", ":")) + END
