"""Size and signature, which are checked before all else, over real sockets."""

import asyncio

import pytest

from betcore.db.onboarding import Onboarding
from betcore.provider import xsign
from betcore.runtime.vault import Vault
from tests.api.wire import (
    BALANCE,
    BET,
    JSON,
    NOT_AUTHORISED,
    PASSED,
    REFUND,
    TOO_LARGE,
    Api,
    Signer,
    post,
    running_api,
)
from tests.in_process_casino import SECRET_KEY, InProcessCasino


async def another(casino: InProcessCasino, name: str, profile: str = "") -> Signer:
    made = await onboarding(casino).add_provider(name, "http://127.0.0.1:1", profile)
    return Signer(made["counterparty_id"], made["secret"])


def onboarding(casino: InProcessCasino) -> Onboarding:
    return Onboarding(casino.engine, Vault(SECRET_KEY))


async def test_an_answer_is_the_envelope_with_the_balance_as_a_number(
    api: Api, signer: Signer, casino: InProcessCasino
) -> None:
    path = f"/v1/sessions/{casino.session.session_id}/balance"
    found = await api.get(path, signer.sign().items())
    assert found.raw == b'{"currency":"EUR","balance":1000,"_responseCode":1}'
    assert (found.status, found.headers["content-type"]) == (200, "application/json")


async def test_a_refusal_says_why_and_names_no_currency_without_a_session(api: Api, signer: Signer) -> None:
    found = await post(api, signer, BET)
    assert found.outcome == PASSED
    assert list(found.body) == ["_responseCode", "message", "reason"]


# Size


async def test_16_kib_are_taken_and_one_byte_more_is_not(api: Api, signer: Signer) -> None:
    fits = BET.ljust(16 * 1024)
    assert (await post(api, signer, fits)).outcome == PASSED
    assert (await post(api, signer, fits + b" ")).outcome == TOO_LARGE


async def test_a_large_body_is_refused_from_its_length_alone(api: Api, signer: Signer) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (REFUND.encode(), 10**9)
    assert (await api.raw(head)).outcome == TOO_LARGE


async def test_chunks_without_a_length_are_counted_and_never_end(api: Api) -> None:
    head = f"POST {REFUND} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
    assert (await api.raw(head + chunk * 9)).outcome == TOO_LARGE


async def test_small_chunks_are_a_body_like_any_other(api: Api, signer: Signer) -> None:
    signed = "".join(f"{name}: {value}\r\n" for name, value in [JSON, *signer.sign(BET).items()])
    head = f"POST {REFUND} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{signed}\r\n".encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BET)
    assert (await api.raw(head + chunks + b"0\r\n\r\n")).outcome == PASSED


async def test_a_length_that_lies_cuts_the_body_and_breaks_its_signature(api: Api, signer: Signer) -> None:
    signed = "".join(f"{name}: {value}\r\n" for name, value in [JSON, *signer.sign(BET).items()])
    head = f"POST {REFUND} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BET) - 1}\r\n{signed}\r\n".encode()
    assert (await api.raw(head + BET)).outcome == NOT_AUTHORISED


