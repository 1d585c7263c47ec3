"""docs/configuration.md lists every setting with its default, as ``betcore.runtime.settings`` has them."""

import json
from pathlib import Path

from pydantic.fields import FieldInfo

from betcore.runtime.settings import Settings

_PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def _row(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    shown = default if default is None or isinstance(default, str) else json.dumps(default, default=str).strip('"')
    return f"| `BETCORE_{name.upper()}` | {f'`{shown}`' if shown else ''} | {field.description} |"


def test_the_table_of_settings_is_up_to_date() -> None:
    expected = [_row(name, field) for name, field in Settings.model_fields.items()]
    found = [line for line in _PAGE.read_text().splitlines() if line.startswith("| `BETCORE_")]
    assert found == expected, "the rows must be:\n" + "\n".join(expected)
