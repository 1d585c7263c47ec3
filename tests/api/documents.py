"""What an OpenAPI document says about a call, and whether values fit it."""

import json
from typing import Any

from jsonschema import Draft202012Validator

from tests.api.wire import Answer

Document = dict[str, Any]


def operations_of(document: Document) -> dict[str, Any]:
    """Return each operation by its operationId."""
    items = document["paths"].values()
    return {operation["operationId"]: operation for item in items for operation in item.values()}


def schema_of(document: Document, content: dict[str, Any]) -> dict[str, Any]:
    """Return the named schema of a content."""
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def faults_of(document: Document, schema: dict[str, Any], value: object) -> list[str]:
    """Return why a value does not fit a schema, or has fields that no schema names."""
    closed = json.loads(json.dumps(document["components"]))
    for one in closed["schemas"].values():
        if "properties" in one:
            one["additionalProperties"] = False
    return [fault.message for fault in Draft202012Validator({**schema, "components": closed}).iter_errors(value)]


def assert_documented(document: Document, name: str, answer: Answer) -> None:
    """Assert that an answer has the form that the document gives for its status."""
    content = operations_of(document)[name]["responses"][str(answer.status)]["content"]["application/json"]
    assert faults_of(document, content["schema"], answer.body) == [], (name, answer)
