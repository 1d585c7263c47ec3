"""The version of the service, as pyproject.toml and CHANGELOG.md have it. The image has neither file."""

VERSION = "0.1.0"
