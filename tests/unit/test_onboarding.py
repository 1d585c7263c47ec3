"""Partners against a real database: what is entered is what the service reads, secrets rotate, nothing leaks."""

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from betcore.db.onboarding import PartnerKind
from tests.unit.house import House, refused

SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with House.at(database_url) as opened:
        yield opened


async def test_a_provider_is_read_as_it_was_added(house: House) -> None:
    added = await house.onboarding.add_provider("Acme Games", "https://acme.example/api/", "answer_deadline: 2.5")
    assert set(added) == {"name", "counterparty_id", "secret"}
    assert SECRET.fullmatch(added["secret"])
    assert UUID(added["counterparty_id"]).version == 4
    read = await house.partners.provider(added["counterparty_id"])
    assert read is not None
    assert (read.name, read.base_url, read.disabled) == ("Acme Games", "https://acme.example/api", False)
    assert (read.counterparty_id, read.secrets) == (added["counterparty_id"], (added["secret"],))
    assert (read.profile.answer_deadline, read.profile.order_window) == (2.5, 30)
    upper = await house.partners.provider(added["counterparty_id"].upper())
    assert upper == read


async def test_a_casino_is_read_as_it_was_added(house: House) -> None:
    added = await house.onboarding.add_casino("royal", "http://127.0.0.1:8081/", "confirmation: reply")
    assert set(added) == {"name", "partner_client_id", "secret"}
    assert SECRET.fullmatch(added["secret"])
    (casino_id,) = await house.sql("SELECT casino_id FROM casino")
    read = await house.partners.casino(casino_id)
    assert (read.partner_client_id, read.api_host) == (added["partner_client_id"], "http://127.0.0.1:8081")
    assert (read.profile.confirmation, read.disabled) == ("reply", False)
    with refused("not_found"):
        await house.partners.casino(casino_id + 1)


async def test_secrets_are_sealed_in_the_database_and_absent_from_reprs_and_lists(house: House) -> None:
    provider = await house.onboarding.add_provider("acme", "http://acme.example")
    casino = await house.onboarding.add_casino("royal", "http://royal.example", confirmation="reply")
    await house.keys.ensure()
    stored = "".join(
        await house.sql("SELECT provider::text FROM provider UNION ALL SELECT casino::text FROM casino")
        + await house.sql("SELECT signing_key::text FROM signing_key")
    )
    shown = [
        await house.onboarding.listed("provider"),
        await house.onboarding.listed("casino"),
        await house.partners.provider(provider["counterparty_id"]),
        await house.keys.current(),
    ]
    assert "gAAAA" in stored
    for place in (stored, repr(shown)):
        assert provider["secret"] not in place
        assert casino["secret"] not in place
        assert "PRIVATE KEY" not in place
    assert "gAAAA" not in repr(shown)


async def test_a_rotated_secret_holds_for_the_overlap_and_no_longer(house: House) -> None:
    first = await house.onboarding.add_provider("acme", "http://acme.example")
    second = await house.onboarding.rotate_secret("provider", "acme", 60)
    assert second["counterparty_id"] == first["counterparty_id"]
    read = await house.partners.provider(first["counterparty_id"])
    assert read is not None
    assert read.secrets == (second["secret"], first["secret"])
    await house.sql("UPDATE provider SET previous_until = now()")
    read = await house.partners.provider(first["counterparty_id"])
    assert read is not None
    assert read.secrets == (second["secret"],)


async def test_only_two_secrets_hold_at_once_and_an_overlap_of_nothing_leaves_one(house: House) -> None:
    added = await house.onboarding.add_provider("acme", "http://acme.example")
    second = await house.onboarding.rotate_secret("provider", "acme", 60)
    third = await house.onboarding.rotate_secret("provider", "acme", 60)
    read = await house.partners.provider(added["counterparty_id"])
    assert read is not None
    assert read.secrets == (third["secret"], second["secret"])
    fourth = await house.onboarding.rotate_secret("provider", "acme", 0)
    read = await house.partners.provider(added["counterparty_id"])
    assert read is not None
    assert read.secrets == (fourth["secret"],)
    assert (await house.onboarding.listed("provider"))[0]["previous_secret_until"] is None


@pytest.mark.parametrize("seconds", [-1, 31 * 86_400 + 1])
async def test_an_overlap_out_of_reason_is_refused(house: House, seconds: int) -> None:
    await house.onboarding.add_provider("acme", "http://acme.example")
    with refused("invalid_overlap"):
        await house.onboarding.rotate_secret("provider", "acme", seconds)


async def test_a_name_is_taken_once_and_the_first_stays(house: House) -> None:
    first = await house.onboarding.add_provider("acme", "http://acme.example")
    with refused("already_exists"):
        await house.onboarding.add_provider("acme", "http://other.example")
    await house.onboarding.add_casino("acme", "http://acme.example", confirmation="reply")
    with refused("already_exists"):
        await house.onboarding.add_casino("acme", "http://other.example", confirmation="reply")
    listed = await house.onboarding.listed("provider")
    assert [(one["counterparty_id"], one["base_url"]) for one in listed] == [
        (first["counterparty_id"], "http://acme.example")
    ]


