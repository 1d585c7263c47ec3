"""Malformed bodies: pieces of JSON in the wrong places, and bytes that are no JSON at all."""

import gzip
import json
from collections.abc import Callable
from random import Random

# One JSON object, member by member, each as it is written: a key may stand twice, and a value be nothing.
Members = list[tuple[bytes, bytes]]
Mutator = Callable[[Random, bytes], bytes]

NUMBERS = [
    *(b"0 -0 -1 -0.00 0.0 1 2 7 10 10.0 10.00 10.000 10.001 25.00 0.001 1e1 1E+1 1e-1 10e0 1e308 1e400 -1e400".split()),
    *(b"1e-400 1e999999999 1. .5 +1 -.5 01 00 -01 0x10 0b1 1_000 1,000 10,00 NaN -NaN Infinity -Infinity".split()),
    *(b"nan inf 9007199254740991 9007199254740992 9223372036854775807 9223372036854775808".split()),
    *(b"-9223372036854775808 18446744073709551616 999999999999999 1000000000000000".split()),
    b"9" * 38,
    *(b"0.30000000000000004 1.7976931348623157e308 5e-324 103802 103803 102823 200.0 2e2".split()),
    b"9" * 400,
    b"0." + b"0" * 400 + b"1",
    b"9" * 5000,
    "١٠".encode(),
    "１０".encode(),
    "²".encode(),
]
TEXTS = [
    *(json.dumps(one).encode() for one in ("", " ", "a b", "\x00", "a\x00b", "\ud800", "\udc00\ud800", "\U0001f600")),
    *(json.dumps(one, ensure_ascii=False).encode() for one in ("ä", "\u202ebet", "e\u0301", "\ufeff", "\u2028", "٣")),
    *(json.dumps("a" * length).encode() for length in (128, 129, 256, 257, 5_000, 40_000)),
    *(json.dumps(one).encode() for one in ("NaN", "Infinity", "1e3", "+1", "-1", "-0", "0x10", "10,00", "010", "10.")),
    *(json.dumps(one).encode() for one in (".5", " 10.00", "10.00 ", "10.00\n", "10.000", "9" * 16, "9" * 15, "true")),
    *(json.dumps(one).encode() for one in ("../../etc/passwd", "' OR 1=1 --", "${jndi:ldap://x/a}", "%s%n%x", "a/b")),
    *(json.dumps(one).encode() for one in ("null", "[]", "9999-12-31T23:59:59Z", "0000-00-00", "+292278994-08-17")),
    *(
        b'"\x00" "\x1f" "\x7f" "\xff\xfe" "\xc0\x80" "\xed\xa0\x80" "\xf4\x90\x80\x80" "\xc3" "\\ud83d" "\\u12"'.split(
            b" "
        )
    ),
    b'"\n"',
    b'"open',
    b"'bet'",
    "“bet”".encode(),
]
ODD = [
    *(b'true false null True None undefined [] {} [[]] {} [null] [1,2] {"a":1,"a":2} {"a":{"b":1,"b":1}}'.split(b" ")),
    *(b"[" * depth + b"]" * depth for depth in (30, 31, 32, 33, 900, 5_000)),
    *(b'{"a":' * depth + b"1" + b"}" * depth for depth in (31, 32, 100, 2_000)),
    b"[" * 5_000,
    b"",
    b"/**/1",
    b"1 2",
]
PIECES = [*NUMBERS, *TEXTS, *ODD]
# What has broken readers before: put into every field once, and drawn more often.
SHARP = [
    *(b'true null [] {} NaN -1 1e1 10.000 "1e1" "-1" "" "\\ud800" "\\u0000" "10.00\\n"'.split(b" ")),
    b'"10.00 "',
    *(b'"9" 9007199254740992 99999999999999999999 0 "0x10" -0'.split(b" ")),
]
NAMES = ["", "a", "__proto__", "constructor", "\x00", "ä", "$ref", "winOdd", "sessionId", "betId ", "BETID", "Balance"]
_SIGNS = b'{}[]",:\\0123456789eE+-. \t\n\x00\x0b\x7f\x80\xc3\xff\xedntfu/*#'


def members(fields: dict[str, object]) -> Members:
    """Return a good body, member by member."""
    return [(json.dumps(name).encode(), json.dumps(value).encode()) for name, value in fields.items()]


def written(random: Random, body: Members) -> bytes:
    """Return one object as JSON, sometimes with blanks that JSON allows."""
    blank = random.choice((b"", b"", b"", b" ", b"\r\n\t"))
    inside = (b"," + blank).join(name + b":" + blank + value for name, value in body)
    return blank + b"{" + inside + blank + b"}" + blank


def swept(fields: dict[str, object], *names: str) -> list[bytes]:
    """Return a good body with each field in turn left out, and with each of the sharp pieces in its place.

    With ``names`` only these fields.
    """
    found = []
    for at, (name, _) in enumerate(body := members(fields)):
        if names and json.loads(name) not in names:
            continue
        rest = body[:at] + body[at + 1 :]
        bodies = [rest, *([*body[:at], (name, piece), *body[at + 1 :]] for piece in SHARP)]
        found += [b"{" + b",".join(key + b":" + value for key, value in one) + b"}" for one in bodies]
    return found


