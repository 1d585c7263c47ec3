"""All settings of the service. Each is an environment variable ``BETCORE_<NAME>``.

A setting without a variable is read from the running stack: ``python -m betcore up`` writes its addresses and keys to
``<data_dir>/stack.json``, under the names of this module.
"""

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from betcore.domain.origins import Origin
from betcore.runtime.settings_sources import RunningStack, SecretFiles
from betcore.runtime.version import BUILD_ID, VERSION

Port = Annotated[int, Field(ge=0, le=65_535)]


def _separated(given: object) -> object:
    return [one.strip() for one in given.split(",") if one.strip()] if isinstance(given, str) else given


class Settings(BaseSettings):
    """The settings of one process. Its composition root reads them once, when the process starts."""

    model_config = SettingsConfigDict(env_prefix="BETCORE_", extra="ignore", frozen=True)

    # The kind of process: a running stack gives each kind a database role of its own.
    process: ClassVar[str] = "ops"

    data_dir: Path = Field(Path(".betcore"), description="Folder of the embedded stack: databases, logs, keys.")
    secrets_dir: Path | None = Field(
        None, description="Folder with a file for each secret setting, such as /run/secrets/betcore_secret_key."
    )

    api_port: Port = Field(8080, description="Port of the API; 0 takes a free one.")
    sandbox_casino_port: Port = Field(8081, description="Port of the sandbox casino; 0 takes a free one.")
    sandbox_provider_port: Port = Field(8082, description="Port of the sandbox provider; 0 takes a free one.")
    api_inner_port: Port = Field(
        9080, description="Port of the API for operators: readiness, metrics, documents; 0 takes a free one."
    )
    feed_inner_port: Port = Field(9083, description="The same of the feed.")
    codec_inner_port: Port = Field(9084, description="The same of the codec server.")
    inner_host: str = Field("127.0.0.1", description="Address on which these processes listen with their inner ports.")
    feed_port: Port = Field(8083, description="Port of the feed; 0 takes a free one.")
    codec_port: Port = Field(8084, description="Port of the codec server; 0 takes a free one.")
    temporal_port: Port = Field(7233, description="Port of the embedded Temporal server; 0 takes a free one.")
    temporal_ui_port: Port = Field(8233, description="Port of the Temporal UI; 0 takes a free one.")
    database_port: Port = Field(5433, description="Port of the embedded PostgreSQL; 0 takes a free one.")

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL to use, postgresql://user:password@host:port/name."
    )
    database_pool_size: int = Field(10, ge=1, description="Connections to PostgreSQL for each process.")
    database_tls: Literal["off", "require", "verify-full"] | None = Field(
        None,
        description="TLS to PostgreSQL: `off`, `require` (encrypted), `verify-full` (its certificate is checked too); "
        "unset: if the server offers it.",
    )
    database_tls_ca: Path | None = Field(
        None, description="PEM file of the authority that signed PostgreSQL's certificate; unset: the system's."
    )
    database_tls_cert: Path | None = Field(None, description="PEM file of the client certificate for PostgreSQL.")
    database_tls_key: Path | None = Field(None, description="PEM file of the client certificate's private key.")
    temporal_address: str | None = Field(None, description="Temporal frontend, host:port.")
    temporal_ui_url: str | None = Field(None, description="Address of the Temporal UI, for the links of `ops show`.")
    temporal_namespace: str = Field("default", description="Temporal namespace.")
    temporal_tls: bool = Field(False, description="Use TLS to Temporal.")
    temporal_tls_ca: Path | None = Field(
        None, description="PEM file of the authority that signed Temporal's certificate."
    )
    temporal_tls_cert: Path | None = Field(None, description="PEM file of the client certificate for Temporal.")
    temporal_tls_key: Path | None = Field(None, description="PEM file of the client certificate's private key.")
    temporal_api_key: SecretStr | None = Field(None, description="API key for Temporal; turns TLS on.")
    temporal_payload_key: SecretStr | None = Field(
        None, description="Fernet keys, comma separated, newest first, that encrypt the payloads in Temporal."
    )
    temporal_plaintext: bool = Field(
        False,
        description="With a payload key: accept plaintext payloads too, until all bets from before the key have ended.",
    )

    codec_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_separated)] = Field(
        (), description="Origins of the Temporal UIs whose pages the codec server answers, comma separated."
    )
    codec_tokens: SecretStr | None = Field(
        None, description="Who may decode by a token, comma separated, as `codec token` prints them: no token itself."
    )
    codec_jwks_url: str | None = Field(
        None, description="JWKS of the identity provider whose access tokens the codec server takes too."
    )
    codec_jwt_issuer: str | None = Field(None, description="Claim `iss` of these access tokens.")
    codec_jwt_audience: str | None = Field(None, description="Claim `aud` of these access tokens.")
    codec_jwt_permissions: str = Field(
        "permissions",
        description="Claim with what their holder may do in Temporal, such as `default:read`, as Temporal reads it.",
    )
    codec_calls_per_second: int = Field(
        100, gt=0, description="Calls a second of one operator at the codec server; four times so many at once."
    )

    secret_key: SecretStr | None = Field(
        None, description="Fernet keys, comma separated, newest first, that encrypt partners' secrets in the database."
    )
    secrets_unbound: bool = Field(False, description="Seal secrets bound to no row, for an earlier release to read.")
    issuer: str = Field("betcore", description="Claim `iss` of the tokens that the service signs for casinos.")
    provider_api_prefix: str = Field("", description="Path before /v1 of the Aggregator API for providers.")
    api_docs: bool = Field(
        False, description="Serve the page /docs on the inner ports, which shows the calls of providers and casinos."
    )
    crypto_currencies: dict[str, int] = Field(
        default_factory=dict, description='Currencies beyond ISO 4217 with their decimals, such as {"BTC": 8}.'
    )
    workflow_sandbox: bool = Field(False, description="Run workflows in the SDK's sandbox, as the tests do.")
    partner_cache_seconds: float = Field(
        2.0, ge=0, le=600, description="Seconds for which a process caches rows of partners."
    )
    stakes_in_flight: int = Field(
        1000, ge=0, description="Most new stakes in flight in an API process, which finds its limit below; 0: no limit."
    )
    stranger_calls_per_second: int = Field(
        500, gt=0, description="Calls a second of all callers together that have not shown who they are."
    )
    frame_calls_per_second: int = Field(
        20, gt=0, description="Calls a second from one address of a casino's frames; four times so many at once."
    )
    feed_calls_per_second: int = Field(
        100,
        gt=0,
        description="Calls and connects a second from one address at the feed; four times so many at once.",
    )
    feed_connections: int = Field(4000, gt=0, description="Most websockets that a feed process keeps open.")
    feed_connections_per_casino: int = Field(3000, gt=0, description="Most of them for one casino.")
    http_connections: int = Field(
        10_000, gt=0, description="Most connections that the API, the feed or the codec server keeps open."
    )
    http_calls_in_flight: int = Field(4000, gt=0, description="Most calls that the API, or the feed, answers at once.")
    http_head_seconds: float = Field(5, gt=0, description="Seconds that a caller has for the headers of a request.")
    http_body_seconds: float = Field(10, gt=0, description="Seconds that a caller has for its body.")
    rate_limit_store: SecretStr | None = Field(
        None,
        description="Valkey that counts partners' calls, valkey://host:port/0; unset: each API process by itself.",
    )
    sweep_seconds: float = Field(
        60, gt=0, description="Interval in seconds of the sweep, which resumes open bets without a workflow."
    )
    reconcile_seconds: float = Field(
        3600, ge=0, description="Interval in seconds of reconciliation with the casinos' books; 0: only by command."
    )
    catalogue_seconds: float = Field(
        900, ge=0, description="Interval in seconds in which each provider's games are synced; 0: only by command."
    )
    cashback_rules_seconds: float = Field(
        300, ge=0, description="Interval in seconds in which windows of cashback rules are begun; 0: only by command."
    )
    jackpot_seconds: float = Field(
        10, gt=0, description="Interval in seconds in which stakes are booked to jackpots, if there is any."
    )
    worker_versioning: bool = Field(
        False,
        description="A worker gets work only when its release is ramped or current: `release ramp`, `release set`.",
    )
    worker_build_id: str | None = Field(
        None,
        pattern=BUILD_ID,
        description="Name of the worker's release, such as the image's tag; unset: the version of the service.",
    )
    worker_slots: int = Field(
        400,
        ge=4,
        description="Workflow tasks, and activities of each lane, that a worker process runs at once; "
        "a quarter is the most for one casino.",
    )
    worker_max_cached_workflows: int = Field(
        1000,
        # With less than bets are in flight, they wait for it. At 0 the SDK cancels local activities and repeats them.
        ge=32,
        description="Workflows that a worker process keeps in memory; one beyond them is replayed when it goes on.",
    )
    worker_workflow_pollers: int = Field(
        5, ge=2, description="Requests for workflow tasks that a worker process keeps open at Temporal."
    )
    worker_new_workflow_polls: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of them for workflows that no worker has in memory, at least one: new bets. "
        "The rest is for the next messages of bets in memory.",
    )
    worker_activity_pollers: int = Field(
        5, ge=1, description="Requests for activities of the slow lane that a worker process keeps open at Temporal."
    )
    worker_metrics_address: str = Field(
        "127.0.0.1", description="Address on which a worker answers HTTP; 0.0.0.0: on all of its machine."
    )
    worker_metrics_port: Port | None = Field(
        None,
        description="Port of a worker's /health/live, /health/ready and /metrics; 0: a free one; unset: no HTTP.",
    )
    traces_endpoint: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Collector of traces, OTLP over HTTP, such as http://collector:4318/v1/traces; unset: no traces.",
    )
    traces_headers: SecretStr | None = Field(
        None, description="Headers for it, comma separated, such as authorization=Bearer 1234."
    )
    traces_share: float = Field(1.0, ge=0, le=1, description="Share of partners' calls that are traced, from 0 to 1.")
    log_level: str = Field("info", description="Least level of log lines: debug, info, warning or error.")
    log_json: bool = Field(True, description="Log lines as JSON; false: as text for people.")
    failpoints: Path | None = Field(
        None, description="For tests only: folder whose files name the failpoints at which a process kills itself."
    )

    @property
    def release(self) -> str:
        """Return the name of the release that this code is."""
        return self.worker_build_id or VERSION

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by priority: arguments, the environment, files of secrets, the running stack in the data
        folder."""
        given = init_settings()
        stack = RunningStack(settings_cls, given)
        folder = given.get("secrets_dir") or os.environ.get("BETCORE_SECRETS_DIR")
        if not folder:
            return init_settings, env_settings, stack
        return init_settings, env_settings, SecretFiles(settings_cls, Path(str(folder))), stack


class ApiSettings(Settings):
    """The settings of an API process."""

    process = "api"


class WorkerSettings(Settings):
    """The settings of a worker process."""

    process = "worker"


class FeedSettings(Settings):
    """The settings of a feed process."""

    process = "feed"
