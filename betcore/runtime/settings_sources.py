"""Where settings come from beside the environment: files of secrets, and the file of the running stack."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsError

from betcore.domain.errors import Misconfigured

STACK_FILE = "stack.json"


class SecretFiles(SecretsSettingsSource):
    """The settings that stand in files, one in each, named as their variables in any case."""

    def __call__(self) -> dict[str, Any]:
        """Return what the files say. Raise Misconfigured (``invalid_settings``) if one cannot be read."""
        folder = Path(str(self.secrets_dir))
        try:
            # The base class would only warn of a folder that is not there.
            next(folder.iterdir(), None)
            return super().__call__()
        except OSError as error:
            message = f"BETCORE_SECRETS_DIR: {error.filename or folder}: {error.strerror}"
        except SettingsError as error:
            message = f"BETCORE_SECRETS_DIR: {error}: {error.__cause__}"
        raise Misconfigured(message, code="invalid_settings")


class RunningStack(PydanticBaseSettingsSource):
    """The settings that a running stack wrote into its data folder for this kind of process; empty without one."""

    def __init__(self, settings_cls: type[BaseSettings], given: Mapping[str, object]) -> None:
        super().__init__(settings_cls)
        folder = given.get("data_dir") or os.environ.get("BETCORE_DATA_DIR") or ".betcore"
        self._file = Path(str(folder)) / STACK_FILE

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        raise NotImplementedError  # the base class wants it; __call__ answers for all fields at once

    def __call__(self) -> dict[str, object]:
        try:
            found = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise Misconfigured(f"{self._file} is damaged: start the stack again", code="invalid_settings") from None
        known, process = self.settings_cls.model_fields, getattr(self.settings_cls, "process", "")
        settings = found.get("settings", {}) | found.get("processes", {}).get(process, {})
        return {name: value for name, value in settings.items() if name in known}