async def test_a_caller_that_leaves_in_the_middle_of_a_body_harms_no_other(api: Api, signer: Signer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(f"POST {REFUND} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
    await writer.drain()
    writer.close()
    assert (await post(api, signer, BET)).outcome == PASSED


# Signature


@pytest.mark.parametrize("name", [xsign.COUNTERPARTY_ID, xsign.TIMESTAMP, xsign.REQUEST_ID, xsign.SIGNATURE])
async def test_each_header_must_stand_there_once(api: Api, signer: Signer, name: str) -> None:
    signed = signer.sign()
    missing = [(key, value) for key, value in signed.items() if key != name]
    assert (await api.get(BALANCE, missing)).outcome == NOT_AUTHORISED
    assert (await api.get(BALANCE, [*signed.items(), (name, signed[name])])).outcome == NOT_AUTHORISED
    assert (await api.get(BALANCE, [*missing, (name, "")])).outcome == NOT_AUTHORISED
    assert (await api.get(BALANCE, signed.items())).outcome == PASSED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (xsign.COUNTERPARTY_ID, "not-a-uuid"),
        (xsign.COUNTERPARTY_ID, "11111111222243338444555555555555"),
        (xsign.TIMESTAMP, "now"),
        (xsign.TIMESTAMP, "-1"),
        (xsign.TIMESTAMP, "1.75e12"),
        (xsign.TIMESTAMP, "9" * 30),
        (xsign.TIMESTAMP, "\xb2\xb3"),
        (xsign.REQUEST_ID, "0" * 31),
        (xsign.REQUEST_ID, "g" * 32),
        (xsign.SIGNATURE, "0" * 63),
        (xsign.SIGNATURE, "A" * 64),
        (xsign.SIGNATURE, "\xe9" * 64),
    ],
)
async def test_a_header_in_another_form_is_refused_though_it_is_signed(
    api: Api, signer: Signer, name: str, value: str
) -> None:
    given = {**signer.sign(), name: value}
    if name != xsign.SIGNATURE:
        head = (given[xsign.COUNTERPARTY_ID], given[xsign.TIMESTAMP], given[xsign.REQUEST_ID])
        given[xsign.SIGNATURE] = xsign.sign(signer.secret, *head)
    assert (await api.get(BALANCE, given.items())).outcome == NOT_AUTHORISED


async def test_an_unknown_sender_and_a_wrong_signature_sound_the_same(api: Api, signer: Signer) -> None:
    stranger = Signer("99999999-2222-4333-8444-555555555555", signer.secret)
    impostor = Signer(signer.counterparty_id, signer.secret + "x")
    unknown, wrong = await post(api, stranger, BET), await post(api, impostor, BET)
    assert unknown.outcome == wrong.outcome == NOT_AUTHORISED
    assert unknown.raw == wrong.raw
    assert unknown.headers.keys() == wrong.headers.keys()


async def test_a_stale_time_of_a_stranger_says_no_more_than_his_signature(api: Api, signer: Signer) -> None:
    impostor = Signer(signer.counterparty_id, "wrong")
    assert (await post(api, impostor, BET, off=-3600)).raw == (await post(api, impostor, BET)).raw


@pytest.mark.parametrize("body", [b'{"betId":"bet-2"}', b'{"betId": "bet-1"}', b""])
async def test_the_signature_covers_every_byte_of_the_body(api: Api, signer: Signer, body: bytes) -> None:
    found = await api.send("POST", REFUND, [JSON, *signer.sign(BET).items()], body)
    assert found.outcome == NOT_AUTHORISED


@pytest.mark.edge_case(64)
@pytest.mark.parametrize(("off", "outcome"), [(-66, NOT_AUTHORISED), (66, NOT_AUTHORISED), (-50, PASSED), (50, PASSED)])
async def test_a_request_is_fresh_for_a_minute_either_way(
    api: Api, signer: Signer, off: float, outcome: tuple[int, int, str]
) -> None:
    assert (await post(api, signer, BET, off=off)).outcome == outcome


async def test_the_window_is_the_profiles(api: Api, casino: InProcessCasino) -> None:
    strict = await another(casino, "strict", "freshness_window: 10")
    assert (await post(api, strict, BET, off=-16)).outcome == NOT_AUTHORISED
    assert (await post(api, strict, BET, off=16)).outcome == NOT_AUTHORISED
    assert (await post(api, strict, BET, off=-2)).outcome == PASSED


@pytest.mark.edge_case(64)
async def test_a_request_works_once_at_every_process(
    api: Api, signer: Signer, wire_database: str, temporal_address: str
) -> None:
    signed = [JSON, *signer.sign(BET).items()]
    async with running_api(wire_database, temporal_address) as second:
        assert (await api.send("POST", REFUND, signed, BET)).outcome == PASSED
        assert (await api.send("POST", REFUND, signed, BET)).outcome == NOT_AUTHORISED
        assert (await second.send("POST", REFUND, signed, BET)).outcome == NOT_AUTHORISED
        assert (await post(second, signer, BET)).outcome == PASSED


async def test_two_providers_may_use_the_same_request_id(api: Api, signer: Signer, casino: InProcessCasino) -> None:
    for one in (signer, await another(casino, "twin")):
        assert (await api.get(BALANCE, one.sign(request_id="a" * 32).items())).outcome == PASSED


