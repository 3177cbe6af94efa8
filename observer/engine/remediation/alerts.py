"""
Alerts of others ask Observer to look; what it finds is found by its own evidence or not at all.

An alert that a policy allows has the callers' view and the last minutes of its service asked for until something stands
out, somebody says it is over, or enough was seen to answer "nobody".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from observer.domain.alert import Alert, PendingAlert
from observer.domain.cluster import ClusterView
from observer.domain.ids import ServiceRef
from observer.domain.kinds import Kind
from observer.domain.policy import EffectivePolicy
from observer.domain.reasons import Reason
from observer.domain.severities import Severity
from observer.engine.context import TickContext
from observer.engine.messages.announcements import answer_to_alert
from observer.engine.remediation.decision_log import DecisionLog

LOOK_SECONDS: Final = 300.0
"""So long an alert is looked into before the answer is "nobody stands out"."""
ANSWERS: Final = frozenset(
    {Reason.FOUND, Reason.NOTHING_FOUND, Reason.NOT_ALLOWED, Reason.UNKNOWN_TARGET, Reason.RESOLVED}
)
"""Reasons of decisions of kind ``alert`` after which nothing more is done about it."""
_POD_LABELS: Final = ("pod", "pod_name", "kubernetes_pod_name")
_SERVICE_LABELS: Final = (
    "service",
    "destination_service_name",
    "destination_canonical_service",
    "canonical_service",
    "app",
    "workload",
    "destination_workload",
    "deployment",
)
_NAMESPACE_LABELS: Final = (
    "namespace",
    "destination_service_namespace",
    "destination_workload_namespace",
    "kubernetes_namespace",
)


def attend(log: DecisionLog, context: TickContext) -> DecisionLog:
    """Take in today's pending alerts, look, and answer."""
    pending = {alert.id: alert for alert in context.snapshot.alerts}
    before = log.memory.looking
    looking = {key: looked_at for key, looked_at in before.items() if key in pending}
    for key, over in before.items():
        if key not in pending:
            log = _publish(log, over.alert, over.service, Reason.RESOLVED)
    for key, alert in sorted(pending.items(), key=lambda item: (item[1].received, item[0])):
        if key in looking:
            continue
        service = target(alert, context.cluster)
        reason = _first_answer(log, context, alert, service)
        log = _publish(log, alert, service, reason)
        if reason == Reason.LOOKING and service is not None:
            looking[key] = PendingAlert(alert, service, log.at)
    return _answer(log, context, looking)


def services_of(looking: Mapping[str, PendingAlert]) -> frozenset[ServiceRef]:
    """Services whose callers are to be asked."""
    return frozenset(looked_at.service for looked_at in looking.values())


def target(alert: Alert, cluster: ClusterView) -> ServiceRef | None:
    """The service that an alert speaks of: by the pod it names, else by a service's or workload's name."""
    labels = alert.labels
    namespace = next((labels[name] for name in _NAMESPACE_LABELS if labels.get(name)), "")
    for name in _POD_LABELS:
        ref = cluster.by_name.get((namespace, labels.get(name, "")))
        if ref is not None:
            return cluster.pods[ref].service
    for name in _SERVICE_LABELS:
        service = ServiceRef(namespace, labels.get(name, ""))
        if service in cluster.by_service:
            return service
        for workload, refs in cluster.by_workload.items():
            if (workload.namespace, workload.name) == (namespace, labels.get(name, "")) and refs:
                return cluster.pods[refs[0]].service
    return None


def _first_answer(log: DecisionLog, context: TickContext, alert: Alert, service: ServiceRef | None) -> str:
    """Reason of the first word about an alert."""
    if service is None:
        return Reason.UNKNOWN_TARGET
    allowed = any(alert.name in policy.alerts for policy in _policies(log, context, service))
    return Reason.LOOKING if allowed else Reason.NOT_ALLOWED


def _policies(log: DecisionLog, context: TickContext, service: ServiceRef) -> list[EffectivePolicy]:
    workloads = {context.cluster.pods[ref].workload for ref in context.cluster.by_service.get(service, ())}
    return [log.policy(workload) for workload in workloads if workload is not None]


def _answer(log: DecisionLog, context: TickContext, looking: Mapping[str, PendingAlert]) -> DecisionLog:
    """Answer what can be answered, and go on looking into the rest."""
    incidents = {incident.service: incident for incident in log.incidents() if incident.service is not None}
    inherited = {entry.service: entry for entry in context.judgement.suppressions if entry.cause is not None}
    left = {}
    for key, looked_at in looking.items():
        alert, service, waited = looked_at.alert, looked_at.service, log.at - looked_at.since
        if (incident := incidents.get(service)) is not None:
            log = _publish(log, alert, service, Reason.FOUND, found=str(incident.culprit), incident=incident.id)
        elif (suppression := inherited.get(service)) is not None:
            log = _publish(log, alert, service, Reason.FOUND, found=str(suppression.cause))
        elif waited >= LOOK_SECONDS:
            log = _publish(log, alert, service, Reason.NOTHING_FOUND, seconds=waited)
        else:
            left[key] = looked_at
    return log.look_into(left)


def _publish(
    log: DecisionLog,
    alert: Alert,
    service: ServiceRef | None,
    reason: str,
    *,
    found: str = "",
    incident: str = "",
    seconds: float = 0.0,
) -> DecisionLog:
    subject = f"alert {alert.id}"
    answer = "inherited" if found and not incident else reason
    text = answer_to_alert(answer, alert.name, service, found=found, incident=incident, seconds=seconds)
    figures = {"alert": alert.id, "alertname": alert.name, "found": incident or None}
    log = log.announce(subject, Kind.ALERT, reason, text, severity=Severity.INFO, service=service, figures=figures)
    return log.forget(subject, Kind.ALERT) if reason in ANSWERS else log
