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

from betcore.domain.ids import schedule_of

REFUSED = Counter(
    "betcore_temporal_payloads_refused", "Payloads that were not encrypted with our key for their workflow"
)

_log = structlog.get_logger()
_BOUND, _FERNET = b"binary/encrypted-aes-gcm", b"binary/encrypted-fernet"
# No converter reads it.
_UNREADABLE = Payload(metadata={"encoding": b"binary/refused"})
# Names the workflow that a payload is of, for the codec server: the UI sends payloads alone. Workers never read it:
# their own workflow's id decides what they decrypt.
_NAMED = "workflow-id"
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

        A payload without a workflow is bound to the empty id: no workflow reads it.
        """
        if isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            return self.of_workflow(context.workflow_id or "")
        return self.of_workflow("")

    def of_workflow(self, workflow_id: str) -> Self:
        """Return the codec of one workflow; of one that a schedule has started, of all that the schedule starts.

        A schedule encrypts arguments before its workflows have ids, and Temporal gives each of them the result of the
        one before. What is bound to the one workflow, as by earlier releases, is read too.
        """
        bound = copy(self)
        bound._bind(schedule_of(workflow_id), workflow_id)
        return bound

    def _bind(self, workflow_id: str, *readable: str) -> None:
        self._bound_to = workflow_id.encode()
        self._readable = tuple(dict.fromkeys([self._bound_to, *(one.encode() for one in readable)]))
        self._ciphers: list[tuple[AESGCM, bytes]] = []

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload, its own encoding included."""
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt the payloads that were encrypted for this workflow; any other one becomes unreadable."""
        return [self.open(payload) or self._refused(payload) for payload in payloads]

    def _seal(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        cipher, bound_to = self._ciphers_of_workflow()[0]
        sealed = cipher.encrypt(nonce, payload.SerializeToString(), bound_to)
        return Payload(metadata={"encoding": _BOUND, _NAMED: self._bound_to}, data=nonce + sealed)

    def open(self, payload: Payload) -> Payload | None:
        """Return what was encrypted for this workflow; None if the payload was not."""
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
        for cipher, bound_to in self._ciphers_of_workflow():
            try:
                return Payload.FromString(cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to))
            except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                continue
        return None

    def _ciphers_of_workflow(self) -> list[tuple[AESGCM, bytes]]:
        # A key for each workflow: a random nonce of 96 bits is safe for 2**32 messages under one key, and no further.
        if not self._ciphers:
            self._ciphers = [(AESGCM(_derived(key, one)), one) for one in self._readable for key in self._keys]
        return self._ciphers

    def _refused(self, payload: Payload) -> Payload:
        REFUSED.inc()
        encoding = payload.metadata.get("encoding", b"")[:64].decode(errors="replace")
        _log.warning("a payload was refused", workflow_id=self._bound_to.decode(), encoding=encoding)
        return _UNREADABLE


def named_workflow(payload: Payload) -> str:
    """Return the workflow that a payload says it is of, "" if it does not. Only decrypting it shows whether it is."""
    return payload.metadata.get(_NAMED, b"").decode(errors="replace")


def _derived(key: bytes, workflow_id: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"betcore temporal payload " + workflow_id).derive(key)
