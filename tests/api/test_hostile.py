"""Calls that are broken, forged, replayed or of another provider: each gets its code, and no money moves.

``test_wire`` tests byte by byte how requests are read; here each kind of request aims at money that could move.
"""

import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from betcore.db.onboarding_sessions import NewSession
from betcore.provider import xsign
from tests.api.target import FRESH, OPEN, SERVED, SETTLED, Attempts, Outcome, Target, all_answered, nothing_moves
from tests.api.wire import JSON, MALFORMED, NOT_AUTHORISED, TOO_LARGE, Api, Signer
from tests.partner import Stack
from tests.system.test_scenarios_money import NO_AMOUNTS

UNKNOWN_ROUTE: Outcome = (404, 2, "unknown_route")
WRONG_METHOD: Outcome = (405, 2, "wrong_method")
WRONG_TYPE: Outcome = (415, 2, "wrong_content_type")
SESSION_UNKNOWN: Outcome = (200, 3, "session_unknown")
SESSION_DEMO: Outcome = (200, 3, "session_demo")

TOO_PRECISE = ["10.001", '"10.001"', "10.000", '"10.000"', "0.001", '"0.000"']
# Odds are in no currency: they have as many decimals as they like.
NO_ODDS = [one for one in NO_AMOUNTS if not one.startswith("0.")]
NO_IDS = ["", "a b", " a", "a\n", "a/b", "../a", "ä", "٣", "\x00", "a" * 129, 7, 1.5, True, None, [], ["a"], {}]
NO_OBJECTS = [b"", b" ", b"null", b"true", b"7", b"[]", b'"text"', b"{", b"\xff\xfe", b"{" * 40, b'{"a":' * 2_500]
OTHER_TYPES = [[], [""], ["text/plain"], ["application/x-www-form-urlencoded"], ["application/jsonp"], [JSON[1]] * 2]


@pytest.fixture(scope="module")
async def scene(stack: Stack) -> AsyncIterator[Target]:
    """Open the partners; assert at the end that the open bet can be paid out and a new one be opened."""
    partner, other = await stack.partner(min_bet="0.10", max_bet="500"), await stack.partner()
    for bet in (OPEN, SETTLED):
        assert (await partner.pay_in(bet)).code == 1
    assert (await partner.pay_out(SETTLED)).code == 1
    scene = Target(Api(urlsplit(stack.addresses["api"]).port or 0), partner, other)
    async with nothing_moves(scene):
        yield scene
    assert (await partner.pay_in(FRESH)).outcome == (1, None)
    assert (await partner.pay_out(OPEN)).outcome == (1, None)


@pytest.fixture(params=SERVED)
def target(scene: Target, request: pytest.FixtureRequest) -> Target:
    """Return one of the operations."""
    return Target(scene.api, scene.partner, scene.other, request.param)


# What cannot be read


