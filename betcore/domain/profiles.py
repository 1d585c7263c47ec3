"""Profiles of providers and casinos: how the service treats each of them, as versioned YAML.

A file gives only what differs from the defaults below. Durations are in seconds and may be fractions.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from betcore.domain.errors import InvalidInput
from betcore.domain.frame_uri import FrameHost
from betcore.domain.origins import Origin
from betcore.domain.scopes import SCOPES, Scope

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# In major units of a currency.
Amount = Annotated[Decimal, Field(gt=0, lt=10**15, allow_inf_nan=False)]

MAX_ODD = 10**9
Odd = Annotated[Decimal, Field(gt=0, lt=MAX_ODD, allow_inf_nan=False)]

# Meanings of a casino's ErrorCode; a code without one leaves the outcome unknown.
Meaning = Literal[
    "done",
    "player_unknown",
    "wrong_amount",
    "failed",
    "no_money",
    "duplicate",
    "bet_unknown",
    "player_blocked",
    "limit_reached",
    "token_invalid",
    "player_mismatch",
    "promo_refused",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(_Section):
    """How many calls a partner may make: ``burst`` in the time that ``per_second`` needs for so many."""

    per_second: Annotated[int, Field(gt=0)] = 200
    burst: Annotated[int, Field(gt=0)] = 400


class _PartnerProfile(_Section):
    rate: Rate | None

    # No limit is written as ``none``: a field that was left empty by mistake must not lift it.
    @field_validator("rate", mode="before")
    @classmethod
    def _read_none(cls, given: object) -> object:
        if given is None:
            raise ValueError("no limit is written as none")
        return None if given == "none" else given

    @field_serializer("rate")
    def _write_none(self, rate: Rate | None) -> Rate | Literal["none"]:
        return rate or "none"


class Launch(_Section):
    """What a provider is sent beside the player and the game; amounts by currency, in its major units.

    ``max_bet`` is for what has no limit; in a currency that it does not name it is ``max_bet_units`` smallest units.
    """

    max_bet: dict[str, Amount] = {}
    max_bet_units: Annotated[int, Field(gt=0, lt=10**15)] = 100_000
    max_win: dict[str, Amount] = {}
    button_amounts: dict[str, tuple[Amount, ...]] = {}
    game_margin: Annotated[Decimal, Field(ge=0, lt=1000, allow_inf_nan=False)] | None = None
    urls: bool = False


class Live(_Section):
    """How the rounds of a provider's live games are treated; see ``betcore.domain.live_rounds``."""

    result_within: Seconds = 300.0
    refund_cancelled: bool = False


class CasinoWinReview(_Section):
    """Wins beyond these wait for two operators; amounts by currency, in its major units. By default none does.

    A session has those of its casino from its opening on.
    """

    max_win: dict[str, Amount] = {}
    max_odd: Odd | None = None


class WinReview(CasinoWinReview):
    """With ``as_launched`` also wins beyond what launches tell it: the game's ``maxOdd``, ``launch.max_win``."""

    per_hour: dict[str, Amount] = {}
    as_launched: bool = False


class ProviderProfile(_PartnerProfile):
    """How the service treats one provider."""

    version: Literal[1] = 1
    answer_deadline: Seconds = 4.0
    freshness_window: Seconds = 60.0
    signature: Literal["raw", "raw_or_sorted"] = "raw"
    duplicates: Literal["replay", "code_104"] = "replay"
    foreign_amounts: Literal["refuse", "ignore"] = "refuse"
    order_window: Seconds = 30.0
    refund_after_pay_out: Literal["refuse", "reverse"] = "refuse"
    unconfirmed_within: Seconds = 60.0
    settle_within: Seconds = 86400.0
    on_overdue: Literal["hold", "refund"] = "hold"
    frame_hosts: tuple[FrameHost, ...] = ()
    launch: Launch = Launch()
    live: Live = Live()
    win_review: WinReview = WinReview()
    session_idle: Seconds = 7200.0
    session_lifetime: Seconds = 86400.0
    rate: Rate | None = Rate()


class Retry(_Section):
    """Backoff of the slow lane: ``first`` seconds, then times ``factor``, at most ``cap``; jitter is added."""

    first: Seconds = 1.0
    factor: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = 2.0
    cap: Seconds = 300.0


class Breaker(_Section):
    """When the circuit breaker of a casino opens, so that stakes fail fast, and how often it is probed."""

    failures: Annotated[int, Field(gt=0)] = 10
    window: Seconds = 10.0
    probe_every: Seconds = 5.0


class Send(_Section):
    """Optional parts of the casino's protocol that the service sends."""

    zero_stakes: bool = True
    aud: bool = True
    close: bool = False
    list: Literal[False, "credits", "one_step"] = False
    tax: bool = False
    promo: bool = False
    traceparent: bool = False

    # What the field was before it said which movements: a casino that takes lists takes them of credits.
    @field_validator("list", mode="before")
    @classmethod
    def _read_true(cls, given: object) -> object:
        return "credits" if given is True else given


