"""Payloads as people may read them in the Temporal UI: decrypted, without personal data."""

import json
from dataclasses import dataclass

from temporalio.api.common.v1 import Payload

from betcore.domain.personal_data import SEALED, without_personal_data
from betcore.temporal.payload_encryption import Encryption, named_workflow

_JSON, _NULL, _PROTOBUF = b"json/plain", b"binary/null", b"json/protobuf"
# Of the SDK: the workflow's handlers and its current details, and stack traces.
_OF_THE_SDK = b"temporal.api.sdk.v1."
_UNREAD = "not readable: no key here has encrypted it for the workflow that it names, or an earlier release has"


@dataclass(frozen=True, slots=True)
class ReadPayload:
    """A payload for people, and the workflow of which it says it is; ``shown`` is whether it could be decrypted."""

    workflow_id: str
    payload: Payload
    shown: bool


class PayloadReader:
    """Reads payloads by the workflow that each one names.

    The UI does not say which workflow it shows. So a payload that was copied into another bet is read here as what it
    is, a payload of the first bet; the worker of the other bet refuses it.
    """

    def __init__(self, keys: str) -> None:
        """Take Fernet keys, comma separated, newest first, as ``Encryption`` does."""
        self._encryption = Encryption(keys, plaintext=True)

    def read(self, payload: Payload) -> ReadPayload:
        """Return the payload without personal data; or a text that says why it cannot be shown.

        One that is not encrypted is returned as it is: the caller has it already.
        """
        workflow_id = named_workflow(payload)
        opened = self._encryption.of_workflow(workflow_id).open(payload)
        if opened is None:
            return ReadPayload(workflow_id, _text(_UNREAD), shown=False)
        return ReadPayload(workflow_id, payload if opened is payload else _readable(opened), shown=True)


def _readable(payload: Payload) -> Payload:
    match payload.metadata.get("encoding"):
        case encoding if encoding == _JSON:
            try:
                message = json.loads(payload.data)
            except (ValueError, RecursionError):
                return _text(SEALED)
            shown = json.dumps(without_personal_data(message), ensure_ascii=False)
            return Payload(metadata=payload.metadata, data=shown.encode())
        case encoding if encoding == _NULL:
            return payload
        case encoding if encoding == _PROTOBUF and payload.metadata.get("messageType", b"").startswith(_OF_THE_SDK):
            return payload
        case _:
            return _text(SEALED)


def _text(text: str) -> Payload:
    return Payload(metadata={"encoding": _JSON}, data=json.dumps(text).encode())
