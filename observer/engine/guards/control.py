"""May anything be written at all, and is what we know fresh enough to act on?"""

from __future__ import annotations

from observer.domain import names
from observer.domain.cluster import Kind
from observer.domain.decision import Allow, Hold
from observer.engine.guards.situation import Situation


def kill_switch(now: Situation) -> Allow | Hold:
    """Somebody paused Observer, or the switch cannot be read."""
    if now.control.paused:
        return Hold("kill_switch", "paused", now.control.reason or "paused")
    return Allow("kill_switch")


def leader(now: Situation) -> Allow | Hold:
    """Only the holder of the Lease acts."""
    if not now.control.leader:
        return Hold("leader", "not_leader", "the Lease is held by another Observer or cannot be renewed")
    return Allow("leader")


def namespace_enabled(now: Situation) -> Allow | Hold:
    """Acts only in namespaces labelled for it."""
    namespace = now.pod.ref.namespace
    if not now.cluster.acts_in(namespace):
        detail = f"namespace {namespace} lacks the label {names.NAMESPACE_ENABLED}=true"
        return Hold("namespace_enabled", "namespace_not_enabled", detail, refused=True)
    return Allow("namespace_enabled")


def sources(now: Situation) -> Allow | Hold:
    """The metric source saw this tick in full, and every kind of Kubernetes object we decide by is fresh."""
    if not now.judgement.complete:
        return Hold("sources", "metrics_incomplete", "this tick lacks fresh counters of at least 90 % of the pods")
    limit = now.settings.guards.kubernetes_stale
    ages = {kind: now.at - now.cluster.fresh[kind] for kind in Kind if kind in now.cluster.fresh}
    missing = [kind.value for kind in Kind if kind not in ages]
    if missing:
        return Hold("sources", "kubernetes_not_synced", f"never listed: {', '.join(missing)}")
    old = [f"{kind.value} {age:.0f} s" for kind, age in ages.items() if age > limit]
    if old:
        return Hold("sources", "kubernetes_stale", f"older than {limit:g} s: {', '.join(old)}")
    return Allow("sources")


def deferred(now: Situation) -> Allow | Hold:
    """The API server asked us to come back later."""
    until = now.memory.not_before.get(now.incident.id, 0.0)
    if now.at < until:
        return Hold("deferred", "deferred", f"the API server asked to wait {until - now.at:.0f} s more")
    return Allow("deferred")
