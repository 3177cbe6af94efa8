"""May anything be written at all, and is what we know fresh enough to act on?"""

from __future__ import annotations

from observer.domain import names
from observer.domain.cluster import ResourceKind
from observer.domain.decision import Allowed, Blocked
from observer.domain.reasons import GuardName, Reason
from observer.engine.guards.context import GuardContext


def kill_switch(context: GuardContext) -> Allowed | Blocked:
    """Somebody paused Observer, or the switch cannot be read."""
    if context.control.paused:
        return Blocked(GuardName.KILL_SWITCH, Reason.PAUSED, context.control.reason or "paused")
    return Allowed(GuardName.KILL_SWITCH)


def leader(context: GuardContext) -> Allowed | Blocked:
    """Only the holder of the Lease acts."""
    if not context.control.leader:
        return Blocked(
            GuardName.LEADER, Reason.NOT_LEADER, "the Lease is held by another Observer or cannot be renewed"
        )
    return Allowed(GuardName.LEADER)


def namespace_enabled(context: GuardContext) -> Allowed | Blocked:
    """Acts only in namespaces labelled for it."""
    namespace = context.pod.ref.namespace
    if not context.cluster.acts_in(namespace):
        detail = f"namespace {namespace} lacks the label {names.NAMESPACE_ENABLED}=true"
        return Blocked(GuardName.NAMESPACE_ENABLED, Reason.NAMESPACE_NOT_ENABLED, detail, refused=True)
    return Allowed(GuardName.NAMESPACE_ENABLED)


def sources(context: GuardContext) -> Allowed | Blocked:
    """The metric source saw this tick in full, and every kind of Kubernetes object we decide by is fresh."""
    if not context.judgement.complete:
        return Blocked(
            GuardName.SOURCES, Reason.METRICS_INCOMPLETE, "this tick lacks fresh counters of at least 90 % of the pods"
        )
    limit = context.settings.guards.kubernetes_stale
    ages = {kind: context.at - context.cluster.fresh[kind] for kind in ResourceKind if kind in context.cluster.fresh}
    missing = [kind.value for kind in ResourceKind if kind not in ages]
    if missing:
        return Blocked(GuardName.SOURCES, Reason.KUBERNETES_NOT_SYNCED, f"never listed: {', '.join(missing)}")
    old = [f"{kind.value} {age:.0f} s" for kind, age in ages.items() if age > limit]
    if old:
        return Blocked(GuardName.SOURCES, Reason.KUBERNETES_STALE, f"older than {limit:g} s: {', '.join(old)}")
    return Allowed(GuardName.SOURCES)


def deferred(context: GuardContext) -> Allowed | Blocked:
    """The API server asked us to come back later."""
    until = context.memory.not_before.get(context.incident.id, 0.0)
    if context.at < until:
        return Blocked(
            GuardName.DEFERRED, Reason.DEFERRED, f"the API server asked to wait {until - context.at:.0f} s more"
        )
    return Allowed(GuardName.DEFERRED)
