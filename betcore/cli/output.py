"""How commands print: with ``--json`` one JSON object on standard output, else text. A refusal exits with status 1."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from betcore.domain.errors import BetcoreError, Misconfigured

if TYPE_CHECKING:
    from betcore.runtime.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object; logs go to standard error.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", envvar="BETCORE_DATA_DIR", help="Folder of the running stack.")
]
Operator = Annotated[
    str, typer.Option("--operator", envvar="BETCORE_OPERATOR", help="The operator's name; is recorded.")
]
Reason = Annotated[str, typer.Option("--reason", help="The reason; is recorded.")]
# Of a command that may change nothing.
OperatorOfChange = Annotated[
    str | None,
    typer.Option("--operator", envvar="BETCORE_OPERATOR", help="The operator's name; is recorded with a change."),
]

# Settings of a command whose argument is an id that this service does not choose, or that is a hash. Such an id may
# begin with a dash, which would else be read as an option that does not exist.
ID_MAY_BEGIN_WITH_DASH = {"ignore_unknown_options": True}


def emit(data: Mapping[str, Any], as_json: bool, text: str | None = None) -> None:
    """Print ``data`` as one line of JSON, or ``text`` for a person; without a text, ``name: value`` lines.

    Values that JSON does not know (dates, paths, ids) are printed as their ``str``.
    """
    if as_json:
        text = json.dumps(data, default=str)
    elif text is None:
        text = "\n".join(f"{name}: {value}" for name, value in data.items())
    print(text, flush=True)


@contextmanager
def reporting_errors(as_json: bool) -> Iterator[None]:
    """Print a refusal raised in the block as an ``error`` object, or as one line on standard error, and exit with
    status 1.

    A server that cannot be reached is reported in the same way, with the code ``unreachable``.
    """
    try:
        yield
    except BetcoreError as refused:
        code, message = str(refused.code), str(refused)
    except OSError as failure:
        code, message = "unreachable", str(failure)
    except Exception as failure:
        if not _of_a_server(failure):
            raise
        code, message = "unreachable", str(failure) or type(failure).__name__
    else:
        return
    if as_json:
        emit({"error": {"code": code, "message": message}}, as_json=True)
    else:
        print(f"error: {message} ({code})", file=sys.stderr)
    raise typer.Exit(1)


def _of_a_server(failure: Exception) -> bool:
    """Return whether a client of PostgreSQL, Temporal or HTTP reports its server as unreachable by an error that is no
    OSError."""
    if isinstance(failure, RuntimeError):
        return str(failure).startswith("Failed client connect")
    return type(failure).__module__.partition(".")[0] in ("aiohttp", "asyncpg", "sqlalchemy", "temporalio")


def read_settings(data_dir: Path | None = None, kind: "type[Settings] | None" = None, **given: Any) -> "Settings":
    """Return the settings of this process, after setting its currencies from them: the composition root of a command.

    ``data_dir`` is the option of the same name, ``kind`` the class of the process if it has one of its own; ``given``
    overrides the environment. Raises Misconfigured(invalid_settings) naming the variables that are wrong.
    """
    from pydantic import ValidationError  # here: a command that needs no settings starts faster
    from pydantic_settings import SettingsError

    from betcore.domain import currencies
    from betcore.runtime.settings import Settings

    if data_dir is not None:
        given["data_dir"] = data_dir
    try:
        settings = Settings(**given) if kind is None else kind(**given)
    except SettingsError as wrong:
        raise Misconfigured(f"BETCORE_... that is not JSON: {wrong}", code="invalid_settings") from None
    except ValidationError as wrong:
        faults = "; ".join(f"BETCORE_{_name(fault['loc'])}: {fault['msg']}" for fault in wrong.errors())
        raise Misconfigured(faults, code="invalid_settings") from None
    currencies.configure(settings.crypto_currencies)
    return settings


def _name(location: tuple[int | str, ...]) -> str:
    return "_".join(str(part) for part in location).upper()
