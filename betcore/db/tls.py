"""TLS to PostgreSQL, by the settings: one place for every connection of the process, and the check when it starts."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings

# What libpq reads of an address, and other clients write there.
_IN_ADDRESS = ("ssl", "tls", "sslnegotiation")
_TLS = "BETCORE_DATABASE_TLS"


def options(settings: Settings) -> dict[str, Any]:
    """Return what asyncpg is to know about TLS: nothing if the settings say nothing.

    Raise Misconfigured (``invalid_settings``) for settings that contradict each other, TLS in the address, and files
    that cannot be read.
    """
    _refuse_address(settings)
    mode, ca = settings.database_tls, settings.database_tls_ca
    cert, key = settings.database_tls_cert, settings.database_tls_key
    if ca and mode != "verify-full":
        raise _wrong(f"{_TLS}_CA is of use with {_TLS}=verify-full alone, which checks the server's certificate")
    if bool(cert) != bool(key):
        raise _wrong(f"{_TLS}_CERT and {_TLS}_KEY go together: one of them is not set")
    if cert and mode not in ("require", "verify-full"):
        raise _wrong(f"{_TLS}_CERT is of use with TLS: set {_TLS} to require or verify-full")
    match mode:
        case None:
            return {}
        case "off":
            return {"ssl": False}
        case _:
            return {"ssl": _context(mode == "verify-full", ca, cert, key)}


async def check(settings: Settings, connected: Mapping[str, Any]) -> None:
    """Connect once with asyncpg's options, if the settings name a kind of TLS, so that a process with wrong ones does
    not start.

    Raise Misconfigured (``tls_refused``) if the two sides do not agree. A server that cannot be reached may be
    restarting: the process starts, and connects when it is back.
    """
    if settings.database_tls is None:
        return
    try:
        connection = await asyncpg.connect(**connected)
    except asyncpg.InvalidPasswordError:
        return
    except asyncpg.InvalidAuthorizationSpecificationError as refused:
        raise _refused(f"PostgreSQL refuses the connection: {refused.args[0]}") from None
    except ssl.SSLCertVerificationError as refused:
        where = "BETCORE_DATABASE_TLS_CA and the host name in BETCORE_DATABASE_URL"
        raise _refused(f"PostgreSQL's certificate is not good: {refused.verify_message} (see {where})") from None
    except ssl.SSLError as refused:
        raise _refused(f"PostgreSQL and this process do not agree about TLS: {refused.reason}") from None
    except asyncpg.ConnectionDoesNotExistError:
        # asyncpg does not pass on the alert by which a server says that it has refused the certificate.
        if settings.database_tls_cert:
            raise _refused(f"PostgreSQL closes the connection: it may not take {_TLS}_CERT") from None
        return
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        if "rejected SSL upgrade" in str(failure):
            raise _refused(f"PostgreSQL offers no TLS, and {_TLS} wants it") from None
        return
    await connection.close()


def _refuse_address(settings: Settings) -> None:
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    named = [name for name in parse_qs(urlsplit(url).query, keep_blank_values=True) if name.startswith(_IN_ADDRESS)]
    if named:
        raise _wrong(
            f"BETCORE_DATABASE_URL: {', '.join(named)} is not read from the address: remove it there, and set "
            f"{_TLS} to off, require or verify-full"
        )


def _context(verified: bool, ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verified:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if ca:
        # Without the system's authorities: one of them could vouch for another server.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with _reading(f"{_TLS}_CA"):
            context.load_verify_locations(ca)
    if cert and key:
        with _reading(f"{_TLS}_CERT, {_TLS}_KEY"):
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(cert, key, password="")
    context.set_alpn_protocols(["postgresql"])
    return context


@contextmanager
def _reading(names: str) -> Iterator[None]:
    """Raise Misconfigured with the names of the settings if the block cannot read their files."""
    try:
        yield
    except ssl.SSLError as error:
        raise _wrong(f"{names}: not a certificate and its key in PEM ({error.reason or error})") from None
    except OSError as error:
        raise _wrong(f"{names}: {error.filename or 'the file'}: {error.strerror}") from None


def _wrong(message: str) -> Misconfigured:
    return Misconfigured(message, code="invalid_settings")


def _refused(message: str) -> Misconfigured:
    return Misconfigured(message, code="tls_refused")
