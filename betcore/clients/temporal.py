"""The one way to Temporal, for API, worker, CLI and tests: the same converter and the same encryption everywhere."""

import dataclasses
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, TLSConfig
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec
from temporalio.runtime import Runtime

from betcore.errors import SetupRefused
from betcore.settings import Settings

_ENCODING = b"binary/encrypted-fernet"


class Encryption(PayloadCodec):
    """Encrypts payloads with the newest of several Fernet keys and reads with any of them."""

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Seal each payload, its own encoding included."""
        return [
            Payload(metadata={"encoding": _ENCODING}, data=self._fernet.encrypt(payload.SerializeToString()))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open what was sealed; payloads from before encryption was turned on pass as they are."""
        return [self._open(payload) for payload in payloads]

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING:
            return payload
        try:
            return Payload.FromString(self._fernet.decrypt(payload.data))
        except InvalidToken:
            raise SetupRefused("a payload was encrypted with a key that BETCORE_TEMPORAL_PAYLOAD_KEY lacks") from None


def data_converter(settings: Settings) -> DataConverter:
    """Pydantic for messages, and encryption where a key is set."""
    if settings.temporal_payload_key is None:
        return pydantic_data_converter
    return dataclasses.replace(
        pydantic_data_converter,
        payload_codec=Encryption(settings.temporal_payload_key.get_secret_value()),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


async def connect(settings: Settings, runtime: Runtime | None = None) -> Client:
    """A client for the configured Temporal. Raises SetupRefused without an address, RuntimeError out of reach."""
    if settings.temporal_address is None:
        raise SetupRefused(
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
    )


def _tls(settings: Settings) -> TLSConfig | bool:
    files = (settings.temporal_tls_ca, settings.temporal_tls_cert, settings.temporal_tls_key)
    if not any(files):
        return settings.temporal_tls or settings.temporal_api_key is not None
    ca, cert, key = (file.read_bytes() if file else None for file in files)
    return TLSConfig(server_root_ca_cert=ca, client_cert=cert, client_private_key=key)
