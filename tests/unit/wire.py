"""Read from the code what Temporal stores: the names of workflows and activities, and the fields of their messages."""

import ast
import types
from collections.abc import Iterator
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from temporalio import activity, workflow

import worker
from betcore.runtime.settings import Settings
from workflows.releases.registry import WORKFLOWS

_ROOT = Path(__file__).parents[2]
_NAMED = {"activity.defn", "workflow.defn", "workflow.update", "workflow.signal", "workflow.query"}


def workflows() -> dict[str, dict[str, object]]:
    """Return each registered workflow with its messages: what it takes, and what it answers."""
    return {one.name or "": _handlers(one) for one in _workflows()}


def activities(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Return each task queue with the activities that its worker takes."""
    found = {}
    for queue, methods in _queues(monkeypatch).items():
        definitions = [activity._Definition.must_from_callable(method) for method in methods]
        found[queue] = {one.name or "": _takes(one.arg_types, one.ret_type) for one in definitions}
    return found


def messages(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str] | list[str]]:
    """Return the fields of each class that goes through Temporal, and the values of each enum, with all nested ones."""
    found: dict[str, dict[str, str] | list[str]] = {}
    todo = [kind for one in _workflows() for kind in _types(one)]
    for methods in _queues(monkeypatch).values():
        for method in methods:
            one = activity._Definition.must_from_callable(method)
            todo += [*(one.arg_types or ()), one.ret_type]
    while todo:
        kind = todo.pop()
        todo += () if get_origin(kind) is Literal else get_args(kind)
        if not isinstance(kind, type) or kind.__name__ in found:
            continue
        if issubclass(kind, BaseModel):
            hints = get_type_hints(kind)
            found[kind.__name__] = {name: _field(hints[name], field) for name, field in kind.model_fields.items()}
            todo += [hints[name] for name in kind.model_fields]
        elif issubclass(kind, Enum):
            found[kind.__name__] = [str(member.value) for member in kind]
        elif hints := _of_a_named_tuple(kind):
            found[kind.__name__] = {name: _name(hint) for name, hint in hints.items()}
            todo += hints.values()
    return found


def patches() -> set[str]:
    """Return the ids of ``workflow.patched`` in the code of workflows."""
    return {found for file in (_ROOT / "workflows").rglob("*.py") for found in _patches(ast.parse(file.read_text()))}


def _workflows() -> list[workflow._Definition]:
    return [workflow._Definition.must_from_class(cls) for cls in WORKFLOWS]


def _handlers(one: workflow._Definition) -> dict[str, object]:
    return {
        "run": _takes(one.arg_types, one.ret_type),
        "updates": {name or "": _takes(update.arg_types, update.ret_type) for name, update in one.updates.items()},
        "signals": {name or "": _takes(signal.arg_types, None) for name, signal in one.signals.items()},
        "queries": {name or "": _takes(query.arg_types, query.ret_type) for name, query in one.queries.items()},
    }


def _types(one: workflow._Definition) -> Iterator[Any]:
    yield from (*(one.arg_types or ()), one.ret_type)
    for update in one.updates.values():
        yield from (*(update.arg_types or ()), update.ret_type)
    for signal in one.signals.values():
        yield from signal.arg_types or ()
    for query in one.queries.values():
        yield from (*(query.arg_types or ()), query.ret_type)


def _queues(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Return each queue's activities, as the worker registers them. The classes stand for their instances."""
    queues: dict[str, list[Any]] = {}

    def register(client: object, *, task_queue: str, activities: list[Any], **_: object) -> None:
        queues[task_queue] = activities

    classes = get_type_hints(worker.Activities)
    do = worker.Activities(**{one.name: classes[one.name] for one in fields(worker.Activities)})
    with monkeypatch.context() as patched:
        patched.setattr(worker, "Worker", register)
        worker.workers(cast(Any, None), do, Settings())
    return queues


def _takes(arguments: list[Any] | None, result: Any) -> str:
    return f"({', '.join(map(_name, arguments or ()))}) -> {_name(result)}"


def _field(kind: Any, field: FieldInfo) -> str:
    name = _name(kind)
    return name if field.is_required() else f"{name} = {field.get_default(call_default_factory=True)!r}"


def _name(kind: Any) -> str:
    """Return a type as an annotation names it."""
    if kind in (None, type(None)):
        return "None"
    if kind is Ellipsis:
        return "..."
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(map(repr, inside))
    if origin in (Union, types.UnionType):
        return " | ".join(map(_name, inside))
    name: str = (origin or kind).__name__
    return f"{name}[{', '.join(map(_name, inside))}]" if inside else name


def _of_a_named_tuple(kind: type) -> dict[str, Any]:
    return get_type_hints(kind) if issubclass(kind, tuple) and hasattr(kind, "_fields") else {}


def _patches(module: ast.Module) -> Iterator[str]:
    constants = {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "workflow.patched":
            argument = node.args[0]
            yield str(argument.value if isinstance(argument, ast.Constant) else constants[ast.unparse(argument)])


def unnamed() -> list[str]:
    """Return what has only its Python name: the decorators of workflows and activities without ``name=``."""
    files = [file for folder in ("workflows", "activities") for file in sorted((_ROOT / folder).rglob("*.py"))]
    return [
        f"{file.name}: {node.name}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and any(_is_unnamed(decorator) for decorator in node.decorator_list)
    ]


def _is_unnamed(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    named = isinstance(decorator, ast.Call) and any(keyword.arg == "name" for keyword in decorator.keywords)
    return ast.unparse(call) in _NAMED and not named
