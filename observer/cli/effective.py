"""``observer check --effective``: what holds for one workload, every value with the file and line it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from observer.app import look_at_cluster
from observer.config.documents.faults import Fault
from observer.config.documents.files import read_text
from observer.config.policies.document import Place, Subject, Value
from observer.config.policies.effective import PolicySet, subjects
from observer.config.policies.inherit import EffectiveValues, inside
from observer.config.policies.load import load
from observer.config.policies.rules import contradictions
from observer.config.policies.spelling import shown, written
from observer.config.settings.model import Settings
from observer.config.settings.read import places
from observer.domain.errors import ConfigError
from observer.domain.ids import WorkloadRef
from observer.domain.names import NAMESPACE_ENABLED


@dataclass(frozen=True, slots=True)
class Question:
    """
    About whom it is asked. Offline a person gives the labels; ``live`` takes them from the cluster.

    ``labels`` and ``namespace_labels`` are ``KEY=VALUE``.
    """

    workload: str
    kind: str = "Deployment"
    labels: tuple[str, ...] = ()
    namespace_labels: tuple[str, ...] = ()
    live: bool = False


async def explain(settings: Settings, config: Path | None, question: Question) -> tuple[dict[str, Any], str]:
    """Returns what ``--json`` and the terminal show. Raises: ConfigError, also where two policies tie."""
    policies = load(settings, places=_places(config))
    subject = await _live(settings, question) if question.live else _offline(question)
    effective = policies.effective(subject)
    _refuse(policies, effective)
    body = _body(subject, effective)
    return body, _text(subject, body)


def _places(config: Path | None) -> dict[str, Place]:
    text = read_text(config) if config is not None else ""
    if isinstance(text, Fault):
        raise ConfigError(str(text))
    return {path: Place(str(config), *mark) for path, mark in places(text, str(config)).items()}


def _ref(question: Question) -> WorkloadRef:
    namespace, _, name = question.workload.partition("/")
    if not namespace or not name or "/" in name:
        raise ConfigError(f"{question.workload!r}: expected NAMESPACE/WORKLOAD, for example shop/cart")
    return WorkloadRef(namespace, question.kind, name)


def _offline(question: Question) -> Subject:
    """As if the namespace were on-boarded, unless a label given says otherwise."""
    enabled = {NAMESPACE_ENABLED: "true"}
    return Subject(_ref(question), _pairs(question.labels), enabled | _pairs(question.namespace_labels))


async def _live(settings: Settings, question: Question) -> Subject:
    ref = _ref(question)
    found = {one.ref: one for one in subjects(await look_at_cluster(settings))}
    if ref not in found:
        near = sorted(str(one) for one in found if one.name == ref.name or one.namespace == ref.namespace)
        there = f"; there is {', '.join(near[:5])}" if near else ""
        raise ConfigError(f"{ref}: the cluster has no such workload{there}")
    return found[ref]


def _pairs(given: Iterable[str]) -> dict[str, str]:
    found = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ConfigError(f"{pair!r}: expected KEY=VALUE, for example app=cart")
        found[key] = value
    return found


def _refuse(policies: PolicySet, effective: EffectiveValues) -> None:
    faults = [tie.other.place.fault(f"spec.{tie.path}", str(tie)) for tie in effective.ties]
    settings = policies.settings
    for path, message, hint in contradictions(effective, settings.engine, max(settings.prometheus.cuts_ms)):
        value = effective.values[path]
        if value.policy:
            faults.append(value.place.fault(f"spec.{path}", message, hint))
    if faults:
        raise ConfigError("\n".join(str(fault) for fault in sorted(set[Fault](faults))))


def _body(subject: Subject, effective: EffectiveValues) -> dict[str, Any]:
    percent = effective.values["percent"].value
    return {
        "workload": str(subject.ref),
        "enabled": subject.enabled,
        "policies": list(effective.policies),
        "mode": effective.values["mode"].value.value if inside(subject.ref, percent) else "shadow",
        "inside_percent": inside(subject.ref, percent),
        "values": [_row(path, value) for path, value in effective.values.items()],
        "holds": [_row("hold", value) for value in effective.holds],
    }


def _row(path: str, value: Value) -> dict[str, Any]:
    return {
        "path": path,
        "value": written(path, value.value),
        "file": value.place.file,
        "line": value.place.line,
        "policy": value.policy,
    }


def _text(subject: Subject, body: dict[str, Any]) -> str:
    lines = [f"{body['workload']}: mode {body['mode']}, policies {', '.join(body['policies']) or 'none'}"]
    if not body["inside_percent"]:
        lines.append("it is outside the percentage that the mode is for, so it is in shadow")
    if not subject.enabled:
        lines.append(f"namespace {subject.ref.namespace} lacks {NAMESPACE_ENABLED}=true: Observer does not act there")
    rows = [*body["values"], *body["holds"]]
    left, middle = max(len(row["path"]) for row in rows), max(len(shown(row["value"])) for row in rows)
    for row in rows:
        place = f"{row['file']}:{row['line']}" if row["line"] else row["file"]
        name = f"  {row['policy']}" if row["policy"] else ""
        lines.append(f"{row['path']:<{left}}  {shown(row['value']):<{min(middle, 40)}}  {place}{name}")
    return "\n".join(lines)
