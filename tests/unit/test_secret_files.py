"""Settings from files: one in each, as Docker and Kubernetes give secrets."""

from pathlib import Path

import pytest

from betcore.cli.output import read_settings
from betcore.runtime.settings import Settings
from betcore.runtime.settings_sources import STACK_FILE
from tests.unit.partner_database import refused


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("BETCORE_SECRETS_DIR", str(folder))
    monkeypatch.setenv("BETCORE_DATA_DIR", str(tmp_path))
    return folder


def test_a_file_is_the_setting_of_its_name(secrets: Path) -> None:
    (secrets / "betcore_secret_key").write_text("from a file\n")
    (secrets / "BETCORE_DATABASE_URL").write_text("postgresql://file/db\n")
    (secrets / "betcore_crypto_currencies").write_text('{"BTC": 8}')
    (secrets / "another").write_text("of another program")
    (secrets / "..data").mkdir()
    found = read_settings()
    assert found.secret_key is not None
    assert found.secret_key.get_secret_value() == "from a file"
    assert found.database_url is not None
    assert found.database_url.get_secret_value() == "postgresql://file/db"
    assert found.crypto_currencies == {"BTC": 8}
    assert "from a file" not in repr(found)


def test_a_variable_wins_over_a_file_and_a_file_over_the_running_stack(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "betcore_secret_key").write_text("file")
    (secrets / "betcore_issuer").write_text("file")
    (secrets.parent / STACK_FILE).write_text('{"settings": {"issuer": "stack", "log_level": "debug"}}')
    monkeypatch.setenv("BETCORE_SECRET_KEY", "variable")
    found = Settings()
    assert found.secret_key is not None
    assert (found.secret_key.get_secret_value(), found.issuer, found.log_level) == ("variable", "file", "debug")


def test_what_cannot_be_read_is_named(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "betcore_secret_key").write_bytes(b"\xff\xfe")
    with refused("invalid_settings", "BETCORE_SECRETS_DIR: .*secret_key.*can't decode"):
        read_settings()
    (secrets / "betcore_secret_key").unlink()
    (secrets / "betcore_api_port").write_text("many")
    with refused("invalid_settings", "BETCORE_API_PORT"):
        read_settings()
    monkeypatch.setenv("BETCORE_SECRETS_DIR", str(secrets / "none"))
    with refused("invalid_settings", "BETCORE_SECRETS_DIR: .*none: No such file"):
        read_settings()