def bent(random: Random, body: Members) -> bytes:
    """Return a body with one to three things done to it."""
    made = list(body)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        random.choice(_OF_MEMBERS)(random, made)
    raw = written(random, made)
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        raw = random.choice(_OF_BYTES)(random, raw)
    return raw


def _replace(random: Random, body: Members) -> None:
    if body:
        at = random.randrange(len(body))
        body[at] = (body[at][0], random.choice(random.choice((PIECES, SHARP))))


def _wrap(random: Random, body: Members) -> None:
    """Return the right value in the wrong type."""
    if body:
        at = random.randrange(len(body))
        name, value = body[at]
        forms = (b"[%b]", b'{"value":%b}', b"[[%b]]", b'"%b"', b"-%b", b"%be0", b"%b.0", b" %b ", b"+%b", b"0%b")
        form = random.choice(forms)
        body[at] = (name, form % (value.strip(b'"') if random.random() < 0.7 else value))


def _drop(random: Random, body: Members) -> None:
    if body:
        del body[random.randrange(len(body))]


def _twice(random: Random, body: Members) -> None:
    if body:
        name, value = random.choice(body)
        body.insert(random.randrange(len(body) + 1), (name, random.choice((value, random.choice(PIECES)))))


def _escaped_twice(random: Random, body: Members) -> None:
    """Return the same key once more, in a spelling that only a reader of escapes recognises."""
    if body:
        name, _ = random.choice(body)
        text = name.decode().strip("\"'")
        spelled = "".join(f"\\u{ord(sign):04x}" for sign in text)
        body.append((f'"{spelled}"'.encode(), random.choice(PIECES)))


def _more(random: Random, body: Members) -> None:
    body.insert(random.randrange(len(body) + 1), (json.dumps(random.choice(NAMES)).encode(), random.choice(PIECES)))


def _rename(random: Random, body: Members) -> None:
    if body:
        at = random.randrange(len(body))
        name, value = body[at]
        changes: tuple[Callable[[bytes], bytes], ...] = (
            bytes.lower,
            bytes.upper,
            bytes.swapcase,
            lambda given: given.replace(b'"', b"'"),
            lambda given: given.strip(b'"'),
            lambda given: given[:-1] + b"\\u0000" + b'"',
            lambda given: given[:-1] + b' "',
            lambda given: given.replace(b"e", "\u0435".encode()),
        )
        body[at] = (random.choice(changes)(name), value)


def _shuffle(random: Random, body: Members) -> None:
    random.shuffle(body)


_OF_MEMBERS = [_replace, _replace, _replace, _wrap, _wrap, _drop, _twice, _escaped_twice, _more, _rename, _shuffle]


def _flip(random: Random, raw: bytes) -> bytes:
    if not raw:
        return raw
    at = random.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << random.randrange(8)]) + raw[at + 1 :]


def _insert(random: Random, raw: bytes) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + bytes([random.choice(_SIGNS)]) * random.choice((1, 1, 2, 40)) + raw[at:]


def _delete(random: Random, raw: bytes) -> bytes:
    at = random.randrange(len(raw) + 1)
    return raw[:at] + raw[at + random.choice((1, 1, 2, 10)) :]


def _truncate(random: Random, raw: bytes) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def _repeat(random: Random, raw: bytes) -> bytes:
    at, end = sorted((random.randrange(len(raw) + 1), random.randrange(len(raw) + 1)))
    return raw[:end] + raw[at:end] + raw[end:]


def _around(random: Random, raw: bytes) -> bytes:
    forms = (
        b"\xef\xbb\xbf%b",
        b"[%b]",
        b"%b\x00",
        b"%bx",
        b"%b,",
        b"/**/%b",
        b"%b//",
        b"\x0c%b",
        b")]}',\n%b",
        b"%b\n",
    )
    return random.choice(forms) % raw


def _double(_: Random, raw: bytes) -> bytes:
    return raw + raw


def _as_text(_: Random, raw: bytes) -> bytes:
    return json.dumps(raw.decode("latin-1")).encode()


def _charset(random: Random, raw: bytes) -> bytes:
    text = raw.decode("utf-8", "replace")
    return text.encode(random.choice(("utf-16", "utf-16-le", "utf-32", "utf-7", "cp037")), "replace")


def _packed(_: Random, raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)


def _form(_: Random, raw: bytes) -> bytes:
    return b"betId=bet-fresh&betAmount=10.00&gameRoundId=round-1&" + raw[:20]


def _noise(random: Random, raw: bytes) -> bytes:
    return random.randbytes(random.randrange(1, 2 * len(raw) + 2))


def _large(random: Random, raw: bytes) -> bytes:
    """Around the limits of 4, 16 and 64 KiB, on both sides of them."""
    size = random.choice((4, 16, 64)) * 1024 + random.choice((-1, 0, 1, 2, 4096))
    return raw + random.choice((b" ", b"\x00", b"}")) * max(size - len(raw), 0)


_OF_BYTES: list[Mutator] = [
    *(_flip, _flip, _flip, _insert, _insert, _delete, _delete, _truncate, _truncate, _repeat, _around, _around),
    *(_double, _as_text, _charset, _packed, _form, _noise, _large),
]
