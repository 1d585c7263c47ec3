"""``python -m betcore provider ...`` and ``casino ...``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from betcore.cli.context import CommandContext, Json, given_operator, lines, read_file, run_command
from betcore.cli.output import AsJson, DataDir, Operator, OperatorOfChange

if TYPE_CHECKING:
    from betcore.domain.partners import PartnerKind

OVERLAP_SECONDS = 3600

provider = typer.Typer(no_args_is_help=True, help="Game providers: the partners that send bets.")
casino = typer.Typer(no_args_is_help=True, help="Casinos: the partners whose wallets have the money.")

Name = Annotated[str, typer.Option("--name", help="The partner's name, as it was added.")]
ProfileFile = Annotated[Path | None, typer.Option("--profile", help="YAML with what differs from the defaults.")]
BaseUrl = Annotated[str, typer.Option("--base-url", help="Where the provider's own API is called.")]
ApiHost = Annotated[str, typer.Option("--api-host", help="Where the casino's wallet is called.")]
Confirmation = Annotated[
    str | None, typer.Option("--confirmation", help="How the casino confirms a movement: reply or accept.")
]
Overlap = Annotated[int, typer.Option("--overlap", help="Seconds for which the previous secret stays valid.")]


@provider.command("add")
def add_provider(
    name: Name,
    base_url: BaseUrl,
    operator: Operator,
    profile: ProfileFile = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Add a provider; its counterparty id and secret are printed, the secret this once."""
    run_command(
        as_json,
        data_dir,
        lambda context: context.partners.add_provider(name, base_url, read_file(profile)),
        operator=operator,
    )