async def test_both_secrets_hold_while_one_is_rotated(api: Api, casino: InProcessCasino) -> None:
    old = await another(casino, "rotating")
    rotated = await onboarding(casino).rotate_secret("provider", "rotating", 60)
    new = Signer(old.counterparty_id, rotated["secret"])
    assert (await post(api, old, BET)).outcome == PASSED
    assert (await post(api, new, BET)).outcome == PASSED
    assert (await post(api, Signer(old.counterparty_id, "neither"), BET)).outcome == NOT_AUTHORISED


@pytest.mark.edge_case(55)
async def test_a_disabled_provider_is_still_let_in_so_that_its_bets_can_end(api: Api, casino: InProcessCasino) -> None:
    disabled = await another(casino, "disabled")
    await onboarding(casino).disable("provider", "disabled")
    assert (await post(api, disabled, BET)).outcome == PASSED


@pytest.mark.edge_case(105)
async def test_a_suspended_provider_is_refused_in_every_process_until_it_resumes(
    api: Api, casino: InProcessCasino, wire_database: str, temporal_address: str
) -> None:
    suspended, bystander = await another(casino, "suspended"), await another(casino, "bystander")
    async with running_api(wire_database, temporal_address, partner_cache_seconds="0.5") as second:
        assert (await post(second, suspended, BET)).outcome == PASSED
        shown = await onboarding(casino).suspend("suspended", suspended=True)
        assert (shown["suspended"], shown["disabled"]) == (True, False)
        assert (await post(api, suspended, BET)).outcome == NOT_AUTHORISED
        await asyncio.sleep(0.5)
        found = await post(second, suspended, BET)
        assert found.outcome == NOT_AUTHORISED
        for method, path in (("GET", BALANCE), ("POST", REFUND)):
            assert (await second.send(method, path, suspended.sign().items())).outcome == NOT_AUTHORISED
        assert (await post(second, bystander, BET)).outcome == PASSED
        await onboarding(casino).suspend("suspended", suspended=False)
        assert (await post(api, suspended, BET)).outcome == PASSED


async def test_a_profile_may_allow_the_sorted_encoding(api: Api, signer: Signer, casino: InProcessCasino) -> None:
    sorting = await another(casino, "sorting", "signature: raw_or_sorted")
    sent = b'{ "further": {"z": [1.50, {"y": null, "x": "\\u00e9"}]}, "betId": "bet-1", "amount": 10.00 }'
    over = '{"amount":10.00,"betId":"bet-1","further":{"z":[1.50,{"x":"é","y":null}]}}'.encode()
    assert (await api.send("POST", REFUND, [JSON, *sorting.sign(over).items()], sent)).outcome == PASSED
    assert (await api.send("POST", REFUND, [JSON, *sorting.sign(sent).items()], sent)).outcome == PASSED
    assert (await api.send("POST", REFUND, [JSON, *signer.sign(over).items()], sent)).outcome == NOT_AUTHORISED
    for size, outcome in ((4096, PASSED), (4097, NOT_AUTHORISED)):
        padded = sent.ljust(size)
        assert (await api.send("POST", REFUND, [JSON, *sorting.sign(over).items()], padded)).outcome == outcome


@pytest.mark.parametrize(
    ("signed", "sent"),
    [
        (b'{"a":10.0,"betId":"b"}', b'{"a":10.0000000000000000001,"betId":"b"}'),
        (b'{"a":999999999999999.99,"betId":"b"}', b'{"a":999999999999999.98,"betId":"b"}'),
        (b'{"a":2,"betId":"b"}', b'{"a":1,"a":2,"betId":"b"}'),
        (b'{"betId":"b"}', b'{"betId":"\xff"}'),
    ],
)
async def test_no_two_meanings_share_a_sorted_encoding(
    api: Api, casino: InProcessCasino, signed: bytes, sent: bytes
) -> None:
    name = f"sorting-{sent.hex()}"
    sorting = await another(casino, name[:60], "signature: raw_or_sorted")
    outcome = (await api.send("POST", REFUND, [JSON, *sorting.sign(signed).items()], sent)).outcome
    assert outcome == NOT_AUTHORISED
