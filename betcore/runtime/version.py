"""The version of the service, as pyproject.toml and CHANGELOG.md have it. The image has neither file."""

VERSION = "0.1.0"

# A name of a release of the worker: a part of queries, and of the name that Temporal gives it.
BUILD_ID = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$"
