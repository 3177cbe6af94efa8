"""One plain mapping against its model: every pydantic error as a fault at its place."""

from __future__ import annotations

import difflib
import re
import types
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from observer.config.documents.faults import Fault
from observer.config.documents.marks import Document, Path
from observer.config.documents.wording import reworded

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], data: object, document: Document, at: Path) -> tuple[Model | None, list[Fault]]:
    """The model of ``data``, which stands at ``at`` in ``document``, or None and what is wrong with it."""
    try:
        return model.model_validate(data), []
    except ValidationError as exc:
        return None, [fault for error in exc.errors(include_url=False) for fault in _faults(model, document, at, error)]


def path_of(field: str) -> Path:
    """``objectives[0].op`` as ``("objectives", 0, "op")``."""
    parts = re.findall(r"([^.\[\]]+)|\[(\d+)\]", field)
    return tuple(int(index) if index else name for name, index in parts)


def _faults(model: type[BaseModel], document: Document, at: Path, error: ErrorDetails) -> list[Fault]:
    path, kind, context = (*at, *error["loc"]), error["type"], error.get("ctx", {})
    if kind == "observer":
        return [document.fault(path, context["text"], context["hint"])]
    if kind == "disagreement":
        return [document.fault((*path, *path_of(one.field)), one.message, one.hint) for one in context["faults"]]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]), _keys_at(model, error["loc"][:-1]), n=1)
        return [document.fault(path, "unknown key", f"did you mean {near[0]}?" if near else "", at_key=True)]
    if kind != "missing" and error["input"] is None:
        return [document.fault(path, "has no value", "write one, or remove the key")]
    hint = _target_hint(path, kind)
    message, own_hint = reworded(kind, context, error["input"])
    return [document.fault(path, message or error["msg"], hint or own_hint)]


def _target_hint(path: Path, kind: str) -> str:
    if kind == "less_than" and path[-1] in {"target", "targetPercent"}:
        return "a target of 100 % leaves no budget: every single error would breach it for the whole window"
    return ""


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that the mapping at ``path`` may have."""
    current: Any = model
    for part in path:
        if isinstance(part, int) or current is None:
            continue
        fields = {field.alias or name: field.annotation for name, field in current.model_fields.items()}
        current = _model_in(fields.get(part))
    return [field.alias or name for name, field in current.model_fields.items()] if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``list[...]``, ``Annotated[...]`` and ``... | None``."""
    origin = get_origin(annotation)
    if origin in {list, Union, types.UnionType}:
        return next((found for one in get_args(annotation) if (found := _model_in(one))), None)
    if origin is None and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None
