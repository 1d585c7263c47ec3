"""Signatures and tokens of the right form, made without the secret or key."""

import json
import secrets
import time
from random import Random

import jwt

from betcore.provider import xsign
from tests.fuzz.scene import Scene
from tests.fuzz.wire import Headers


def broken_headers(random: Random, headers: dict[str, str], scene: Scene, body: bytes) -> Headers:
    """Return the four headers with something wrong about them."""
    partner, other = scene.partner, scene.other
    name = random.choice((xsign.COUNTERPARTY_ID, xsign.TIMESTAMP, xsign.REQUEST_ID, xsign.SIGNATURE))
    value = headers[name]
    made: list[tuple[str, str]] = list(headers.items())
    match random.randrange(7):
        case 0:
            return tuple(one for one in made if one[0] != name)
        case 1:
            return (*made, (random.choice((name, name.lower(), name.upper())), value))
        case 2:
            odd = (
                "",
                " ",
                "x",
                f'"{value}"',
                f"{value},{value}",
                value[:-1],
                f"{value}0",
                f"0x{value}",
                "\xe4" * 32,
                "9" * 9000,
            )
            return tuple((key, random.choice(odd) if key == name else one) for key, one in made)
        case 3:
            at = random.randrange(64)
            sign = headers[xsign.SIGNATURE]
            wrong = sign[:at] + random.choice([one for one in "0123456789abcdef" if one != sign[at]]) + sign[at + 1 :]
            return tuple((key, wrong if key == xsign.SIGNATURE else one) for key, one in made)
        case 4:
            signed = xsign.headers(
                random.choice(("", "guessed", other.secret)),
                partner.counterparty_id,
                body,
            )
        case 5:
            nobody = f"{secrets.token_hex(4)}-2222-4333-8444-{secrets.token_hex(6)}"
            signed = xsign.headers(partner.secret, random.choice((other.counterparty_id, nobody)), body)
        case _:
            off = random.choice((-1, 1)) * random.choice((66_000, 86_400_000, 10**12))
            at_time = str(max(time.time_ns() // 1_000_000 + off, 0))[:15]
            request_id = secrets.token_hex(16)
            good = xsign.sign(partner.secret, partner.counterparty_id, at_time, request_id, body)
            signed = dict(headers) | {xsign.TIMESTAMP: at_time, xsign.REQUEST_ID: request_id, xsign.SIGNATURE: good}
    rest = tuple(one for one in made if one[0] not in signed)
    return (*rest, *signed.items())


def broken_token(random: Random, token: str) -> str:
    """Return a token of the same form without a signature."""
    head, payload, signature = token.split(".")
    match random.randrange(4):
        case 0:
            at = random.randrange(len(head) + len(payload) + 300)
            wrong = random.choice([one for one in "ABab01-_." if one != token[at]])
            return token[:at] + wrong + token[at + 1 :]
        case 1:
            return f"{_odd_head(random)}.{payload}.{signature}"
        case 2:
            return random.choice(
                (f"{head}.{payload}", f"{head}.{payload}.", f"{payload}.{head}.{signature}", f"..{signature}")
            )
        case _:
            return random.choice(
                ("", "a", "a.b.c", "....", "e30.e30.e30", "é", "A" * 20_000, "W10.W10.W10", "bnVsbA.e30.x")
            )


_ALGORITHMS: list[object] = ["none", "None", "HS256", "RS512", "ES256", "", None, 1, [], {}]
_KEYS: list[object] = [None, 1, [], {}, "", "x" * 43, "x" * 3000, "../../etc/passwd", "\x00", "\ud800"]
_MORE: list[dict[str, object]] = [{"crit": ["b64"]}, {"b64": False}, {"jku": "http://127.0.0.1/"}]
_HEADS: list[object] = [
    *({"alg": alg, "typ": "JWT"} for alg in _ALGORITHMS),
    *({"alg": "RS256", "kid": kid} for kid in _KEYS),
    *({"alg": "RS256", "kid": "x" * 43, **more} for more in _MORE),
    *([], 1, None, "text", {"alg": "RS256"}, {"alg": "RS256", "kid": "x" * 43, "deep": [[[[[[]]]]]]}),
]


def _odd_head(random: Random) -> str:
    found = random.choice(_HEADS)
    if random.random() < 0.2:
        return jwt.utils.base64url_encode(b"[" * random.choice((900, 5000))).decode()
    if random.random() < 0.3:
        # An unknown key, another one each time.
        found = {"alg": "RS256", "kid": "".join(random.choices("abcdefABCDEF0123456789_-", k=43))}
    return jwt.utils.base64url_encode(json.dumps(found).encode()).decode()
