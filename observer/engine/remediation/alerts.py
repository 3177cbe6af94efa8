"""
Alerts of others ask Observer to look; what it finds is found by its own evidence or not at all.

An alert that a policy allows has the callers' view and the last minutes of its service asked for until something stands
out, somebody says it is over, or enough was seen to answer "nobody".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from observer.domain.alert import Alert, PendingAlert
from observer.domain.cluster import ClusterView
from observer.domain.ids import ServiceRef
from observer.domain.policy import EffectivePolicy
from observer.engine.context import TickContext
from observer.engine.remediation.decision_log import DecisionLog

LOOK_SECONDS = 300.0
"""So long an alert is looked into before the answer is "nobody stands out"."""
ANSWERS = frozenset({"found", "nobody", "not_allowed", "unknown_target", "resolved"})
"""Reasons of decisions of kind ``alert`` after which nothing more is done about it."""
_POD_LABELS = ("pod", "pod_name", "kubernetes_pod_name")
_SERVICE_LABELS = (
    "service",
    "destination_service_name",
    "destination_canonical_service",
    "canonical_service",
    "app",
    "workload",
    "destination_workload",
    "deployment",
)
_NAMESPACE_LABELS = (
    "namespace",
    "destination_service_namespace",
    "destination_workload_namespace",
    "kubernetes_namespace",
)


def attend(log: DecisionLog, context: TickContext, alerts: Iterable[Alert]) -> None:
    """Take in today's pending alerts, look, and answer."""
    pending = {alert.id: alert for alert in alerts}
    looking = {key: one for key, one in log.memory.looking.items() if key in pending}
    for key, one in log.memory.looking.items():
        if key not in pending:
            _tell(log, one.alert, one.service, "resolved", f"{one.alert.name} is over; Observer looks no further.")
    for key, alert in sorted(pending.items(), key=lambda item: (item[1].received, item[0])):
        if key not in looking and (begun := _begin(log, context, alert)) is not None:
            looking[key] = begun
    log.memory = replace(log.memory, looking=_unanswered(log, context, looking))


def wanted(looking: Mapping[str, PendingAlert]) -> frozenset[ServiceRef]:
    """Services whose callers are to be asked."""
    return frozenset(one.service for one in looking.values())


def target(alert: Alert, cluster: ClusterView) -> ServiceRef | None:
    """The service that an alert speaks of: by the pod it names, else by a service's or workload's name."""
    labels = alert.labels
    namespace = next((labels[name] for name in _NAMESPACE_LABELS if labels.get(name)), "")
    for name in _POD_LABELS:
        ref = cluster.by_name.get((namespace, labels.get(name, "")))
        if ref is not None:
            return cluster.pods[ref].service
    for name in _SERVICE_LABELS:
        found = ServiceRef(namespace, labels.get(name, ""))
        if found in cluster.by_service:
            return found
        for workload, refs in cluster.by_workload.items():
            if (workload.namespace, workload.name) == (namespace, labels.get(name, "")) and refs:
                return cluster.pods[refs[0]].service
    return None


def _begin(log: DecisionLog, context: TickContext, alert: Alert) -> PendingAlert | None:
    service = target(alert, context.cluster)
    if service is None:
        text = (
            f"{alert.name} names no service, workload or pod of the mesh; its labels must carry namespace and service."
        )
        _tell(log, alert, None, "unknown_target", text)
        return None
    if not any(alert.name in policy.alerts for policy in _policies(log, context, service)):
        text = f"{alert.name} is not among the alerts that the policy of {service} lists: nothing is started by it."
        _tell(log, alert, service, "not_allowed", text)
        return None
    _tell(log, alert, service, "looking", f"{alert.name} fires for {service}: its pods and callers are looked at.")
    return PendingAlert(alert, service, log.at)


def _policies(log: DecisionLog, context: TickContext, service: ServiceRef) -> list[EffectivePolicy]:
    workloads = {context.cluster.pods[ref].workload for ref in context.cluster.by_service.get(service, ())}
    return [log.policy(workload) for workload in workloads if workload is not None]


def _unanswered(log: DecisionLog, context: TickContext, looking: Mapping[str, PendingAlert]) -> dict[str, PendingAlert]:
    found = {i.service: i for i in log.incidents() if i.service is not None}
    blamed = {one.service: one for one in context.judgement.suppressions if one.blamed is not None}
    left = {}
    for key, one in looking.items():
        if (incident := found.get(one.service)) is not None:
            text = f"{one.alert.name}: {incident.culprit} stands out; see incident {incident.id}."
            _tell(log, one.alert, one.service, "found", text, incident=incident.id)
        elif (suppression := blamed.get(one.service)) is not None:
            text = f"{one.alert.name}: nobody behind {one.service} is to blame, but {suppression.blamed}."
            _tell(log, one.alert, one.service, "found", text)
        elif log.at - one.since >= LOOK_SECONDS:
            waited = log.at - one.since
            text = f"{one.alert.name}: after {waited:.0f} s no pod, revision or node of {one.service} stands out."
            _tell(log, one.alert, one.service, "nobody", text)
        else:
            left[key] = one
    return left


def _tell(
    log: DecisionLog, alert: Alert, service: ServiceRef | None, reason: str, text: str, *, incident: str = ""
) -> None:
    log.announce(
        f"alert {alert.id}",
        "alert",
        reason,
        text,
        severity="info",
        service=service,
        figures={"alert": alert.id, "alertname": alert.name, "found": incident or None},
    )
    if reason in ANSWERS:
        log.forget(f"alert {alert.id}", "alert")
