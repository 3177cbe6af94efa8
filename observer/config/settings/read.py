"""``observer.yaml``: read, checked as a whole, turned into the values that the daemon runs on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from pydantic import create_model

from observer.config.documents.declarations import Models, Section, built, changed, described
from observer.config.documents.faults import Fault, refuse
from observer.config.documents.marks import read_marked, read_text
from observer.config.documents.refusals import validated
from observer.config.settings.consistency import EXPOSED_HINT, RULES, exposed
from observer.config.settings.model import Settings
from observer.domain.errors import ConfigError
from observer.domain.settings import EngineSettings, declared

MODELS: Final = Models(RULES)
"""What reads each section."""
FILE: Final = create_model("Observer", __base__=Section, **MODELS.keys(EngineSettings, Settings))
"""The model of the whole file: engine keys first."""

_DECIDES = ("flavor", "profile", "labels", "selector", "up_selector", "cuts_ms", "history_seconds", "recheck_seconds")


def load(path: Path) -> Settings:
    """
    Read the settings file.

    Raises:
        ConfigError: with one ``file:line:column path: message (hint)`` a fault, all of them at once.
    """
    text = read_text(path)
    if isinstance(text, Fault):
        raise ConfigError(str(text))
    return parse(text, str(path))


def places(text: str, name: str) -> dict[str, tuple[int, int]]:
    """Line and column of every key of a settings file by its dotted path (``escalation.drain_seconds``)."""
    document = read_marked(text, name)
    return {".".join(map(str, path)): mark for path, mark in document.keys.items()}


def parse(text: str, name: str = "observer.yaml") -> Settings:
    """The settings that ``text`` spells; ``name`` stands in the messages. Raises: ConfigError."""
    document = read_marked(text, name)
    faults = list(document.faults)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        refuse([*faults, document.fault((), "must be a mapping of settings", "for example: mode: shadow")])
    model, more = validated(FILE, data, document)
    faults += more
    if model is None or faults:
        refuse(faults)
    settings = _identified(_settings(model))
    if why := exposed(settings):
        refuse([document.fault(("listen",), why, EXPOSED_HINT)])
    receivers = [receiver.name for receiver in settings.notify]
    if twice := [index for index, name in enumerate(receivers) if name in receivers[:index]]:
        refuse(document.fault(("notify", index, "name"), f"{receivers[index]} is given twice") for index in twice)
    return settings


def default() -> Settings:
    """What an empty file gives."""
    return _identified(Settings())


def schema() -> dict[str, object]:
    """JSON Schema of the file, for editors."""
    about = "observer.yaml: the settings of the Observer daemon. Every key has a safe default."
    return described(FILE, "settings", "Observer settings", about)


def identity(settings: Settings) -> str:
    """Twelve hex digits of everything that changes decisions; where it is told or kept does not count."""
    prometheus = asdict(settings.prometheus)
    decides = {
        "engine": asdict(replace(settings.engine, identity="")),
        "prometheus": {key: prometheus[key] for key in _DECIDES},
        "jaeger": [
            *(bool(settings.jaeger.url), settings.jaeger.cluster),
            *(settings.jaeger.window, settings.jaeger.traces),
        ],
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
    values = {name: built(getattr(model, name)) for name in model.model_fields_set}
    of_engine = {item.name for item in declared(EngineSettings)}
    engine = changed(EngineSettings(), {name: value for name, value in values.items() if name in of_engine})
    settings = changed(Settings(), {name: value for name, value in values.items() if name not in of_engine})
    guards = replace(engine.guards, own_namespace=settings.own_namespace)
    return replace(settings, engine=replace(engine, guards=guards))


def _identified(settings: Settings) -> Settings:
    return replace(settings, engine=replace(settings.engine, identity=identity(settings)))
