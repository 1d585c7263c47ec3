"""Temporal's protocol of remote codecs: ``POST /decode`` takes payloads, and answers as many.

There is no ``/encode``: whoever may read would be able to make messages that workers take for ours.
"""

import json
from collections import Counter

import structlog
from fastapi import APIRouter, Request
from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from starlette.responses import Response
from starlette.types import Scope
from temporalio.api.common.v1 import Payloads

from api.codec.callers import CodecCallers
from api.codec.responses import HEADERS
from betcore.domain.errors import Malformed, WrongContentType
from betcore.temporal.payload_reading import PayloadReader

_log = structlog.get_logger()
PATH = "/decode"
# Two of the largest payloads that Temporal takes, in base64.
_MAX_BODY = 6 * 1024 * 1024
# The form of /sign-in.
_MAX_OTHER_BODY = 4 * 1024
# Workflows that one line of the audit names.
_NAMED = 50


async def most_bytes(scope: Scope) -> int:
    """Return the most bytes of the body of a call, and note in its state which operator it is from.

    Raises what ``CodecCallers.of`` raises: payloads are large, and are read of operators alone.
    """
    if scope["method"] != "POST" or not scope["path"].endswith(PATH):
        return _MAX_OTHER_BODY
    callers: CodecCallers = scope["app"].state.callers
    scope["state"]["operator"] = await callers.of(Request(scope))
    return _MAX_BODY


def router(reader: PayloadReader) -> APIRouter:
    """Return the route."""
    routes = APIRouter()

    @routes.post(PATH, operation_id="decode", tags=["Codec"], summary="Decrypt payloads, without personal data.")
    async def decode(request: Request) -> Response:
        payloads = await _payloads(request)
        read = [reader.read(one) for one in payloads.payloads]
        # Before the answer: what was read is on record, whatever becomes of this process.
        workflows = Counter(one.workflow_id or "-" for one in read if one.shown)
        _log.info(
            "payloads decoded",
            operator=request.state.operator,
            workflows=dict(workflows.most_common(_NAMED)),
            decoded=workflows.total(),
            not_readable=len(read) - workflows.total(),
        )
        answer = MessageToJson(Payloads(payloads=[one.payload for one in read]), indent=None)
        return Response(answer, 200, HEADERS, media_type="application/json")

    return routes


async def _payloads(request: Request) -> Payloads:
    """Return the payloads of a body. Raises Malformed and WrongContentType."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WrongContentType("the body is application/json")
    try:
        return ParseDict(_object(await request.body()), Payloads(), ignore_unknown_fields=True)
    except (ParseError, ValueError, RecursionError):
        raise Malformed("the body is not a JSON object with payloads") from None


def _object(body: bytes) -> dict[str, object]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
