"""Partners against a real database: what is entered is what the service reads, secrets rotate, nothing leaks."""

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from betcore.domain.partners import PartnerKind
from tests.unit.partner_database import PartnerDatabase, refused

SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PartnerDatabase]:
    async with PartnerDatabase.at(database_url) as opened:
        yield opened


async def test_a_provider_is_read_as_it_was_added(database: PartnerDatabase) -> None:
    added = await database.onboarding.add_provider("Acme Games", "https://acme.example/api/", "answer_deadline: 2.5")
    assert set(added) == {"name", "counterparty_id", "secret"}
    assert SECRET.fullmatch(added["secret"])
    assert UUID(added["counterparty_id"]).version == 4
    read = await database.partners.provider(added["counterparty_id"])
    assert read is not None
    assert (read.name, read.base_url, read.disabled) == ("Acme Games", "https://acme.example/api", False)
    assert (read.counterparty_id, read.secrets) == (added["counterparty_id"], (added["secret"],))
    assert (read.profile.answer_deadline, read.profile.order_window) == (2.5, 30)
    upper = await database.partners.provider(added["counterparty_id"].upper())
    assert upper == read


async def test_a_casino_is_read_as_it_was_added(database: PartnerDatabase) -> None:
    added = await database.onboarding.add_casino("royal", "http://127.0.0.1:8081/", "confirmation: reply")
    assert set(added) == {"name", "partner_client_id", "secret"}
    assert SECRET.fullmatch(added["secret"])
    (casino_id,) = await database.sql("SELECT casino_id FROM casino")
    read = await database.partners.casino(casino_id)
    assert (read.partner_client_id, read.api_host) == (added["partner_client_id"], "http://127.0.0.1:8081")
    assert (read.profile.confirmation, read.disabled) == ("reply", False)
    with refused("not_found"):
        await database.partners.casino(casino_id + 1)


async def test_secrets_are_sealed_in_the_database_and_absent_from_reprs_and_lists(database: PartnerDatabase) -> None:
    provider = await database.onboarding.add_provider("acme", "http://acme.example")
    casino = await database.onboarding.add_casino("royal", "http://royal.example", confirmation="reply")
    await database.keys.ensure()
    stored = "".join(
        await database.sql("SELECT provider::text FROM provider UNION ALL SELECT casino::text FROM casino")
        + await database.sql("SELECT signing_key::text FROM signing_key")
    )
    shown = [
        await database.onboarding.listed("provider"),
        await database.onboarding.listed("casino"),
        await database.partners.provider(provider["counterparty_id"]),
        await database.keys.current(),
    ]
    assert "bound:" in stored
    for place in (stored, repr(shown)):
        assert provider["secret"] not in place
        assert casino["secret"] not in place
        assert "PRIVATE KEY" not in place
    assert "gAAAA" not in repr(shown)


async def test_a_rotated_secret_holds_for_the_overlap_and_no_longer(database: PartnerDatabase) -> None:
    first = await database.onboarding.add_provider("acme", "http://acme.example")
    second = await database.onboarding.rotate_secret("provider", "acme", 60)
    assert second["counterparty_id"] == first["counterparty_id"]
    read = await database.partners.provider(first["counterparty_id"])
    assert read is not None
    assert read.secrets == (second["secret"], first["secret"])
    await database.sql("UPDATE provider SET previous_until = now()")
    read = await database.partners.provider(first["counterparty_id"])
    assert read is not None
    assert read.secrets == (second["secret"],)


async def test_only_two_secrets_hold_at_once_and_an_overlap_of_nothing_leaves_one(database: PartnerDatabase) -> None:
    added = await database.onboarding.add_provider("acme", "http://acme.example")
    second = await database.onboarding.rotate_secret("provider", "acme", 60)
    third = await database.onboarding.rotate_secret("provider", "acme", 60)
    read = await database.partners.provider(added["counterparty_id"])
    assert read is not None
    assert read.secrets == (third["secret"], second["secret"])
    fourth = await database.onboarding.rotate_secret("provider", "acme", 0)
    read = await database.partners.provider(added["counterparty_id"])
    assert read is not None
    assert read.secrets == (fourth["secret"],)
    assert (await database.onboarding.listed("provider"))[0]["previous_secret_until"] is None


@pytest.mark.parametrize("seconds", [-1, 31 * 86_400 + 1])
async def test_an_overlap_out_of_reason_is_refused(database: PartnerDatabase, seconds: int) -> None:
    await database.onboarding.add_provider("acme", "http://acme.example")
    with refused("invalid_overlap"):
        await database.onboarding.rotate_secret("provider", "acme", seconds)


