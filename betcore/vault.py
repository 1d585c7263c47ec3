"""The vault: partners' secrets and private keys are encrypted before they reach the database (Fernet, AES and HMAC)."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from betcore.errors import Misconfigured
from betcore.settings import Settings

_HOW = "make one with `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`"


class Vault:
    """Seals texts with the newest key and opens what any of the keys sealed."""

    def __init__(self, keys: str) -> None:
        """``keys``: Fernet keys, comma separated, newest first.

        Raises Misconfigured(no_secret_key) when there is none, or one is not a Fernet key; the text never shows a key.
        """
        given = [key.strip() for key in keys.split(",") if key.strip()]
        if not given:
            raise Misconfigured(f"BETCORE_SECRET_KEY is empty: {_HOW}", code="no_secret_key")
        self._fernet = MultiFernet([_fernet(key, place) for place, key in enumerate(given, 1)])

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """The vault of a process. Raises Misconfigured(no_secret_key) as the constructor does."""
        return cls(settings.secret_key.get_secret_value() if settings.secret_key else "")

    def seal(self, text: str) -> str:
        """The text encrypted, as ASCII; twice the same text gives two different results."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text that was sealed. Raises Misconfigured(wrong_secret_key) when none of the keys opens it."""
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
