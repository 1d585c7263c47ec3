"""TLS to Temporal, by a proxy that ends it: the embedded server speaks none."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from betcore.runtime.settings import Settings
from betcore.temporal.client import connect
from tests.certificates import Authority, Pair
from tests.tls_proxy import context_of, in_front_of
from tests.unit.partner_database import refused


def ended_before(address: str, server: Pair, clients: Path | None = None) -> AbstractContextManager[int]:
    """Listen for TLS in front of a server; ``clients`` is the authority of the client certificates that it wants."""
    context = context_of(server, clients)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    return in_front_of((host, int(port)), context)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


def settings(port: int, host: str = "localhost", **given: object) -> Settings:
    return Settings.model_validate({"temporal_address": f"{host}:{port}", **given})


async def test_a_process_reaches_temporal_by_tls(temporal_address: str, authority: Authority) -> None:
    server, client = authority.signs("server", hosts=("localhost",)), authority.signs("client")
    with ended_before(temporal_address, server) as port:
        found = await connect(settings(port, temporal_tls_ca=authority.ca))
        assert await found.service_client.check_health()
    with ended_before(temporal_address, server, clients=authority.ca) as port:
        given = {"temporal_tls_cert": client.certificate, "temporal_tls_key": client.key}
        found = await connect(settings(port, temporal_tls_ca=authority.ca, **given))
        assert await found.service_client.check_health()
        with refused("tls_refused", "(wants a|another) client certificate"):
            await connect(settings(port, temporal_tls_ca=authority.ca))
        with refused("tls_refused", "may want TLS"):
            await connect(settings(port))


async def test_what_does_not_agree_is_refused_in_words(
    temporal_address: str, authority: Authority, tmp_path: Path
) -> None:
    stranger, server = Authority(tmp_path / "strangers"), authority.signs("server", hosts=("localhost",))
    plaintext = int(temporal_address.rpartition(":")[2])
    with ended_before(temporal_address, server) as port:
        wrong = {
            "authority of BETCORE_TEMPORAL_TLS_CA": settings(port, temporal_tls_ca=stranger.ca),
            "without it the system's, has not signed": settings(port, temporal_tls=True),
            "for another host name": settings(port, "127.0.0.1", temporal_tls_ca=authority.ca),
            "does not speak TLS": settings(plaintext, temporal_tls_ca=authority.ca),
        }
        for words, given in wrong.items():
            with refused("tls_refused", words):
                await connect(given)


async def test_files_that_are_not_there_are_named(authority: Authority, tmp_path: Path) -> None:
    with refused("invalid_settings", "BETCORE_TEMPORAL_TLS_CA: .*No such file"):
        await connect(settings(1, temporal_tls_ca=tmp_path / "none"))
    with refused("invalid_settings", "go together"):
        await connect(settings(1, temporal_tls_cert=authority.ca))
    with pytest.raises(RuntimeError, match="Failed client connect"):
        await connect(settings(1, "127.0.0.1"))