async def test_a_name_is_taken_once_and_the_first_stays(database: PartnerDatabase) -> None:
    first = await database.onboarding.add_provider("acme", "http://acme.example")
    with refused("already_exists"):
        await database.onboarding.add_provider("acme", "http://other.example")
    await database.onboarding.add_casino("acme", "http://acme.example", confirmation="reply")
    with refused("already_exists"):
        await database.onboarding.add_casino("acme", "http://other.example", confirmation="reply")
    listed = await database.onboarding.listed("provider")
    assert [(one["counterparty_id"], one["base_url"]) for one in listed] == [
        (first["counterparty_id"], "http://acme.example")
    ]


async def test_a_casino_confirms_by_accept_by_default(database: PartnerDatabase) -> None:
    async def confirmation(name: str) -> str:
        return str((await database.onboarding.profile("casino", name))["confirmation"])

    asked = [("", None), ("confirmation: reply", "accept"), ("confirmation: accept", None), ("", "reply")]
    for number, (profile, wanted) in enumerate(asked):
        await database.onboarding.add_casino(f"casino-{number}", "http://royal.example", profile, wanted)
    assert [await confirmation(f"casino-{number}") for number in range(4)] == ["accept", "accept", "accept", "reply"]
    await database.onboarding.change("casino", "casino-3", profile="fast_attempts: 1")
    assert await confirmation("casino-3") == "accept"


async def test_a_profile_is_replaced_not_merged(database: PartnerDatabase) -> None:
    added = await database.onboarding.add_provider("acme", "http://acme.example", "answer_deadline: 2\norder_window: 9")
    await database.onboarding.change("provider", "acme", profile="order_window: 7.5")
    read = await database.partners.provider(added["counterparty_id"])
    assert read is not None
    assert (read.profile.answer_deadline, read.profile.order_window) == (4, 7.5)
    assert await database.onboarding.profile("provider", "acme") == read.profile.model_dump(mode="json")
    with refused("invalid_profile", "rate.burst"):
        await database.onboarding.change("provider", "acme", profile="rate: {burst: 0}")


async def test_an_address_can_move(database: PartnerDatabase) -> None:
    added = await database.onboarding.add_provider("acme", "http://acme.example")
    await database.onboarding.change("provider", "acme", address="http://new.example/")
    read = await database.partners.provider(added["counterparty_id"])
    assert read is not None
    assert read.base_url == "http://new.example"


@pytest.mark.parametrize("name", ["", " acme", "acme\n", "ac\x00me", "x" * 129, "\udcff"])
async def test_a_name_that_cannot_be_typed_again_is_refused(database: PartnerDatabase, name: str) -> None:
    with refused("invalid_name"):
        await database.onboarding.add_provider(name, "http://acme.example")
    with refused("invalid_name"):
        await database.onboarding.disable("provider", name)


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
async def test_an_address_that_cannot_be_called_is_refused(database: PartnerDatabase, address: str) -> None:
    with refused("invalid_address", "base_url"):
        await database.onboarding.add_provider("acme", address)
    with refused("invalid_address", "api_host"):
        await database.onboarding.add_casino("royal", address, confirmation="reply")


async def test_unknown_partners_are_said_to_be_unknown(database: PartnerDatabase) -> None:
    kinds: tuple[PartnerKind, ...] = ("provider", "casino")
    for kind in kinds:
        for act in (database.onboarding.disable, database.onboarding.change, database.onboarding.profile):
            with refused("not_found", kind):
                await act(kind, "nobody")
        with refused("not_found", kind):
            await database.onboarding.rotate_secret(kind, "nobody", 60)


async def test_the_cache_is_trusted_for_its_time_and_asks_once_for_many(database: PartnerDatabase) -> None:
    added = await database.onboarding.add_provider("acme", "http://acme.example")
    patient = database.reader(cache_seconds=3600)
    asked = await asyncio.gather(*(patient.provider(added["counterparty_id"]) for _ in range(20)))
    assert all(one is asked[0] for one in asked)
    await database.onboarding.disable("provider", "acme")
    kept, fresh = (
        await patient.provider(added["counterparty_id"]),
        await database.partners.provider(added["counterparty_id"]),
    )
    assert kept is not None
    assert fresh is not None
    assert (kept.disabled, fresh.disabled) == (False, True)


async def test_strangers_are_unknown_and_evict_no_partner(database: PartnerDatabase) -> None:
    added = await database.onboarding.add_provider("acme", "http://acme.example")
    patient = database.reader(cache_seconds=3600)
    known = await patient.provider(added["counterparty_id"])
    for number in range(50):
        assert await patient.provider(str(UUID(int=number))) is None
    assert await patient.provider(added["counterparty_id"]) is known
    for odd in ("", "acme", "{" + added["counterparty_id"] + "}", added["counterparty_id"].replace("-", ""), "\x00"):
        assert await database.partners.provider(odd) is None
