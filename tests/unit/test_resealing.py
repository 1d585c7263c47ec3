"""Sealed secrets in the database: each opens in its own row and column, and all are sealed anew by one command."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from betcore.db.resealing import reseal
from betcore.db.signing_keys import SigningKeys
from betcore.runtime.vault import Vault
from tests.cluster import as_role
from tests.command_line import run
from tests.unit.partner_database import PartnerDatabase, refused

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SEALED = """
SELECT secret FROM provider UNION ALL SELECT previous_secret FROM provider WHERE previous_secret IS NOT NULL
UNION ALL SELECT secret FROM casino UNION ALL SELECT previous_secret FROM casino WHERE previous_secret IS NOT NULL
UNION ALL SELECT private_pem FROM signing_key
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[PartnerDatabase]:
    async with PartnerDatabase.at(database_url) as opened:
        await opened.ready()
        await opened.onboarding.add_provider("other", "http://other.example")
        await opened.onboarding.add_casino("palace", "http://palace.example", confirmation="reply")
        await opened.keys.ensure()
        yield opened


async def test_a_secret_that_is_copied_to_another_partner_opens_nothing_there(database: PartnerDatabase) -> None:
    """Who can write the table, and knows the secret of one partner, is not another one by that."""
    [counterparty] = await database.sql("SELECT counterparty_id::text FROM provider WHERE name = 'acme'")
    [client_id] = await database.sql("SELECT partner_client_id FROM casino WHERE name = 'royal'")
    assert await database.partners.provider(counterparty)
    assert await database.partners.account(client_id)
    await database.sql(
        "UPDATE provider SET secret = (SELECT secret FROM provider WHERE name = 'other') WHERE name = 'acme'"
    )
    await database.sql(
        "UPDATE casino SET secret = (SELECT secret FROM casino WHERE name = 'palace') WHERE name = 'royal'"
    )
    with refused("wrong_secret_key", f"secret of provider {counterparty}"):
        await database.partners.provider(counterparty)
    with refused("wrong_secret_key", f"secret of casino {client_id}"):
        await database.partners.account(client_id)
    made = await database.onboarding.rotate_secret("provider", "acme", 0)
    found = await database.partners.provider(counterparty)
    assert found is not None
    assert found.secrets == (made["secret"],)


async def test_a_secret_that_was_replaced_does_not_come_back_by_a_copy(database: PartnerDatabase) -> None:
    [counterparty] = await database.sql("SELECT counterparty_id::text FROM provider WHERE name = 'acme'")
    before = await database.partners.provider(counterparty)
    made = await database.onboarding.rotate_secret("provider", "acme", 3600)
    found = await database.partners.provider(counterparty)
    assert before is not None
    assert found is not None
    assert found.secrets == (made["secret"], *before.secrets)
    await database.sql("UPDATE provider SET secret = previous_secret WHERE name = 'acme'")
    with refused("wrong_secret_key", f"secret of provider {counterparty}"):
        await database.partners.provider(counterparty)


async def test_a_key_in_another_keys_row_signs_nothing(database: PartnerDatabase) -> None:
    await database.keys.rotate(timedelta(0))
    await database.sql("UPDATE signing_key SET private_pem = (SELECT min(private_pem) FROM signing_key)")
    with refused("wrong_secret_key", "private_pem of signing_key"):
        await database.keys.jwks()


async def test_everything_is_sealed_anew_with_the_newest_key_or_nothing_is(database: PartnerDatabase) -> None:
    """What an earlier release has sealed, bound to nothing, is bound then; and what holds no longer is gone."""
    await database.onboarding.rotate_secret("provider", "acme", 3600)
    await database.onboarding.rotate_secret("provider", "other", 3600)
    await database.onboarding.rotate_secret("casino", "royal", 3600)
    await database.sql("UPDATE provider SET previous_until = now() WHERE name = 'other'")
    [counterparty] = await database.sql("SELECT counterparty_id::text FROM provider WHERE name = 'acme'")
    before, jwks = await database.partners.provider(counterparty), await database.keys.jwks()
    with refused("wrong_secret_key"):
        await reseal(database.db, Vault(NEW))
    untouched = await database.sql(SEALED)
    assert await reseal(database.db, Vault(f"{NEW},{database.secret_key}")) == 7
    sealed = await database.sql(SEALED)
    assert len(sealed) == 7
    assert not set(sealed) & set(untouched)
    database.vault = Vault(NEW)
    assert await database.reader().provider(counterparty) == before
    assert await SigningKeys(database.db, Vault(NEW), 0).jwks() == jwks


async def test_a_rollout_from_an_earlier_release_goes_both_ways(database_url: str, tmp_path: Path) -> None:
    """Until the secrets are bound, and again after the way back, the earlier release reads all that stands there."""
    environment = {"BETCORE_DATABASE_URL": as_role(database_url, "owner"), "BETCORE_SECRET_KEY": f"{NEW},{OLD}"}
    during = environment | {"BETCORE_SECRETS_UNBOUND": "true"}
    async with PartnerDatabase.at(database_url) as database:
        database.vault = Vault(f"{NEW},{OLD}")

        async def read_by_the_earlier_release() -> int:
            opened = [MultiFernet([Fernet(NEW), Fernet(OLD)]).decrypt(text) for text in await database.sql(SEALED)]
            return len(opened)

        async def run_with(settings: dict[str, str], *arguments: str) -> str:
            done = await run(tmp_path, *arguments, "--json", **settings)
            assert done.exit_code == 0, done.output
            return done.stdout

        async def secrets() -> tuple[str, ...]:
            found = await database.reader().provider("11111111-2222-4333-8444-555555555555")
            assert found is not None
            return found.secrets

        secret = Fernet(OLD).encrypt(b"hush").decode()
        await database.sql(
            "INSERT INTO provider (counterparty_id, name, base_url, profile, secret)"  # noqa: S608  no input
            f" VALUES ('11111111-2222-4333-8444-555555555555', 'p', 'http://p', '{{}}', '{secret}')"
        )
        await run_with(during, "migrate")
        rotate = ("provider", "rotate-secret", "--name", "p", "--overlap", "3600", "--operator", "ann")
        await run_with(during, *rotate)
        assert await read_by_the_earlier_release() == 3
        before = await secrets()
        assert before[1] == "hush"

        assert '"resealed": 3' in await run_with(environment, "migrate", "--reseal")
        with pytest.raises(InvalidToken):
            await read_by_the_earlier_release()
        assert await secrets() == before
        # The key of what was not bound is of no use any more.
        database.vault = Vault(NEW)
        assert await secrets() == before

        assert '"resealed": 3' in await run_with(during, "migrate", "--reseal")
        assert await read_by_the_earlier_release() == 3
        assert await secrets() == before
