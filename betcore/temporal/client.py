"""The connection to Temporal, the same for API, worker, CLI and tests: one converter, one encryption."""

from temporalio.client import Client, TLSConfig
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


async def connect(settings: Settings, runtime: Runtime | None = None) -> Client:
    """Return a client of Temporal. Raises Misconfigured without an address, RuntimeError if out of reach."""
    if settings.temporal_address is None:
        raise Misconfigured(
            "no Temporal: start `python -m betcore up`, or set BETCORE_TEMPORAL_ADDRESS", code="no_temporal"
        )
    key = settings.temporal_api_key
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=key.get_secret_value() if key else None,
        tls=_tls(settings),
        data_converter=data_converter(settings),
        runtime=runtime,
        # The SDK would compress each request, and Temporal each response: CPU on both sides for messages of a kilobyte.
        grpc_compression=GrpcCompression.NONE,
    )


def _tls(settings: Settings) -> TLSConfig | bool:
    files = (settings.temporal_tls_ca, settings.temporal_tls_cert, settings.temporal_tls_key)
    if not any(files):
        return settings.temporal_tls or settings.temporal_api_key is not None
    ca, cert, key = (file.read_bytes() if file else None for file in files)
    return TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)
