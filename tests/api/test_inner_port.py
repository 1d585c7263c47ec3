"""The inner port: what operators read is there, and not where partners call."""

import socket

import pytest
from fastapi import FastAPI

from api.edge import inner
from betcore.domain.errors import Misconfigured
from tests.api.wire import Api

OPERATORS = ("/health/live", "/health/ready", "/metrics", "/openapi.json")


async def test_what_operators_read_is_on_the_inner_port_alone(api: Api, feed: Api) -> None:
    for process in (api, feed):
        assert [(await process.inner.get(path)).status for path in OPERATORS] == [200, 200, 200, 200]
        assert [(await process.get(path)).status for path in OPERATORS] == [200, 404, 404, 404]


async def test_partners_calls_are_not_on_the_inner_port(api: Api) -> None:
    for path in ("/v1/sessions/x/balance", "/mis-api/api/v2/auth/jwks", "/webframe/v1.js"):
        assert (await api.inner.get(path)).status == 404


async def test_a_process_whose_inner_port_is_taken_does_not_start(api: Api) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"cannot listen on 127.0.0.1:{port}"):
            async with inner.serving(FastAPI(), "127.0.0.1", port):
                pass
