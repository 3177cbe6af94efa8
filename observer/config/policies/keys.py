"""
The keys of a HealthPolicy document and what each may hold.

Every key is optional: what a document leaves out it inherits. Bounds and spellings are those of ``observer.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Annotated, Any

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, WithJsonSchema, create_model

from observer import actions
from observer.config.documents.values import choice, dns_label, many, mapping, number, text, word, wrong
from observer.config.policies.windows import CLOCK_PATTERN, WEEKDAYS, check_clock, check_instant, window, zone
from observer.config.settings.sections import KEYS, Switch
from observer.domain.action import ActionKind, Mode
from observer.domain.settings import EscalationSettings, GuardSettings, ImpactSettings

API_VERSION = "observer.dev/v1alpha1"
KIND = "HealthPolicy"
TEST_KIND = "PolicyTest"
"""Tests of policies; they stand beside them and are no rules."""
WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")

FLEET = frozenset(
    {
        "cluster_actions",
        "cluster_window",
        "cluster_share",
        "breaker_bad_share",
        "breaker_bad_min",
        "breaker_useless_share",
        "breaker_last",
        "kubernetes_stale",
        "refused_namespaces",
        "own_namespace",
    }
)
"""Guards of the whole cluster: they stay in ``observer.yaml``, no policy changes them."""

NAMESPACE_WIDE = ("guards.namespace_actions", "guards.namespace_window")
"""Budgets that a whole namespace shares: a policy for workloads cannot set them."""

_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"


class Part(BaseModel):
    """A mapping of the document: strict types, no unknown keys."""

    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=False)


def section(name: str, required: tuple[str, ...] = (), /, **keys: Any) -> type[Part]:
    """Keys are optional but for ``required``; ``from_`` stands for the key ``from``, which Python reserves."""
    definitions: dict[str, Any] = {
        key.rstrip("_"): (kind, pydantic.Field(default=... if key.rstrip("_") in required else None))
        for key, kind in keys.items()
    }
    made: type[Part] = create_model(name, __base__=Part, **definitions)
    return made


def _filled(kind: Any) -> Any:
    """A list or mapping that is not empty, without doubles."""

    def read(value: Any) -> Any:
        if not value:
            raise wrong("must not be empty", "remove the key, or name somebody")
        if isinstance(value, list) and len(set(value)) != len(value):
            raise wrong("names one twice")
        return value

    return Annotated[kind, AfterValidator(read)]


def _labels() -> Any:
    def read(value: dict[str, str]) -> dict[str, str]:
        for key, content in value.items():
            if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(content):
                raise wrong(f'"{key}: {content}" is no Kubernetes label'[:120])
        return value

    return Annotated[_filled(mapping(text(empty=True))), AfterValidator(read)]


def _name() -> Any:
    def read(value: str) -> str | None:
        fits = re.match(_NAME_PATTERN, value)
        return None if fits else f'must be a Kubernetes name (a-z, 0-9, -, .), got "{value[:60]}"'

    return text(read, pattern=_NAME_PATTERN)


def _somebody(part: type[Part]) -> Any:
    """A mapping that selects somebody: an empty one would select everybody."""

    def read(given: Part) -> Part:
        if not given.model_fields_set:
            raise wrong("is empty and would select everything", "everything is namespaces: {enabled: true}")
        if "enabled" in given.model_fields_set and len(given.model_fields_set) > 1:
            raise wrong("names namespaces beside enabled, which is all of them", "remove one of the two")
        return given

    return Annotated[part, AfterValidator(read)]


def _enabled() -> Any:
    def read(value: bool) -> bool:
        if not value:
            raise wrong("can only be true", "remove the key, or name the namespaces")
        return value

    return Annotated[Switch, AfterValidator(read), WithJsonSchema({"const": True})]


def _of(kind: type, without: frozenset[str] = frozenset()) -> type[Part]:
    """All optional keys of a section of ``observer.yaml``."""
    return section(kind.__name__, **{key: what for key, what in KEYS[kind].items() if key not in without})


def _clock() -> Any:
    return text(check_clock, pattern=CLOCK_PATTERN)


def _window() -> Any:
    days = many(word(*WEEKDAYS))
    part = section(
        "Window", ("days", "from", "to", "zone"), days=_filled(days), from_=_clock(), to=_clock(), zone=zone()
    )

    def read(given: Any) -> Any:
        return window(given)

    return Annotated[part, AfterValidator(read)]


@cache
def document_model() -> type[Part]:
    """The model of one HealthPolicy document."""
    namespaces = section("Namespaces", enabled=_enabled(), names=_filled(many(dns_label())), labels=_labels())
    workloads = section(
        "Workloads", names=_filled(many(_name())), labels=_labels(), kinds=_filled(many(word(*WORKLOAD_KINDS)))
    )
    spec = section(
        "Spec",
        ("selector",),
        selector=_somebody(section("Selector", namespaces=_somebody(namespaces), workloads=_somebody(workloads))),
        mode=choice(Mode),
        percent=number(0, 100),
        objectives=many(text()),
        detectors=section("Detectors", errors=Switch, latency=Switch, impact=_of(ImpactSettings)),
        escalation=_of(EscalationSettings),
        guards=_of(GuardSettings, FLEET),
        approvals=many(choice(ActionKind, actions.approvable)),
        windows=many(_window()),
        hold=section("Blocked", ("reason",), reason=text(), until=text(check_instant)),
        alerts=many(text()),
    )
    metadata = section(
        "Metadata", ("name",), name=_name(), labels=mapping(text()), annotations=mapping(text(empty=True))
    )
    return section(
        "HealthPolicy", ("apiVersion", "kind", "metadata", "spec"),
        apiVersion=word(API_VERSION), kind=word(KIND), metadata=metadata, spec=spec,
    )  # fmt: skip


NESTED = ("detectors", "detectors.impact", "escalation", "guards")
"""Mappings that inherit key by key; every other key is one value."""


def paths() -> Iterator[str]:
    """Every dotted path that inherits, in the order in which people read them."""
    yield from ("mode", "percent", "objectives", "detectors.errors", "detectors.latency")
    yield from (f"detectors.impact.{item.name}" for item in fields(ImpactSettings))
    yield from (f"escalation.{item.name}" for item in fields(EscalationSettings))
    yield from (f"guards.{item.name}" for item in fields(GuardSettings) if item.name not in FLEET)
    yield from ("approvals", "windows", "alerts")


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one document, for editors."""
    body = document_model().model_json_schema()
    body["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    body["title"] = "Observer health policy"
    body["description"] = "kind: HealthPolicy. What is left out is inherited: platform, then namespace, then workload."
    return body
