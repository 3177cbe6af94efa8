"""
Tells decisions as Kubernetes Events, on the pod and on its workload, so that ``kubectl describe`` shows them.

The API server validates strictly and lets nothing but ``series`` of an Event change: what repeats within six minutes
is counted there, everything else is a new Event. Events live about an hour; the audit trail is elsewhere.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from observer import actions
from observer.actions.model import ActionSpec
from observer.domain import names
from observer.domain.action import Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import SourceUnavailable
from observer.domain.ids import TargetKind, WorkloadRef
from observer.domain.outcome import Result
from observer.kube import paths
from observer.kube.client import KubeApi
from observer.kube.errors import Conflict, KubeError, NotFound, as_source_error
from observer.kube.times import micro_time

_SERIES_SECONDS = 360.0
_REMEMBERED = 2048
_NOTE = 1024
_WORD = 128
_NAME = 253
_MERGE_PATCH = "application/merge-patch+json"
_API_VERSIONS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Rollout": "argoproj.io/v1alpha1",
    "Pod": "v1",
    "Service": "v1",
    "Node": "v1",
}
_REASONS = {
    "suspected": "Suspected",
    "drain_effective": "DrainEffective",
    "drain_verdict": "DrainJudged",
    "replaced": "Replaced",
    "verified": "Verified",
    "blocked": "Blocked",
    "suggested": "Suggested",
    "suppressed": "Suppressed",
    "unreached": "Unreached",
    "closed": "Closed",
    "frozen": "Frozen",
    "page": "Paged",
}
"""Kinds of decisions that become Events, and their reason words; actions bring their own."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an Event is about."""

    kind: str
    namespace: str
    name: str
    uid: str = ""

    def reference(self) -> dict[str, str]:
        """An ObjectReference without empty fields."""
        fields = {"apiVersion": _API_VERSIONS.get(self.kind, "v1"), "kind": self.kind}
        fields |= {"namespace": self.namespace, "name": self.name, "uid": self.uid}
        return {key: value for key, value in fields.items() if value}

    @property
    def home(self) -> str:
        """Namespace of its Events: its own, or ``default`` for what is in none."""
        return self.namespace or "default"


@dataclass(slots=True)
class _Series:
    home: str
    name: str
    count: int
    last: float


class KubeEventSink:
    """
    Implements ``ports.actuators.Sink``.

    Args:
        instance: this Observer's name, for ``reportingInstance``.
        uid_of: uid of a workload, empty when unknown; ``kubectl describe`` finds an Event by the uid of its object.
    """

    def __init__(
        self, api: KubeApi, *, instance: str, uid_of: Callable[[WorkloadRef], str] = lambda _workload: ""
    ) -> None:
        self._api, self._instance, self._uid_of = api, instance[:_WORD], uid_of
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()

    @property
    def name(self) -> str:
        return "kube_events"

    async def publish(self, decision: Decision) -> None:
        """Raises ``SourceUnavailable`` when an Event was not accepted; the others are still tried."""
        if decision.kind not in _REASONS and _acting(decision) is None:
            return
        failed: KubeError | None = None
        for subject, related in self._subjects(decision):
            try:
                await self._post(decision, subject, related)
            except KubeError as exc:
                failed = exc
        if failed is not None:
            raise SourceUnavailable(str(as_source_error("events", failed))) from failed

    async def close(self) -> None:
        """The API connection belongs to whoever made it."""

    def _subjects(self, decision: Decision) -> Iterator[tuple[Subject, Subject | None]]:
        above, target = decision.workload, decision.target
        owner = Subject(above.kind, above.namespace, above.name, self._uid_of(above)) if above is not None else None
        if target is not None and target.pod is None and target.kind != TargetKind.WORKLOAD:
            yield Subject(target.kind.value.capitalize(), target.namespace, target.name, target.uid), owner
        elif decision.pod is not None:
            pod = Subject("Pod", decision.pod.namespace, decision.pod.name, decision.pod.uid)
            yield pod, owner
            if owner is not None:
                yield owner, pod
        elif owner is not None:
            yield owner, None
        elif decision.service is not None:
            yield Subject("Service", decision.service.namespace, decision.service.name), None
        elif decision.subject.startswith("node "):
            yield (
                Subject("Node", "", decision.subject.removeprefix("node "), decision.subject.removeprefix("node ")),
                None,
            )

    async def _post(self, decision: Decision, subject: Subject, related: Subject | None) -> None:
        body = event(decision, subject, related, self._instance)
        key = (subject.kind, subject.home, subject.name, subject.uid, str(body["reason"]), decision.reason)
        series = self._series.get(key)
        recent = series is not None and decision.at - series.last <= _SERIES_SECONDS
        if series is not None and recent and await self._repeat(series, decision.at):
            self._series.move_to_end(key)
            return
        name = event_name(decision, subject)
        body["metadata"] = {"name": name, "namespace": subject.home}
        try:
            await self._api.request("POST", paths.event(subject.home), body=body)
        except Conflict:
            return  # this very decision was told before
        self._series[key] = _Series(subject.home, name, 1, decision.at)
        self._series.move_to_end(key)
        if len(self._series) > _REMEMBERED:
            self._series.popitem(last=False)

    async def _repeat(self, standing: _Series, at: float) -> bool:
        """Count one more on the Event that tells it already; False when that Event is gone."""
        series = {"count": standing.count + 1, "lastObservedTime": micro_time(at)}
        path = paths.event(standing.home, standing.name)
        try:
            await self._api.request("PATCH", path, body={"series": series}, content_type=_MERGE_PATCH)
        except NotFound:
            return False
        standing.count, standing.last = standing.count + 1, at
        return True


