"""The vault encrypts partners' secrets and private keys before they reach the database, and binds each to its place.

AES-GCM: the place is authenticated with the text, so that a secret that somebody copied into another row or column
opens nothing there. Earlier releases sealed with Fernet, bound to nothing: that is read while its key is given, and
written as long as such a release may have to read it.
"""

import base64
import os
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings

_HOW = "make one with `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`"
# No text of Fernet begins with it.
_BOUND = "bound:"
_NONCE_BYTES = 12


class Place(NamedTuple):
    """Where a sealed text stands: its table, what identifies the row for good, and the column."""

    table: str
    row: str | int
    column: str


class Vault:
    """Encrypts texts with the newest key and decrypts what any of the keys encrypted."""

    def __init__(self, keys: str, *, bound: bool = True) -> None:
        """Take Fernet keys, comma separated, newest first; ``bound`` is whether to bind what is sealed to its place.

        Raises Misconfigured(no_secret_key) without a key, or if one is not a Fernet key; its text never shows a key.
        """
        given = [key.strip() for key in keys.split(",") if key.strip()]
        if not given:
            raise Misconfigured(f"BETCORE_SECRET_KEY is empty: {_HOW}", code="no_secret_key")
        self._fernet = MultiFernet([_fernet(key, place) for place, key in enumerate(given, 1)])
        # One key for all places: a random nonce of 96 bits is safe for 2**32 texts, and a person logs in less often.
        self._ciphers = [AESGCM(_derived(key)) for key in given]
        self._bound = bound

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """Return a vault with the keys of the settings. Raises Misconfigured(no_secret_key) as the constructor does."""
        keys = settings.secret_key.get_secret_value() if settings.secret_key else ""
        return cls(keys, bound=not settings.secrets_unbound)

    def seal(self, text: str, place: Place) -> str:
        """Return the text encrypted for a place, as ASCII. Encrypting a text twice gives two different results."""
        if not self._bound:
            return self._fernet.encrypt(text.encode()).decode()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, text.encode(), _bytes(place))
        return _BOUND + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, place: Place) -> str:
        """Return the text that was sealed for a place, or before places were bound.

        Raises Misconfigured(wrong_secret_key) if no key decrypts it, or it was sealed for another place.
        """
        found = self._opened(sealed, place) if sealed.startswith(_BOUND) else self._opened_unbound(sealed)
        if found is None:
            message = (
                f"BETCORE_SECRET_KEY does not open {place.column} of {place.table} {place.row}: put the key that "
                "sealed it behind the new one; or it was sealed for another row, and was copied"
            )
            raise Misconfigured(message, code="wrong_secret_key")
        return found

    def _opened(self, sealed: str, place: Place) -> str | None:
        try:
            data = base64.urlsafe_b64decode(sealed.removeprefix(_BOUND))
        except ValueError:
            return None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bytes(place)).decode()
            except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                continue
        return None

    def _opened_unbound(self, sealed: str) -> str | None:
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None


def _bytes(place: Place) -> bytes:
    # NUL is in no text of PostgreSQL.
    return "\0".join((place.table, str(place.row), place.column)).encode()


def _derived(key: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"betcore sealed secret").derive(base64.urlsafe_b64decode(key))


def _fernet(key: str, place: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        message = f"BETCORE_SECRET_KEY: key {place} is not 32 bytes in URL-safe base64: {_HOW}"
        raise Misconfigured(message, code="no_secret_key") from None
