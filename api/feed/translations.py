"""The names of game types, in the languages of ``locales/``."""

import json
from collections.abc import Mapping
from pathlib import Path

_LOCALES = Path(__file__).parent / "locales"
# If a language is asked for that is not there, or none.
_FALLBACKS = ("pt-BR", "pt", "en")


class Translations:
    """Finds names in the language that is nearest to the one asked for."""

    def __init__(self, folder: Path = _LOCALES) -> None:
        """Read the files: one for each language, with names by their keys."""
        files = sorted(folder.glob("*.json"))
        self._names: dict[str, Mapping[str, str]] = {one.stem: json.loads(one.read_text("utf-8")) for one in files}
        self._by_tag = {language.lower(): language for language in self._names}

    def nearest(self, asked: str | None) -> str:
        """Return the language asked for, else its family's (``pt`` for ``pt-PT``), else the first fallback."""
        wanted = (asked or "").lower()
        for tag in (wanted, wanted.partition("-")[0], *(one.lower() for one in _FALLBACKS)):
            if tag in self._by_tag:
                return self._by_tag[tag]
        raise LookupError("there is no language at all")

    def name(self, key: str, language: str) -> str:
        """Return a name in a language of ``nearest``, else in a fallback; a key without any name is shown as it is."""
        return next((self._names[one][key] for one in (language, *_FALLBACKS) if key in self._names.get(one, ())), key)
