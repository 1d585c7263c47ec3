"""Encryption of what Temporal stores: AES-GCM, bound to the workflow that a payload belongs to.

Any process that reaches Temporal's port can send messages to workflows. If a key is set, a message counts only if it
was encrypted with that key and for this workflow.
"""

import base64
import os
from collections.abc import Sequence
from copy import copy
from typing import Self

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from prometheus_client import Counter
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

REFUSED = Counter(
    "betcore_temporal_payloads_refused", "Payloads that were not encrypted with our key for their workflow"
)

_log = structlog.get_logger()
_BOUND, _FERNET = b"binary/encrypted-aes-gcm", b"binary/encrypted-fernet"
# No converter reads it.
_UNREADABLE = Payload(metadata={"encoding": b"binary/refused"})
_NONCE_BYTES = 12


class Encryption(PayloadCodec, WithSerializationContext):
    """Encrypts with the newest of several keys and decrypts with any of them. ``keys`` are Fernet keys, newest first.

    An error raised here would fail the workflow task and each retry of it: one forged signal would block its bet for
    good. So a payload that is refused becomes one that no converter reads: the SDK then drops the signal, or rejects
    the update. A start argument or an activity's result that cannot be read still fails the task, until the key is
    there. ``plaintext`` also accepts payloads without encryption.

    Older releases encrypted with Fernet alone, bound to no workflow. Those payloads are read while their key is given.
    """

    def __init__(self, keys: str, *, plaintext: bool = False) -> None:
        given = [key.strip() for key in keys.split(",")]
        self._fernet = MultiFernet([Fernet(key) for key in given])
        self._keys = [base64.urlsafe_b64decode(key) for key in given]
        self._plaintext = plaintext
        self._bind("")

    def with_context(self, context: SerializationContext) -> Self:
        """Return the codec of one workflow and its activities.

        A payload without a workflow is bound to the empty id: no workflow reads it. A schedule encrypts for its own
        id, and its workflows have other ids: so a scheduled workflow must not take an argument.
        """
        bound = copy(self)
        bound._bind("")
        if isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            bound._bind(context.workflow_id or "")
        return bound

    def _bind(self, workflow_id: str) -> None:
        self._bound_to = workflow_id.encode()
        self._ciphers: list[AESGCM] = []

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload, its own encoding included."""
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt the payloads that were encrypted for this workflow; any other one becomes unreadable."""
        return [self._open(payload) or self._refused(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._of_workflow()[0].encrypt(nonce, payload.SerializeToString(), self._bound_to)
        return Payload(metadata={"encoding": _BOUND}, data=nonce + sealed)

    def _open(self, payload: Payload) -> Payload | None:
        match payload.metadata.get("encoding"):
            case encoding if encoding == _BOUND:
                return self._unsealed(payload.data)
            case encoding if encoding == _FERNET:
                try:
                    return Payload.FromString(self._fernet.decrypt(payload.data))
                except InvalidToken:
                    return None
            case _:
                return payload if self._plaintext else None

    def _unsealed(self, data: bytes) -> Payload | None:
        for cipher in self._of_workflow():
            try:
                return Payload.FromString(cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], self._bound_to))
            except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                continue
        return None

    def _of_workflow(self) -> list[AESGCM]:
        # A key for each workflow: a random nonce of 96 bits is safe for 2**32 messages under one key, and no further.
        if not self._ciphers:
            self._ciphers = [AESGCM(_derived(key, self._bound_to)) for key in self._keys]
        return self._ciphers

    def _refused(self, payload: Payload) -> Payload:
        REFUSED.inc()
        encoding = payload.metadata.get("encoding", b"")[:64].decode(errors="replace")
        _log.warning("a payload was refused", workflow_id=self._bound_to.decode(), encoding=encoding)
        return _UNREADABLE


def _derived(key: bytes, workflow_id: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"betcore temporal payload " + workflow_id).derive(key)
