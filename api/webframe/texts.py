"""The texts of the frame's refusals, in the languages of ``locales/``."""

import json
import re
from pathlib import Path

from betcore.domain.launch import LANGUAGE_TAG

_LOCALES = Path(__file__).parent / "locales"
_FALLBACK = "en"


class Texts:
    """Finds the text of a code in the language that is nearest to the one asked for."""

    def __init__(self) -> None:
        """Read the files."""
        found = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(_LOCALES.glob("*.json"))}
        self._errors: dict[str, dict[str, str]] = {language: texts["errors"] for language, texts in found.items()}

    def nearest(self, asked: str) -> str:
        """Return the language that is asked for, or one of its family, or English."""
        wanted = asked.lower()
        family = [one for one in self._errors if one.partition("-")[0].lower() == wanted.partition("-")[0]]
        return next((one for one in family if one.lower() == wanted), family[0] if family else _FALLBACK)

    def of_header(self, accept_language: str) -> str:
        """Return the language of the first tag in an ``Accept-Language``."""
        first = re.split("[,;]", accept_language, maxsplit=1)[0].strip()
        return self.nearest(first if LANGUAGE_TAG.fullmatch(first) else _FALLBACK)

    def error(self, code: str, language: str) -> str:
        """Return the text of a code."""
        texts = self._errors[self.nearest(language)]
        return texts.get(code, texts["internal"])