def event(decision: Decision, subject: Subject, related: Subject | None, instance: str) -> dict[str, object]:
    """The events.k8s.io/v1 Event without its metadata."""
    body: dict[str, object] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": micro_time(decision.at),
        "type": "Normal" if decision.severity == "info" else "Warning",
        "reason": event_reason(decision),
        "action": spec.verb if (spec := _acting(decision)) is not None else "Observe",
        "note": _cut(decision.text or decision.reason, _NOTE),
        "reportingController": names.REPORTING_CONTROLLER,
        "reportingInstance": instance or "observer",
        "regarding": subject.reference(),
    }
    if related is not None:
        body["related"] = related.reference()
    return body


def event_reason(decision: Decision) -> str:
    """
    ``ObserverDrained`` and its like. An act that was not carried out says so: ``ObserverWouldDrain``,
    ``ObserverDryRunDrain``, ``ObserverDrainBlocked``, ``ObserverDrainDeferred``.
    """
    spec = _acting(decision)
    if spec is None:
        return f"Observer{_REASONS[decision.kind]}"
    if decision.verdict is Verdict.BLOCKED:
        return f"Observer{spec.verb}Blocked"
    if decision.verdict is Verdict.WOULD:
        return f"ObserverWould{spec.verb}"
    if decision.outcome is not None and decision.outcome.result is not Result.APPLIED:
        return f"Observer{spec.verb}{decision.outcome.result.value.capitalize()}"
    if decision.mode is Mode.DRY_RUN:
        return f"ObserverDryRun{spec.verb}"
    return f"Observer{spec.event}"


def _acting(decision: Decision) -> ActionSpec | None:
    """The action that a decision is to do; None for one that tells something else."""
    spec = actions.named(decision.kind)
    return spec if spec is not None and spec.writes else None


def event_name(decision: Decision, subject: Subject) -> str:
    """Unique to decision, instant and subject, and the same when the same is told again."""
    outcome = decision.outcome.result.value if decision.outcome is not None else ""
    text = f"{decision.id}|{decision.at!r}|{outcome}|{subject.kind}|{subject.uid}|{subject.name}"
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{subject.name[: _NAME - len(digest) - 1].rstrip('.-')}.{digest}"


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` bytes of UTF-8, never half a character."""
    raw = text.encode()
    if len(raw) <= limit:
        return text
    return raw[: limit - 3].decode("utf-8", "ignore") + "..."