async def test_a_casino_confirms_by_accept_unless_it_is_told_otherwise(house: House) -> None:
    async def confirmation(name: str) -> str:
        return str((await house.onboarding.profile("casino", name))["confirmation"])

    asked = [("", None), ("confirmation: reply", "accept"), ("confirmation: accept", None), ("", "reply")]
    for number, (profile, wanted) in enumerate(asked):
        await house.onboarding.add_casino(f"casino-{number}", "http://royal.example", profile, wanted)
    assert [await confirmation(f"casino-{number}") for number in range(4)] == ["accept", "accept", "accept", "reply"]
    await house.onboarding.change("casino", "casino-3", profile="fast_attempts: 1")
    assert await confirmation("casino-3") == "accept"


async def test_a_profile_is_replaced_not_merged(house: House) -> None:
    added = await house.onboarding.add_provider("acme", "http://acme.example", "answer_deadline: 2\norder_window: 9")
    await house.onboarding.change("provider", "acme", profile="order_window: 7.5")
    read = await house.partners.provider(added["counterparty_id"])
    assert read is not None
    assert (read.profile.answer_deadline, read.profile.order_window) == (4, 7.5)
    assert await house.onboarding.profile("provider", "acme") == read.profile.model_dump(mode="json")
    with refused("invalid_profile", "rate.burst"):
        await house.onboarding.change("provider", "acme", profile="rate: {burst: 0}")


async def test_an_address_can_move(house: House) -> None:
    added = await house.onboarding.add_provider("acme", "http://acme.example")
    await house.onboarding.change("provider", "acme", address="http://new.example/")
    read = await house.partners.provider(added["counterparty_id"])
    assert read is not None
    assert read.base_url == "http://new.example"


@pytest.mark.parametrize("name", ["", " acme", "acme\n", "ac\x00me", "x" * 129, "\udcff"])
async def test_a_name_that_nobody_could_type_again_is_refused(house: House, name: str) -> None:
    with refused("invalid_name"):
        await house.onboarding.add_provider(name, "http://acme.example")
    with refused("invalid_name"):
        await house.onboarding.disable("provider", name)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "acme.example",
        "ftp://acme.example",
        "http://",
        "http://a:b@c",
        "http://a/?q",
        "http://a b",
        "http://a:99999",
    ],
)
async def test_an_address_that_cannot_be_called_is_refused(house: House, address: str) -> None:
    with refused("invalid_address", "base_url"):
        await house.onboarding.add_provider("acme", address)
    with refused("invalid_address", "api_host"):
        await house.onboarding.add_casino("royal", address, confirmation="reply")


async def test_unknown_partners_are_said_to_be_unknown(house: House) -> None:
    kinds: tuple[PartnerKind, ...] = ("provider", "casino")
    for kind in kinds:
        for act in (house.onboarding.disable, house.onboarding.change, house.onboarding.profile):
            with refused("not_found", kind):
                await act(kind, "nobody")
        with refused("not_found", kind):
            await house.onboarding.rotate_secret(kind, "nobody", 60)


async def test_the_cache_is_trusted_for_its_time_and_asks_once_for_many(house: House) -> None:
    added = await house.onboarding.add_provider("acme", "http://acme.example")
    patient = house.reader(cache_seconds=3600)
    asked = await asyncio.gather(*(patient.provider(added["counterparty_id"]) for _ in range(20)))
    assert all(one is asked[0] for one in asked)
    await house.onboarding.disable("provider", "acme")
    kept, fresh = (
        await patient.provider(added["counterparty_id"]),
        await house.partners.provider(added["counterparty_id"]),
    )
    assert kept is not None
    assert fresh is not None
    assert (kept.disabled, fresh.disabled) == (False, True)


async def test_strangers_are_unknown_and_push_nobody_out(house: House) -> None:
    added = await house.onboarding.add_provider("acme", "http://acme.example")
    patient = house.reader(cache_seconds=3600)
    known = await patient.provider(added["counterparty_id"])
    for number in range(50):
        assert await patient.provider(str(UUID(int=number))) is None
    assert await patient.provider(added["counterparty_id"]) is known
    for odd in ("", "acme", "{" + added["counterparty_id"] + "}", added["counterparty_id"].replace("-", ""), "\x00"):
        assert await house.partners.provider(odd) is None


@pytest.mark.parametrize("field", ["list", "tax", "promo"])
async def test_what_a_casino_would_not_be_sent_is_refused(house: House, field: str) -> None:
    with refused("not_supported", f"send.{field}"):
        await house.onboarding.add_casino("royal", "http://royal.example", f"send: {{{field}: true}}", "reply")
    assert await house.onboarding.listed("casino") == []
