"""A mapping against its model: what pydantic finds wrong, in plain words and at its place in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from observer.config.documents.declarations import Part, Reads
from observer.config.documents.faults import Fault, dotted
from observer.config.documents.marks import Document, Path
from observer.config.documents.values import meant

Model = TypeVar("Model", bound=BaseModel)

_TYPES: Final[Mapping[str, str]] = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping of settings",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}
_LENGTHS: Final[Mapping[str, tuple[str, str]]] = {
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
}
_NOTHING: Final = "remove the key to get the default"


def validated(
    model: type[Model], data: object, document: Document, at: Path = (), *, nothing: str = _NOTHING
) -> tuple[Model | None, list[Fault]]:
    """
    The model of ``data``, which stands at ``at`` in ``document``, or None and what is wrong with it.

    What is wrong with the YAML itself is told by ``document.faults`` and not again; ``nothing`` is the hint for a key
    without a value.
    """
    found, faults = None, []
    try:
        found = model.model_validate(data)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        faults = [fault for error in errors for fault in _faults(document, at, error, model, nothing)]
    written = {fault.path for fault in (*document.faults, *faults)}
    if issubclass(model, Part):
        faults += [
            document.fault(path, "has no value", nothing) for path in _nulls(data, at) if dotted(path) not in written
        ]
    broken = {fault.path for fault in document.faults}
    return None if faults else found, [fault for fault in faults if fault.path not in broken]


def _nulls(data: object, at: Path) -> Iterator[Path]:
    """Where a value is missing."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        if value is None:
            yield (*at, key)
        else:
            yield from _nulls(value, (*at, key))


def path_of(field: str) -> Path:
    """``objectives[0].op`` as ``("objectives", 0, "op")``."""
    parts = re.findall(r"([^.\[\]]+)|\[(\d+)\]", field)
    return tuple(int(index) if index else name for name, index in parts)


def _faults(document: Document, at: Path, error: ErrorDetails, model: type[BaseModel], nothing: str) -> list[Fault]:
    path, kind, context = (*at, *error["loc"]), error["type"], error.get("ctx", {})
    if kind == "observer":
        return [document.fault(path, context["text"], context["hint"])]
    if kind == "disagreement":
        return [document.fault((*path, *path_of(item.field)), item.message, item.hint) for item in context["faults"]]
    if kind == "extra_forbidden":
        return [document.fault(path, "unknown key", _meant(error["loc"], model, inner=bool(at)), at_key=True)]
    if kind == "missing":
        return [document.fault(path, "is missing")]
    if error["input"] is None:
        return [document.fault(path, "has no value", nothing)]
    message, hint = _reworded(kind, context, error["input"])
    if kind == "less_than" and path[-1] in {"target", "targetPercent"}:
        hint = "a target of 100 % leaves no budget: every single error would breach it for the whole window"
    return [document.fault(path, message or error["msg"], hint)]


def _reworded(kind: str, context: Mapping[str, float], value: object) -> tuple[str, str]:
    """Message and hint; both empty where pydantic's own text will do."""
    got = f", got {json.dumps(value)[:60]}" if isinstance(value, str | int | float) else ""
    if kind in _TYPES:
        return _TYPES[kind] + got, "put it in quotes" if kind == "string_type" and got else ""
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}{got}", ""
    if kind in _LENGTHS:
        words, key = _LENGTHS[kind]
        items = f"{context[key]} item{'' if context[key] == 1 else 's'}"
        return f"must have {words} {items}, has {context['actual_length']}", ""
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context["expected"]))
        hint = meant(str(value), allowed) if len(allowed) > 1 else ""
        return f"must be {'one of ' if allowed[1:] else ''}{', '.join(allowed)}, got {json.dumps(value)[:60]}", hint
    if kind == "string_too_long":
        return f"must be at most {context['max_length']} characters", ""
    return "", ""


def _meant(path: Path, model: type[BaseModel], *, inner: bool) -> str:
    """What an unknown key may have been meant to be, or, unless ``model`` is an inner part, where it may belong."""
    here: type[BaseModel] | None = model
    for part in path[:-1]:
        if here is not None and isinstance(part, str):  # items of a list count as their kind
            field = _keys(here).get(part)
            here = _model_in(field.annotation) if field is not None else None
    if hint := meant(str(path[-1]), _keys(here) if here else ()):
        return hint
    homes = [] if inner else _homes(model, str(path[-1]), "")
    return f"it belongs under {' or '.join(homes)}" if homes else ""


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """What may be written into a mapping, by the words of the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside ``list[...]``, ``Annotated[...]`` and ``... | None``."""
    beside = next((one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, Reads)), None)
    if beside is not None:
        return beside.models.of(beside.kind)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner)) is not None), None)


def _homes(model: type[BaseModel], key: str, prefix: str) -> list[str]:
    """Dotted paths of the mappings beneath ``model`` that know ``key``."""
    homes = []
    for name, field in _keys(model).items():
        if (inner := _model_in(field.annotation)) is not None:
            home = f"{prefix}{name}"
            homes += [home] if key in _keys(inner) else []
            homes += _homes(inner, key, f"{home}.")
    return homes
