"""Files of OpenSLO documents, read as a whole: typed documents with their places, or every fault at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final, Generic, TypeGuard, TypeVar

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from observer.config.documents.faults import Fault, refuse
from observer.config.documents.marks import Document, Path, read_marked_all, read_text, yaml_files
from observer.config.documents.refusals import validated
from observer.config.openslo.annotations import judged
from observer.config.openslo.models import (
    API_VERSION,
    SPECS,
    ConditionSpec,
    DataSourceSpec,
    Metadata,
    Part,
    PolicySpec,
    ServiceSpec,
    SliSpec,
    SloSpec,
    TargetSpec,
)
from observer.domain import names

Spec = TypeVar("Spec", bound=Part)
Spec_co = TypeVar("Spec_co", bound=Part, covariant=True)
_KEYS: Final = ("apiVersion", "kind", "metadata", "spec")


@dataclass(frozen=True, slots=True)
class Placed(Generic[Spec_co]):
    """One OpenSLO object, a document of its own or inline: ``at`` is its path within ``document``."""

    kind: str
    metadata: Metadata
    spec: Spec_co
    document: Document
    at: Path = ()

    @property
    def name(self) -> str:
        """``metadata.name``."""
        return self.metadata.name

    def annotation(self, key: str) -> str:
        """The annotation's value, empty when it is not given."""
        return self.metadata.annotations.get(key, "")

    def fault(self, path: Path, message: str, hint: str = "") -> Fault:
        """A fault at ``path`` beneath this object."""
        return self.document.fault((*self.at, *path), message, hint)

    def annotation_fault(self, key: str, message: str, hint: str = "") -> Fault:
        """A fault at one of its annotations."""
        return self.fault(("metadata", "annotations", key), message, hint)


def has_spec(placed: Placed[Part], kind: type[Spec]) -> TypeGuard[Placed[Spec]]:
    """It is an object of this kind."""
    return isinstance(placed.spec, kind)


@dataclass(slots=True)
class Documents:
    """
    What the files hold, by kind and name. SLOs are a list: nothing refers to them, and their identity has more parts.

    ``others`` are the documents of Observer's own kinds (``observer.dev/...``), untouched.
    """

    slos: list[Placed[SloSpec]] = field(default_factory=list)
    slis: dict[str, Placed[SliSpec]] = field(default_factory=dict)
    data_sources: dict[str, Placed[DataSourceSpec]] = field(default_factory=dict)
    policies: dict[str, Placed[PolicySpec]] = field(default_factory=dict)
    conditions: dict[str, Placed[ConditionSpec]] = field(default_factory=dict)
    targets: dict[str, Placed[TargetSpec]] = field(default_factory=dict)
    services: dict[str, Placed[ServiceSpec]] = field(default_factory=dict)
    others: list[Document] = field(default_factory=list)
    order: list[Placed[Part]] = field(default_factory=list)

    def plain(self) -> list[dict[str, object]]:
        """The OpenSLO documents as plain mappings, in the order of the files: nothing added, nothing lost."""
        return [
            {
                "apiVersion": API_VERSION,
                "kind": placed.kind,
                "metadata": placed.metadata.model_dump(by_alias=True, exclude_unset=True),
                "spec": placed.spec.model_dump(by_alias=True, exclude_unset=True),
            }
            for placed in self.order
        ]

    def add(self, placed: Placed[Part]) -> Placed[Part] | None:
        """Take one in; answers the one that has its name already, if there is one."""
        self.order.append(placed)
        if has_spec(placed, SloSpec):
            self.slos.append(placed)
            return None
        shelf: dict[str, Placed[Part]] = self._shelves()[placed.kind]
        first = shelf.setdefault(placed.name, placed)
        return first if first is not placed else None

    def _shelves(self) -> Mapping[str, Any]:
        return {
            "SLI": self.slis,
            "DataSource": self.data_sources,
            "AlertPolicy": self.policies,
            "AlertCondition": self.conditions,
            "AlertNotificationTarget": self.targets,
            "Service": self.services,
        }


def load_documents(paths: Iterable[FilePath]) -> Documents:
    """
    Read files, and of directories every ``*.yaml`` and ``*.yml``.

    Raises:
        ConfigError: with one ``file:line:column path: message (hint)`` a fault, over all files at once.
    """
    documents, faults = read_documents(paths)
    if faults:
        refuse(faults)
    return documents


def read_documents(paths: Iterable[FilePath]) -> tuple[Documents, list[Fault]]:
    """The same without raising: what could be read, and every fault."""
    found, faults = Documents(), []
    for path in yaml_files(paths):
        text = read_text(path)
        if isinstance(text, Fault):
            faults.append(text)
        else:
            faults += _read(text, str(path), found)
    return found, faults


def parse_documents(text: str, name: str = "slo.yaml") -> Documents:
    """The documents that ``text`` spells; ``name`` stands in the messages. Raises: ConfigError."""
    found = Documents()
    if faults := list(_read(text, name, found)):
        refuse(faults)
    return found


def _read(text: str, name: str, documents: Documents) -> Iterator[Fault]:
    for document in read_marked_all(text, name):
        yield from document.faults
        if document.data is not None:
            broken = {fault.path for fault in document.faults}
            yield from (fault for fault in _sorted_in(document, documents) if fault.path not in broken)


