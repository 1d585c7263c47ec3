"""Providers and casinos, as the service knows them."""

from dataclasses import dataclass, field
from typing import Literal

from betcore.domain.profiles import CasinoProfile, ProviderProfile

PartnerKind = Literal["provider", "casino"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A game provider. ``counterparty_id`` is a UUID in lower case; ``secrets`` are those in force, newest first."""

    provider_id: int
    counterparty_id: str
    name: str
    base_url: str
    profile: ProviderProfile
    secrets: tuple[str, ...] = field(repr=False)
    disabled: bool
    suspended: bool = False


@dataclass(frozen=True, slots=True)
class Casino:
    """A casino, and the address of its wallet (``api_host``, without a slash at its end)."""

    casino_id: int
    partner_client_id: int
    name: str
    api_host: str
    profile: CasinoProfile
    disabled: bool


@dataclass(frozen=True, slots=True)
class CasinoAccount:
    """A casino as it calls us; ``secrets`` are those in force, newest first.

    An access token holds only in the ``token_generation`` in which it was issued.
    """

    casino: Casino
    secrets: tuple[str, ...] = field(repr=False)
    token_generation: int
