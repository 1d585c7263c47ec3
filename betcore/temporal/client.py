"""The connection to Temporal, the same for API, worker, CLI and tests: one converter, one encryption."""

from collections.abc import Sequence
from pathlib import Path

from temporalio.client import Client, Interceptor, TLSConfig
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
)
from temporalio.runtime import Runtime
from temporalio.service import GrpcCompression

from betcore.domain.errors import Misconfigured
from betcore.runtime.settings import Settings
from betcore.temporal.payload_encryption import Encryption

# Each of these keeps the schemas of the types that it has read. A message's schema takes a millisecond to build.
_CONVERTERS = tuple(PydanticPayloadConverter().converters.values())

# What the SDK says of TLS, which names neither the settings nor the server.
_TLS_FAILURES = {
    "InvalidCertificate(UnknownIssuer)": "has a certificate that the authority of BETCORE_TEMPORAL_TLS_CA, or without "
    "it the system's, has not signed",
    "InvalidCertificate(NotValidForName": "has a certificate for another host name than BETCORE_TEMPORAL_ADDRESS",
    "InvalidCertificate(": "has a certificate that is not good: it may have expired",
    "tls handshake eof": "does not speak TLS, which BETCORE_TEMPORAL_TLS or a setting beside it wants",
    "InvalidContentType": "does not speak TLS, which BETCORE_TEMPORAL_TLS or a setting beside it wants",
    "CertificateRequired": "wants a client certificate: BETCORE_TEMPORAL_TLS_CERT and BETCORE_TEMPORAL_TLS_KEY",
    "AlertReceived(": "refuses the TLS of this process, its client certificate for instance",
    # Connected, then closed, broken or reset: a server that demands TLS, or another certificate, may be quicker than
    # the alert that would tell why.
    "tonic::transport::Error(Transport, hyper::Error(": "closes the connection: it may want TLS, or another client "
    "certificate than BETCORE_TEMPORAL_TLS_CERT",
}


class MessageConverter(CompositePayloadConverter):
    """The SDK's pydantic converter, with one cache of schemas for the whole process.

    The SDK makes a converter for each workflow: with a cache of its own, each workflow would build the schemas anew.
    """

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


def data_converter(settings: Settings) -> DataConverter:
    """Return the converter: pydantic for messages, and encryption if a key is set."""
    if settings.temporal_payload_key is None:
        return DataConverter(payload_converter_class=MessageConverter)
    return DataConverter(
        payload_converter_class=MessageConverter,
        payload_codec=Encryption(
            settings.temporal_payload_key.get_secret_value(), plaintext=settings.temporal_plaintext
        ),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def connect(
    settings: Settings, runtime: Runtime | None = None, interceptors: Sequence[Interceptor] = ()
) -> Client:
    """Return a client of Temporal.

    Raises Misconfigured without an address (``no_temporal``), for files of TLS that cannot be read
    (``invalid_settings``) and if the two sides do not agree about TLS (``tls_refused``); RuntimeError if Temporal
    cannot be reached.
    """
    if settings.temporal_address is None:
        raise Misconfigured(
            "no Temporal: start `python -m betcore up`, or set BETCORE_TEMPORAL_ADDRESS", code="no_temporal"
        )
    key = settings.temporal_api_key
    try:
        return await Client.connect(
            settings.temporal_address,
            namespace=settings.temporal_namespace,
            api_key=key.get_secret_value() if key else None,
            tls=_tls(settings),
            data_converter=data_converter(settings),
            runtime=runtime,
            interceptors=interceptors,
            # The SDK would compress each request, and Temporal each response: CPU on both sides for messages of a
            # kilobyte.
            grpc_compression=GrpcCompression.NONE,
        )
    except RuntimeError as failure:
        for sign, meaning in _TLS_FAILURES.items():
            if sign in str(failure):
                message = f"Temporal at {settings.temporal_address} {meaning}"
                raise Misconfigured(message, code="tls_refused") from None
        raise


def _tls(settings: Settings) -> TLSConfig | bool:
    ca, cert, key = (_pem(settings, name) for name in ("temporal_tls_ca", "temporal_tls_cert", "temporal_tls_key"))
    if bool(cert) != bool(key):
        message = "BETCORE_TEMPORAL_TLS_CERT and BETCORE_TEMPORAL_TLS_KEY go together: one of them is not set"
        raise Misconfigured(message, code="invalid_settings")
    if not (ca or cert):
        return settings.temporal_tls or settings.temporal_api_key is not None
    return TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)


def _pem(settings: Settings, name: str) -> bytes | None:
    file: Path | None = getattr(settings, name)
    try:
        return file.read_bytes() if file else None
    except OSError as error:
        message = f"BETCORE_{name.upper()}: {file}: {error.strerror}"
        raise Misconfigured(message, code="invalid_settings") from None
