"""What pydantic found wrong, in the words of this house and at its place in the file."""

from __future__ import annotations

import difflib
from typing import get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from observer.config.documents.faults import Fault
from observer.config.documents.marks import Document
from observer.config.documents.wording import reworded


def faults_of(document: Document, error: ErrorDetails, model: type[BaseModel]) -> list[Fault]:
    """One pydantic error in the words of this house, at its place in the file."""
    path, kind, context = error["loc"], error["type"], error.get("ctx", {})
    if kind == "observer":
        return [document.fault(path, context["text"], context["hint"])]
    if kind == "disagreement":
        return [document.fault((*path, item.field), item.message, item.hint) for item in context["faults"]]
    if kind == "extra_forbidden":
        return [document.fault(path, "unknown key", _meant(path, model), at_key=True)]
    if kind == "missing":
        return [document.fault(path, "is missing")]
    if error["input"] is None:
        return [document.fault(path, "has no value", "remove the key to get the default")]
    message, hint = reworded(kind, context, error["input"])
    return [document.fault(path, message or error["msg"], hint)]


def _meant(path: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """Where an unknown key may belong, or what it may have been meant to be."""
    here = _section(model, path[:-1])
    if near := difflib.get_close_matches(str(path[-1]), here.model_fields if here else (), n=1):
        return f"did you mean {near[0]}?"
    homes = _homes(model, str(path[-1]), "")
    return f"it belongs under {' or '.join(homes)}" if homes else ""


def _section(model: type[BaseModel], path: tuple[str | int, ...]) -> type[BaseModel] | None:
    """The mapping that stands at ``path``; items of a list count as their kind."""
    here: type[BaseModel] | None = model
    for part in path:
        if here is None:
            return None
        if isinstance(part, str):
            known = here.model_fields.get(part)
            here = _mapping_of(known.annotation) if known is not None else None
    return here


def _mapping_of(annotation: object) -> type[BaseModel] | None:
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _homes(model: type[BaseModel], key: str, prefix: str) -> list[str]:
    """Dotted paths of the mappings beneath ``model`` that know ``key``."""
    found = []
    for name, known in model.model_fields.items():
        if (inner := _mapping_of(known.annotation)) is not None:
            home = f"{prefix}{name}"
            found += [home] if key in inner.model_fields else []
            found += _homes(inner, key, f"{home}.")
    return found
