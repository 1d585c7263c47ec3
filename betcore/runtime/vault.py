"""The vault encrypts partners' secrets and private keys before they reach the database (Fernet: AES and HMAC)."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings

_HOW = "make one with `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`"


class Vault:
    """Encrypts texts with the newest key and decrypts what any of the keys encrypted."""

    def __init__(self, keys: str) -> None:
        """Take Fernet keys, comma separated, newest first.

        Raises Misconfigured(no_secret_key) without a key, or if one is not a Fernet key; its text never shows a key.
        """
        given = [key.strip() for key in keys.split(",") if key.strip()]
        if not given:
            raise Misconfigured(f"BETCORE_SECRET_KEY is empty: {_HOW}", code="no_secret_key")
        self._fernet = MultiFernet([_fernet(key, place) for place, key in enumerate(given, 1)])

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """Return a vault with the keys of the settings. Raises Misconfigured(no_secret_key) as the constructor does."""
        return cls(settings.secret_key.get_secret_value() if settings.secret_key else "")

    def seal(self, text: str) -> str:
        """Return the text encrypted, as ASCII. Encrypting a text twice gives two different results."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the text that was sealed. Raises Misconfigured(wrong_secret_key) if no key decrypts it."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            message = "BETCORE_SECRET_KEY does not open this secret: put the key that sealed it behind the new one"
            raise Misconfigured(message, code="wrong_secret_key") from None


def _fernet(key: str, place: int) -> Fernet:
    try:
        return Fernet(key)
    except ValueError:
        message = f"BETCORE_SECRET_KEY: key {place} is not 32 bytes in URL-safe base64: {_HOW}"
        raise Misconfigured(message, code="no_secret_key") from None
