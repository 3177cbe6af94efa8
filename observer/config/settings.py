"""``observer.yaml``: read, checked as a whole, turned into the values that the daemon runs on."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from observer.config.faults import Fault, refuse
from observer.config.model import Settings
from observer.config.sections import Section, file_model, given
from observer.config.yaml_marks import Document, read_marked
from observer.domain.errors import ConfigError
from observer.domain.settings import EngineSettings

_LARGEST = 1 << 20
_DECIDES = ("flavor", "profile", "labels", "selector", "up_selector", "cuts_ms", "history_seconds", "recheck_seconds")


def load(path: Path) -> Settings:
    """
    Read the settings file.

    Raises:
        ConfigError: with one ``file:line:column path: message (hint)`` a fault, all of them at once.
    """
    name = str(path)
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise ConfigError(str(Fault(name, 0, 0, "", f"cannot be read: {exc.strerror}"))) from exc
    if len(raw) > _LARGEST:
        refuse([Fault(name, 0, 0, "", f"is larger than {_LARGEST} bytes; this is not a settings file")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ConfigError(str(Fault(name, line, 1, "", "is not UTF-8 text"))) from exc
    return parse(text, name)


def parse(text: str, name: str = "observer.yaml") -> Settings:
    """The settings that ``text`` spells; ``name`` stands in the messages. Raises: ConfigError."""
    document = read_marked(text, name)
    faults = list(document.faults)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        refuse([*faults, document.fault((), "must be a mapping of settings", "for example: mode: shadow")])
    try:
        model = file_model().model_validate(data)
    except ValidationError as exc:
        model, found = None, exc.errors(include_url=False)
        broken = {fault.path for fault in faults}
        more = [fault for error in found for fault in _faults(document, error)]
        faults += [fault for fault in more if fault.path not in broken]
    if model is None or faults:
        refuse(faults)
    return _identified(_settings(model))


def default() -> Settings:
    """What an empty file gives."""
    return _identified(Settings())


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the file, for editors."""
    body = file_model().model_json_schema()
    body["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    body["title"] = "Observer settings"
    body["description"] = "observer.yaml: the settings of the Observer daemon. Every key has a safe default."
    return body


def identity(settings: Settings) -> str:
    """Twelve hex digits of everything that changes decisions; where it is told or kept does not count."""
    prometheus = asdict(settings.prometheus)
    decides = {
        "engine": asdict(replace(settings.engine, identity="")),
        "prometheus": {key: prometheus[key] for key in _DECIDES},
        "jaeger": [bool(settings.jaeger.url), settings.jaeger.window, settings.jaeger.traces],
        "kiali": [bool(settings.kiali.url), settings.kiali.cluster, settings.kiali.window],
        "kubernetes": [
            settings.kubernetes.namespaces,
            settings.kubernetes.istiod_namespace,
            settings.kubernetes.istiod_selector,
        ],
    }
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _settings(model: Section) -> Settings:
    engine = EngineSettings(**given(model, EngineSettings))
    settings = Settings(engine=engine, **given(model, Settings))
    guards = replace(engine.guards, own_namespace=settings.own_namespace)
    return replace(settings, engine=replace(engine, guards=guards))


def _identified(settings: Settings) -> Settings:
    return replace(settings, engine=replace(settings.engine, identity=identity(settings)))


def _faults(document: Document, error: ErrorDetails) -> list[Fault]:
    """One pydantic error in the words of this house, at its place in the file."""
    path, kind, context = error["loc"], error["type"], error.get("ctx", {})
    if kind == "observer":
        return [document.fault(path, context["text"], context["hint"])]
    if kind == "disagreement":
        return [document.fault((*path, item.field), item.message, item.hint) for item in context["faults"]]
    if kind == "extra_forbidden":
        return [document.fault(path, "unknown key", _meant(path), at_key=True)]
    if error["input"] is None:
        return [document.fault(path, "has no value", "remove the key to get the default")]
    message, hint = _reworded(kind, context, error["input"])
    return [document.fault(path, message or error["msg"], hint)]


def _reworded(kind: str, context: dict[str, Any], value: object) -> tuple[str, str]:
    got = f", got {json.dumps(value)[:60]}" if isinstance(value, str | int | float) else ""
    wanted = {
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
    if kind in wanted:
        hint = "put it in quotes" if kind == "string_type" and got else ""
        return wanted[kind] + got, hint
    bounds = {
        "greater_than": ("above", "gt"),
        "greater_than_equal": ("at least", "ge"),
        "less_than_equal": ("at most", "le"),
    }
    if kind in bounds:
        words, key = bounds[kind]
        return f"must be {words} {context[key]:g}{got}", ""
    return "", ""


def _meant(path: tuple[str | int, ...]) -> str:
    """Where an unknown key may belong, or what it may have been meant to be."""
    model: Any = file_model()
    for part in path[:-1]:
        model = model.model_fields[str(part)].annotation
    if near := difflib.get_close_matches(str(path[-1]), model.model_fields, n=1):
        return f"did you mean {near[0]}?"
    homes = [
        name
        for name, field in file_model().model_fields.items()
        if isinstance(field.annotation, type)
        and issubclass(field.annotation, Section)
        and path[-1] in field.annotation.model_fields
    ]
    return f"it belongs under {' or '.join(homes)}" if homes else ""