async def test_what_is_no_json_object(target: Target) -> None:
    good = target.body
    bodies = [*NO_OBJECTS, good[:-1], good + b"x", good * 2, good.replace(b'"', b"'"), good[:-1] + b",}"]
    bodies += [b"\xef\xbb\xbf" + good, good.decode().encode("utf-16"), good.replace(b"bet-", b"\xc3\x28")]
    bodies += [good[:-1] + more for more in (b',"x":NaN}', b',"x":"\x00"}', b',"x":{"y":1,"y":2}}', b',"x":01}')]
    bodies += [good[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}" for depth in (40, 8_000)]
    bodies += [good[:-1] + b',"betId":"bet-2"}', good[:-1] + b',"x":' + b"9" * 15_000]
    async with nothing_moves(target):
        await all_answered(MALFORMED, target.each(bodies))


@pytest.mark.edge_case(60, 61)
async def test_what_is_no_amount(target: Target) -> None:
    amounts = [name for name in target.good if name.endswith("Amount")]
    bodies = [target.written(name, one) for name in amounts for one in (*NO_AMOUNTS, *TOO_PRECISE)]
    if "winAmount" in amounts:
        bodies += [target.body[:-1] + f',"winOdd":{literal}}}'.encode() for literal in NO_ODDS]
    async with nothing_moves(target):
        await all_answered(MALFORMED, target.each(bodies))


async def test_what_is_no_id_or_is_not_there(target: Target) -> None:
    ids = [name for name in target.good if name.endswith("Id")]
    bodies = [target.written(name, json.dumps(one)) for name in ids for one in (*NO_IDS, "\ud800")]
    bodies += [xsign.compact({k: v for k, v in target.good.items() if k != missing}) for missing in target.good]
    bodies += [xsign.compact({k.lower(): v for k, v in target.good.items()})]
    sessions = [target.other.session_id, target.partner.session_id.upper(), f"{target.partner.session_id} ", *NO_IDS]
    bodies += [xsign.compact({**target.good, "sessionId": session}) for session in sessions]
    async with nothing_moves(target):
        await all_answered(MALFORMED, target.each(bodies))
        paths = [
            target.at(one) for one in ("%20", "%00", "a%0A", "%C3%A4", "a" * 129, f"{target.partner.session_id}%20")
        ]
        await all_answered(MALFORMED, {path: target.send(path=path) for path in paths})


async def test_what_is_too_large(target: Target) -> None:
    large = target.body.ljust(17 * 1024)
    async with nothing_moves(target):
        await all_answered(TOO_LARGE, {"signed": target.send(large), "unsigned": target.with_headers((), large)})


async def test_another_path_method_or_type(target: Target) -> None:
    path, sign = target.path, target.signer.sign
    elsewhere = [f"{path}/", f"{path}x", path.upper(), path.replace("/bets", ""), path.replace("/v1/", "/v1//")]
    elsewhere += [target.at(f"{target.partner.session_id}%2F.."), f"/v1/bets/{target.operation}"]
    methods = ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
    async with nothing_moves(target):
        await all_answered(UNKNOWN_ROUTE, {one: target.send(path=one) for one in elsewhere})
        as_sent = {one: target.with_headers(sign(target.body).items(), method=one) for one in methods}
        await all_answered(WRONG_METHOD, as_sent)
        typed = {str(one): target.with_headers(sign(target.body).items(), types=one) for one in OTHER_TYPES}
        await all_answered(WRONG_TYPE, typed)


# What is not signed, or not by the right one


def _broken(signed: dict[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Return signatures with each header missing, doubled, and in another form."""
    broken: dict[str, list[tuple[str, str]]] = {"none": []}
    for name, value in signed.items():
        rest = [(other, given) for other, given in signed.items() if other != name]
        broken[f"no {name}"] = rest
        broken[f"{name} twice"] = [*rest, (name, value), (name, value)]
        broken[f"{name} twice, in two cases"] = [*rest, (name, value), (name.lower(), value)]
        forms = ["", value[:-1], f"{value}0", value.replace(value[-1], "x"), f'"{value}"', f"{value},{value}"]
        if value != value.upper():
            forms.append(value.upper())
        broken |= {f"{name}: {form}": [*rest, (name, form)] for form in forms}
    return broken


async def test_no_signature_or_half_of_one(target: Target) -> None:
    async with nothing_moves(target):
        broken = _broken(target.signer.sign(target.body))
        await all_answered(NOT_AUTHORISED, {name: target.with_headers(one) for name, one in broken.items()})


async def test_a_signature_of_something_else(target: Target) -> None:
    partner, other, body = target.partner, target.other, target.body
    bodies = [b"", body + b" ", json.dumps(target.good).encode(), body.replace(b"round-1", b"round-2") + b"\n"]
    signers = {
        "our id, another's secret": Signer(partner.counterparty_id, other.secret),
        "another's id, our secret": Signer(other.counterparty_id, partner.secret),
        "an unknown id": Signer("99999999-2222-4333-8444-555555555555", partner.secret),
        "no secret": Signer(partner.counterparty_id, ""),
    }
    async with nothing_moves(target):
        signed = {repr(one): target.with_headers(target.signer.sign(one).items()) for one in bodies}
        await all_answered(NOT_AUTHORISED, signed)
        await all_answered(NOT_AUTHORISED, {name: target.send(signer=one) for name, one in signers.items()})


@pytest.mark.edge_case(64)
async def test_a_time_outside_of_the_window(target: Target) -> None:
    async with nothing_moves(target):
        await all_answered(NOT_AUTHORISED, {str(off): target.send(off=off) for off in (-66, 66, -86_400, 86_400)})
        # Nor if the time was changed after it was signed.
        late = target.signer.sign(target.body, off=-66)
        moved = {**late, xsign.TIMESTAMP: target.signer.sign(target.body)[xsign.TIMESTAMP]}
        await all_answered(NOT_AUTHORISED, {"moved": target.with_headers(moved.items())})


# What was recorded and is played again


@pytest.mark.edge_case(64)
async def test_the_same_bytes_again(target: Target) -> None:
    # An honest call about the settled bet: taken once, and done or refused without a movement.
    body = xsign.compact({**target.good, "betId": SETTLED})
    signed = target.signer.sign(body)
    async with nothing_moves(target):
        assert (await target.with_headers(signed.items(), body)).outcome[:2] in [(200, 1), (200, 6)]
        again = {str(copy): target.with_headers(signed.items(), body) for copy in range(8)}
        await all_answered(NOT_AUTHORISED, again)
        others = [one for one in SERVED if one != target.operation]
        paths = [target.path.replace(target.operation, one) for one in others]
        await all_answered(NOT_AUTHORISED, {path: target.with_headers(signed.items(), body, path) for path in paths})


@pytest.mark.edge_case(64)
async def test_bytes_that_were_first_seen_elsewhere(target: Target) -> None:
    nowhere = f"/v1/sessions/nobody/bets/{target.operation}"

    async def spent(outcome: Outcome, path: str | None = None, method: str = "POST", kind: str = JSON[1]) -> None:
        signed = target.signer.sign(target.body)
        first = await target.with_headers(signed.items(), path=path, method=method, types=[kind])
        assert first.outcome == outcome
        assert (await target.with_headers(signed.items())).outcome == NOT_AUTHORISED

    async with nothing_moves(target):
        await spent(UNKNOWN_ROUTE, path="/v1/elsewhere")
        await spent(UNKNOWN_ROUTE, path=f"{target.path}/")
        await spent(MALFORMED, path=f"/v1/sessions/{target.partner.session_id}/balance", method="GET")
        await spent(WRONG_METHOD, method="PUT")
        await spent(WRONG_TYPE, kind="text/plain")
        await spent(MALFORMED, path=target.at("%20"))
        # The type is looked at before anything is read.
        await spent(WRONG_TYPE, path=target.at("%20"), kind="text/plain")
        await spent(SESSION_UNKNOWN, path=nowhere)


# Somebody else's


async def test_sessions_of_others(target: Target) -> None:
    stranger = Signer(target.other.counterparty_id, target.other.secret)
    partner = target.partner
    opened = await partner.sessions.open(NewSession(partner.provider, partner.casino, "dice", "anna", "EUR", "demo"))
    unknown: Attempts = {
        "an unknown session": target.send(path=target.at("nobody")),
        "another provider's session": target.send(path=target.at(target.other.session_id)),
        "another provider at our session": target.send(signer=stranger),
    }
    async with nothing_moves(target):
        await all_answered(SESSION_UNKNOWN, unknown)
        await all_answered(SESSION_DEMO, {"demo": target.send(path=target.at(opened["session_id"]))})
