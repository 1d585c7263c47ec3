"""What a provider's wins have come to, as its budget of an hour has it: no win that was paid may be missing there."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# A win is counted before its first send, and again if a worker dies between the two.
_COUNTED = text("""
    SELECT (SELECT coalesce(sum(amount), 0) FROM paid_minute JOIN provider USING (provider_id)
            WHERE provider.name = :provider) AS counted,
           (SELECT coalesce(sum(amount), 0) FROM movement JOIN bet USING (bet_id) JOIN provider USING (provider_id)
            WHERE provider.name = :provider AND transaction_type IN (1, 4) AND movement.state = 'done'
              AND first_sent_at > now() - interval '55 minutes') AS paid""")


async def uncounted(engine: AsyncEngine, provider: str) -> list[str]:
    """Return what is wrong with the budget of a provider whose wins are weighed."""
    async with engine.connect() as connection:
        found = (await connection.execute(_COUNTED, {"provider": provider})).one()
    if found.counted >= found.paid:
        return []
    return [f"{provider} was paid {found.paid} in the hour, and its budget has {found.counted} (minor units)"]