def _sorted_in(document: Document, documents: Documents) -> Iterator[Fault]:
    data = document.data
    if not isinstance(data, dict):
        yield document.fault((), "must be a mapping with apiVersion, kind, metadata and spec")
        return
    version, kind = data.get("apiVersion"), data.get("kind")
    if str(version).startswith(f"{names.OBSERVER}/"):
        documents.others.append(document)
        return
    if version != API_VERSION:
        yield _foreign(document, data)
        return
    if not isinstance(kind, str) or kind not in SPECS:
        yield document.fault(("kind",), f"must be one of {', '.join(SPECS)}")
        return
    yield from (
        document.fault((key,), "unknown key", "apiVersion, kind, metadata and spec", at_key=True)
        for key in data
        if key not in _KEYS
    )
    yield from _typed(document, data, kind, documents)


def _foreign(document: Document, data: Mapping[str, object]) -> Fault:
    version = data.get("apiVersion", data.get("version"))
    if version is None:
        return document.fault(("apiVersion",), "is missing", f"apiVersion: {API_VERSION}")
    known = ("openslo/v1alpha", "openslo.com/v2alpha", "sloth.slok.dev/v1", "pyrra.dev/v1alpha1", "prometheus/v1")
    hint = "observer convert FILE prints it as OpenSLO v1" if version in known else ""
    key = "apiVersion" if "apiVersion" in data else "version"
    return document.fault((key,), f'must be {API_VERSION}, got "{version}"', hint)


def _typed(document: Document, data: Mapping[str, object], kind: str, documents: Documents) -> Iterator[Fault]:
    metadata, faults = _part(Metadata, document, data, "metadata")
    spec, more = _part(SPECS[kind], document, data, "spec", empty=kind == "Service")
    yield from (*faults, *more)
    if metadata is None:
        return
    yield from _annotated(Placed(kind, metadata, Part(), document))
    if spec is None:
        return
    placed = Placed(kind, metadata, spec, document)
    yield from (
        fault for inline_part in inline_parts(placed) if inline_part is not placed for fault in _annotated(inline_part)
    )
    if first := documents.add(placed):
        where = f"{first.document.file}:{first.document.values[()][0]}"
        yield placed.fault(("metadata", "name"), f"another {kind} has this name", f"first given at {where}")


def _part(
    model: type[Spec], document: Document, data: Mapping[str, object], key: str, *, empty: bool = False
) -> tuple[Spec | None, list[Fault]]:
    if key not in data:
        return None, [document.fault((key,), "is missing")]
    value = {} if data[key] is None and empty else data[key]
    if not isinstance(value, dict):
        return None, [document.fault((key,), "must be a mapping")]
    return validated(model, value, document, (key,), nothing="write one, or remove the key")


def _annotated(placed: Placed[Part]) -> Iterator[Fault]:
    """What is wrong with Observer's annotations of one object."""
    for wrong in judged(placed.kind, placed.metadata.annotations):
        yield placed.annotation_fault(wrong.field, wrong.message, wrong.hint)


def inline_parts(placed: Placed[Part]) -> Iterator[Placed[Part]]:
    """The object itself and every object that stands inline in it, at any depth."""
    yield placed
    for kind, part, at in _inline(placed.spec):
        metadata, spec = getattr(part, "metadata", None), getattr(part, "spec", None)
        if isinstance(metadata, Metadata) and isinstance(spec, Part):
            yield from inline_parts(Placed(kind, metadata, spec, placed.document, (*placed.at, "spec", *at)))


def _inline(spec: Part) -> Iterator[tuple[str, Part, Path]]:
    if isinstance(spec, SloSpec):
        if spec.indicator is not None:
            yield "SLI", spec.indicator, ("indicator",)
        for index, objective in enumerate(spec.objectives):
            if objective.indicator is not None:
                yield "SLI", objective.indicator, ("objectives", index, "indicator")
        for index, policy in enumerate(spec.alert_policies):
            yield "AlertPolicy", policy, ("alertPolicies", index)
    if isinstance(spec, PolicySpec):
        for index, condition in enumerate(spec.conditions):
            yield "AlertCondition", condition, ("conditions", index)
        for index, target in enumerate(spec.notification_targets):
            yield "AlertNotificationTarget", target, ("notificationTargets", index)


def schema() -> dict[str, object]:
    """Draft 2020-12. What keys say about each other (one of good and bad) stands in ``docs/openslo.md`` only."""
    models: list[type[BaseModel]] = [Metadata, *SPECS.values()]
    references, shared = models_json_schema([(model, "validation") for model in models])
    metadata = references[Metadata, "validation"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{names.OBSERVER}:schema:openslo:1",
        "title": "OpenSLO v1",
        "description": "Objectives as Observer reads them. Its own annotations begin with observer.dev/.",
        "oneOf": [
            {
                "type": "object",
                "title": kind,
                "additionalProperties": False,
                "required": ["apiVersion", "kind", "metadata", "spec"],
                "properties": {
                    "apiVersion": {"const": API_VERSION},
                    "kind": {"const": kind},
                    "metadata": {**metadata, "description": "Name of the document, and what stands beside it."},
                    "spec": {**references[model, "validation"], "description": f"The {kind} itself."},
                },
            }
            for kind, model in SPECS.items()
        ],
        **shared,
    }