@casino.command("add")
def add_casino(
    name: Name,
    api_host: ApiHost,
    operator: Operator,
    confirmation: Confirmation = None,
    profile: ProfileFile = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Add a casino; its partner client id and secret are printed, the secret this once."""
    run_command(
        as_json,
        data_dir,
        lambda context: context.partners.add_casino(name, api_host, read_file(profile), confirmation),
        operator=operator,
    )


@provider.command("list")
def list_providers(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List all providers."""
    _list("provider", as_json, data_dir)


@casino.command("list")
def list_casinos(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List all casinos."""
    _list("casino", as_json, data_dir)


@provider.command("set-profile")
def set_provider_profile(
    name: Name,
    profile: ProfileFile = None,
    base_url: Annotated[str | None, typer.Option("--base-url", help="Another address.")] = None,
    operator: OperatorOfChange = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Replace the profile, or the address; without a file, show the profile."""
    _set_profile("provider", name, profile, base_url, operator, as_json, data_dir)


@casino.command("set-profile")
def set_casino_profile(
    name: Name,
    profile: ProfileFile = None,
    api_host: Annotated[str | None, typer.Option("--api-host", help="Another address.")] = None,
    operator: OperatorOfChange = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Replace the profile, or the address; without a file, show the profile."""
    _set_profile("casino", name, profile, api_host, operator, as_json, data_dir)


@provider.command("disable")
def disable_provider(name: Name, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Refuse new stakes of a provider; its open bets continue."""
    run_command(as_json, data_dir, lambda context: context.partners.disable("provider", name), operator=operator)


@casino.command("disable")
def disable_casino(name: Name, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Refuse new stakes for a casino; its open bets continue."""
    run_command(as_json, data_dir, lambda context: context.partners.disable("casino", name), operator=operator)


@provider.command("rotate-secret")
def rotate_provider_secret(
    name: Name,
    operator: Operator,
    overlap: Overlap = OVERLAP_SECONDS,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a new secret, printed this once; the previous one stays valid for the overlap."""
    run_command(
        as_json, data_dir, lambda context: context.partners.rotate_secret("provider", name, overlap), operator=operator
    )


@casino.command("rotate-secret")
def rotate_casino_secret(
    name: Name,
    operator: Operator,
    overlap: Overlap = OVERLAP_SECONDS,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a new secret, printed this once; the previous one stays valid for the overlap."""
    run_command(
        as_json, data_dir, lambda context: context.partners.rotate_secret("casino", name, overlap), operator=operator
    )


@provider.command("show")
def show_provider(name: Name, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a provider and its profile, without secrets."""
    _show("provider", name, as_json, data_dir)


@casino.command("show")
def show_casino(name: Name, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show a casino, its profile and its breaker, without secrets."""
    _show("casino", name, as_json, data_dir)


@casino.command("set-limits")
def set_casino_limits(
    name: Name,
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217, or one of the settings.")],
    operator: Operator,
    min_bet: Annotated[str | None, typer.Option("--min-bet", help="In major units of the currency.")] = None,
    max_bet: Annotated[str | None, typer.Option("--max-bet", help="In major units of the currency.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Replace the limits of a casino's players in one currency, in every game; without both there are none."""

    async def work(context: CommandContext) -> Json:
        return {"name": name, "limits": await context.limits.set_casino(name, currency, min_bet, max_bet)}

    run_command(as_json, data_dir, work, operator=operator)


@provider.command("enable")
def enable_provider(name: Name, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Accept new stakes of a provider again."""
    run_command(as_json, data_dir, lambda context: context.partners.enable("provider", name), operator=operator)


@casino.command("enable")
def enable_casino(name: Name, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Accept new stakes for a casino again."""
    run_command(as_json, data_dir, lambda context: context.partners.enable("casino", name), operator=operator)


@provider.command("suspend")
def suspend_provider(name: Name, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Refuse every call of a provider with 401; its open bets continue without it."""
    run_command(as_json, data_dir, lambda context: context.partners.suspend(name, suspended=True), operator=operator)


@provider.command("resume")
def resume_provider(name: Name, operator: Operator, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Accept the calls of a suspended provider again."""
    run_command(as_json, data_dir, lambda context: context.partners.suspend(name, suspended=False), operator=operator)


def _show(kind: "PartnerKind", name: str, as_json: bool, data_dir: Path | None) -> None:
    async def work(context: CommandContext) -> Json:
        found = await context.partners.shown(kind, name)
        if kind == "provider":
            return found | {"catalogue": await _last_sync(context, name)}
        [casino] = await _with_breakers(context, [found])
        return casino | {"limits": await context.limits.of_casino(name)}

    run_command(as_json, data_dir, work, _as_yaml)


def _list(kind: "PartnerKind", as_json: bool, data_dir: Path | None) -> None:
    plural = f"{kind}s"

    async def work(context: CommandContext) -> Json:
        listed = await context.partners.listed(kind)
        return {plural: await _with_breakers(context, listed) if kind == "casino" else listed}

    run_command(as_json, data_dir, work, lambda found: lines(found[plural]))


async def _last_sync(context: CommandContext, name: str) -> Json | None:
    from betcore.db.catalogue_sync import CatalogueSyncs

    return await CatalogueSyncs(context.database).shown(name)


async def _with_breakers(context: CommandContext, casinos: list[Json]) -> list[Json]:
    from betcore.db.circuit_breakers import CircuitBreakers

    shown = {breaker.casino: breaker.description for breaker in await CircuitBreakers(context.database, 0).shown()}
    return [casino | {"breaker": shown.get(casino["name"])} for casino in casinos]


def _set_profile(
    kind: "PartnerKind",
    name: str,
    file: Path | None,
    address: str | None,
    operator: str | None,
    as_json: bool,
    data_dir: Path | None,
) -> None:
    async def work(context: CommandContext) -> Json:
        if file is not None or address is not None:
            given_operator(operator)
            profile = None if file is None else read_file(file)
            await context.partners.change(kind, name, profile=profile, address=address)
        return {"name": name, "profile": await context.partners.profile(kind, name)}

    run_command(as_json, data_dir, work, _in_yaml, operator=operator)


def _in_yaml(found: Json) -> str:
    return _as_yaml(found["profile"])


def _as_yaml(found: Json) -> str:
    import yaml

    return str(yaml.safe_dump(found, sort_keys=False)).rstrip()
