"""
The keys of a HealthPolicy document and what each may hold.

Every key of ``spec`` but the selector and a hold is a field of ``EffectivePolicy`` and declared there; what a document
leaves out it inherits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass, replace
from functools import cache
from typing import Annotated, Final, get_args

from pydantic import AfterValidator, Field, WithJsonSchema, create_model

from observer.config.documents.declarations import Definitions, Models, Part, Switch, described
from observer.config.documents.values import FILLED, NAME, TEXT, Check, Words, wrong
from observer.config.policies.windows import CLOCK, INSTANT, WEEKDAYS, ZONE, window
from observer.domain.policy import EffectivePolicy, TimeWindow
from observer.domain.settings import Declared, declared

API_VERSION: Final = "observer.dev/v1alpha1"
KIND: Final = "HealthPolicy"
TEST_KIND: Final = "PolicyTest"
"""Tests of policies; they stand beside them and are no rules."""
WORKLOAD_KINDS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


MODELS: Final = Models({}, inherits=True)
"""What reads the sections that a policy shares with the settings: every key may be left out."""

_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"


def _check_labels(value: dict[str, str]) -> dict[str, str]:
    for key, content in value.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(content):
            raise wrong(f'"{key}: {content}" is no Kubernetes label'[:120])
    return value


def _check_name(value: str) -> str | None:
    fits = re.match(_NAME_PATTERN, value)
    return None if fits else f'must be a Kubernetes name (a-z, 0-9, -, .), got "{value[:60]}"'


def _check_enabled(value: bool) -> bool:
    if not value:
        raise wrong("can only be true", "remove the key, or name the namespaces")
    return value


def _check_somebody(given: Part) -> Part:
    """An empty mapping would select everybody."""
    if not given.model_fields_set:
        raise wrong("is empty and would select everything", "everything is namespaces: {enabled: true}")
    if "enabled" in given.model_fields_set and len(given.model_fields_set) > 1:
        raise wrong("names namespaces beside enabled, which is all of them", "remove one of the two")
    return given


SOMEBODY = AfterValidator(_check_somebody)
NAMED = Check(_check_name, _NAME_PATTERN)
Labels = Annotated[dict[str, Annotated[str, Check(empty=True)]], FILLED, AfterValidator(_check_labels)]
Texts = dict[str, Annotated[str, Check(empty=True)]]


class Namespaces(Part):
    """Namespaces whose workloads a policy is for."""

    enabled: Annotated[Switch, AfterValidator(_check_enabled), WithJsonSchema({"const": True})] = Field(
        default=False, description="Every namespace that carries the label observer.dev/enabled=true."
    )
    names: Annotated[list[Annotated[str, NAME]], FILLED] = Field(default=[], description="These namespaces.")
    labels: Labels = Field(default={}, description="Namespaces that carry all these labels.")


class Workloads(Part):
    """Workloads that a policy is for; all that is given must hold."""

    names: Annotated[list[Annotated[str, NAMED]], FILLED] = Field(default=[], description="Workloads of these names.")
    labels: Labels = Field(default={}, description="Workloads that carry all these labels.")
    kinds: Annotated[list[Annotated[str, Words(WORKLOAD_KINDS)]], FILLED] = Field(
        default=[], description="Workloads of these kinds."
    )


class SelectorKeys(Part):
    """Whom a policy is for."""

    namespaces: Annotated[Namespaces, SOMEBODY] = Field(Namespaces(), description="Namespaces that it reaches.")
    workloads: Annotated[Workloads, SOMEBODY] = Field(Workloads(), description="Workloads that it reaches.")


class StandingHoldKeys(Part):
    """Nothing is done until an instant, or until the key is taken out."""

    reason: Annotated[str, TEXT] = Field(description="Why nothing may be done.")
    until: Annotated[str, INSTANT] = Field("", description="Instant (RFC 3339) at which it ends; without it, never.")


class WindowKeys(Part):
    """A time in which acting is allowed."""

    days: Annotated[list[Annotated[str, Words(WEEKDAYS)]], FILLED] = Field(description="Days on which it begins.")
    begin: Annotated[str, CLOCK] = Field(alias="from", description="Local time at which it begins.")
    end: Annotated[str, CLOCK] = Field(
        alias="to", description="Local time at which it ends; at or before from it is on the next day."
    )
    zone: Annotated[str, ZONE] = Field(description="IANA name of the time zone.")


def _window(given: WindowKeys) -> TimeWindow:
    return window(given.days, given.begin, given.end, given.zone)


class MetadataKeys(Part):
    """Name of the document, and what other tools write beside it."""

    name: Annotated[str, NAMED] = Field(description="Name of the policy, which decisions carry.")
    labels: dict[str, Annotated[str, TEXT]] = Field({}, description="Labels; Observer does not read them.")
    annotations: Texts = Field({}, description="Annotations; Observer does not read them.")


class SpecKeys(Part):
    """What a policy says about whom."""

    selector: Annotated[SelectorKeys, SOMEBODY] = Field(description="Whom it is for; an empty one is refused.")
    hold: StandingHoldKeys | None = Field(
        None, description="Do nothing here; those of all policies that reach a workload count."
    )  # fmt: skip


class DocumentKeys(Part):
    """A health policy."""

    apiVersion: Annotated[str, Words((API_VERSION,))] = Field(description="Version of this format.")  # noqa: N815
    kind: Annotated[str, Words((KIND,))] = Field(description="What the document is.")
    metadata: MetadataKeys = Field(description="Name of the policy.")
    spec: SpecKeys = Field(description="What it says about whom.")


def parts() -> Iterator[tuple[str, Declared]]:
    """The declared fields of a policy, sections among them, by their dotted path, in the order in which people read."""
    return ((item.setting.path or item.name, item) for item in declared(EffectivePolicy))


def paths() -> Iterator[str]:
    """Every dotted path that inherits; lists are one value."""
    return iter(settings())


@cache
def settings() -> Mapping[str, Declared]:
    """The declaration of every path that inherits."""
    found = dict[str, Declared]()
    for path, item in parts():
        if inner := section_of(item):
            found |= {f"{path}.{key.name}": key for key in inherited(inner)}
        else:
            found[path] = item
    return found


def section_of(item: Declared) -> type | None:
    """The dataclass of a section that inherits key by key."""
    kind = get_args(item.hint)[0]
    return kind if isinstance(kind, type) and is_dataclass(kind) else None


def inherited(kind: type) -> tuple[Declared, ...]:
    """The keys of a section that a policy may set."""
    return tuple(key for key in declared(kind) if not key.setting.cluster_wide)


@cache
def document_model() -> type[DocumentKeys]:
    """The model of one HealthPolicy document."""
    tops: Definitions = {}
    inner: dict[str, Definitions] = {}
    for path, item in parts():
        above, _, name = path.rpartition(".")
        keys = inner.setdefault(above, {}) if above else tops
        keys[name] = MODELS.key(_as_written(item), None)
    for name, keys in inner.items():
        model = create_model(name.capitalize(), __base__=Part, **keys)
        tops[name] = (model, Field(None, description="What may be detected, and when users are affected by it."))
    spec = create_model("Spec", __base__=SpecKeys, **tops)
    return create_model("HealthPolicy", __base__=DocumentKeys, spec=(spec, DocumentKeys.model_fields["spec"]))


def _as_written(item: Declared) -> Declared:
    """Windows are read in a form of their own."""
    if item.name != "windows":
        return item
    return replace(item, hint=Annotated[tuple[Annotated[WindowKeys, AfterValidator(_window)], ...], item.setting])


def schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of one document, for editors."""
    about = "kind: HealthPolicy. What is left out is inherited: platform, then namespace, then workload."
    return described(document_model(), "healthpolicy", "Observer health policy", about)
