"""Sealing all secrets that last anew: with the newest key, and bound to their place."""

from betcore.db.database import Database, Transaction
from betcore.db.partners import secret_place
from betcore.db.signing_keys import key_place
from betcore.db.statements import resealing
from betcore.domain.partners import PartnerKind
from betcore.runtime.vault import Vault


async def reseal(database: Database, vault: Vault) -> int:
    """Seal the secrets of partners and the signing keys anew, all or none; return how many there are.

    Tokens of players' frames and launches are not among them: they are of use for hours. Raise
    Misconfigured(wrong_secret_key) naming the first that no key opens; then nothing is changed.
    """
    async with database.transaction() as transaction:
        return await _partners(transaction, vault) + await _keys(transaction, vault)


async def _partners(transaction: Transaction, vault: Vault) -> int:
    """Seal the secrets of all partners; return their number. Their processes read them meanwhile."""
    sealed = 0
    for provider in await transaction.all_rows(resealing.PROVIDERS):
        secret, previous = _pair(vault, "provider", provider.counterparty_id, provider.secret, provider.previous)
        given = {"counterparty_id": provider.counterparty_id, "secret": secret, "previous": previous}
        await transaction.execute(resealing.SEAL_PROVIDER, **given)
        sealed += 1 if previous is None else 2
    for casino in await transaction.all_rows(resealing.CASINOS):
        secret, previous = _pair(vault, "casino", casino.partner_client_id, casino.secret, casino.previous)
        number = casino.partner_client_id
        await transaction.execute(resealing.SEAL_CASINO, partner_client_id=number, secret=secret, previous=previous)
        sealed += 1 if previous is None else 2
    return sealed


def _pair(
    vault: Vault, kind: PartnerKind, identity: str | int, secret: str, previous: str | None
) -> tuple[str, str | None]:
    now, before = secret_place(kind, identity), secret_place(kind, identity, previous=True)
    anew = vault.seal(vault.open(secret, now), now)
    return anew, None if previous is None else vault.seal(vault.open(previous, before), before)


async def _keys(transaction: Transaction, vault: Vault) -> int:
    keys = await transaction.all_rows(resealing.KEYS)
    for key in keys:
        place = key_place(key.kid)
        pem = vault.seal(vault.open(key.private_pem, place), place)
        await transaction.execute(resealing.SEAL_KEY, kid=key.kid, private_pem=pem)
    return len(keys)