class CashbackRule(_Section):
    """What part of their losses players get back by themselves; ``floor`` and ``cap`` by currency, in its major units.

    Less than the floor is not paid; more than the cap is paid as the cap.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    share: Annotated[Decimal, Field(gt=0, le=1, decimal_places=6, allow_inf_nan=False)]
    period: Literal["day", "week", "month"] = "week"
    floor: dict[str, Amount] = {}
    cap: dict[str, Amount] = {}
    excluded_categories: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = ()
    promo_code: Annotated[str, Field(min_length=1, max_length=100)] | None = None

    @model_validator(mode="after")
    def _cap_is_no_less_than_floor(self) -> "CashbackRule":
        for currency, least in self.floor.items():
            if least > self.cap.get(currency, least):
                raise ValueError(f"in {currency} the cap is below the floor")
        return self


def _known_zone(name: str) -> str:
    # ZoneInfo raises one of several errors, by what is wrong with a name.
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError("not a name of the IANA time zone database, such as Europe/Madrid") from None
    return name


DEFAULT_ERROR_CODES: dict[str, Meaning] = {
    "200": "done",
    "102145": "player_unknown",
    "103801": "wrong_amount",
    "102823": "failed",
    "103802": "no_money",
    "103803": "duplicate",
    "103804": "bet_unknown",
    "103805": "player_blocked",
    "103806": "limit_reached",
    "103807": "token_invalid",
    "103808": "player_mismatch",
    "103809": "promo_refused",
}


class CasinoProfile(_PartnerProfile):
    """How the service treats one casino."""

    version: Literal[1] = 1
    confirmation: Literal["accept", "reply"] = "accept"
    accept_within: Seconds = 30.0
    message_lifetime: Seconds = 10.0
    clock_leeway: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 300.0
    effect_within: Seconds = 30.0
    attempt_timeout: Seconds = 1.5
    fast_attempts: Annotated[int, Field(ge=1, le=5)] = 2
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    owed_per_second: Annotated[int, Field(gt=0)] = 50
    send: Send = Send()
    extra_data: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    duplicate_is_done: bool = False
    cashback_info: bool = False
    win_review: CasinoWinReview = CasinoWinReview()
    rate: Rate | None = Rate(per_second=500, burst=1000)
    scopes: tuple[Scope, ...] = SCOPES
    origins: tuple[Origin, ...] = ()
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    cashback_rules: tuple[CashbackRule, ...] = ()
    error_codes: dict[str, Meaning] = DEFAULT_ERROR_CODES
    approval_above: dict[str, Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]] = {"EUR": Decimal(1000)}

    @model_validator(mode="before")
    @classmethod
    def _codes_add_to_defaults(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(given.get("error_codes"), dict):
            codes = {str(code): meaning for code, meaning in given["error_codes"].items()}
            given = {**given, "error_codes": {**DEFAULT_ERROR_CODES, **codes}}
        return given

    @field_validator("cashback_rules")
    @classmethod
    def _rules_have_names_of_their_own(cls, given: tuple[CashbackRule, ...]) -> tuple[CashbackRule, ...]:
        if len({rule.name for rule in given}) < len(given):
            raise ValueError("two rules have the same name")
        return given

    @model_validator(mode="after")
    def _effect_covers_accept(self) -> "CasinoProfile":
        if self.confirmation == "accept" and self.effect_within < self.accept_within:
            raise ValueError("effect_within must be at least accept_within")
        return self

    @property
    def absence_after(self) -> timedelta:
        """Return how long after a debit's last moment the casino may still apply it."""
        return timedelta(seconds=self.clock_leeway + self.effect_within)

    @property
    def done_codes(self) -> list[str]:
        """Return the ErrorCodes by which the casino says that it has made a movement."""
        return [code for code, meaning in self.error_codes.items() if meaning == "done"]


P = TypeVar("P", ProviderProfile, CasinoProfile)


def read(profile: type[P], text: str, **overrides: object) -> P:
    """Return the profile that a YAML text gives; ``overrides`` that are not None replace its fields.

    Raises InvalidInput(invalid_profile) naming the path of the first invalid field.
    """
    try:
        given = yaml.safe_load(text) if text.strip() else {}
    except yaml.YAMLError as error:
        raise InvalidInput(f"not YAML: {error}", code="invalid_profile") from error
    if not isinstance(given, dict):
        raise InvalidInput("a profile is a mapping of fields", code="invalid_profile")
    given |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return profile.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"]) or "profile"
        raise InvalidInput(f"{path}: {first['msg']}", code="invalid_profile") from error
