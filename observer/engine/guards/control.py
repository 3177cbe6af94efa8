"""May anything be written at all, and is what we know fresh enough to act on?"""

from __future__ import annotations

from observer.domain import names
from observer.domain.cluster import ResourceKind
from observer.domain.reasons import GuardName, Reason
from observer.engine.guards.context import GuardContext
from observer.engine.guards.guard import No, guard


@guard(
    GuardName.KILL_SWITCH,
    looks_at="the ConfigMap `observer-control`, read again before every write; unreadable counts as paused",
    setting="`observer pause` and `observer resume`, or the page",
    advice={Reason.PAUSED: "Ask whoever paused it (the detail says who and why); `observer resume` lets it act again."},
)
def kill_switch(context: GuardContext) -> No | None:
    """Somebody paused Observer, or the switch cannot be read."""
    return No(Reason.PAUSED, context.control.reason or "paused") if context.control.paused else None


@guard(
    GuardName.LEADER,
    looks_at="the Lease in Observer's namespace",
    setting="`lease` in the settings",
    advice={Reason.NOT_LEADER: "Nothing, while another replica leads; otherwise see why the Lease cannot be renewed."},
)
def leader(context: GuardContext) -> No | None:
    """Only the holder of the Lease acts."""
    if context.control.leader:
        return None
    return No(Reason.NOT_LEADER, "the Lease is held by another Observer or cannot be renewed")


@guard(
    GuardName.NAMESPACE_ENABLED,
    looks_at=f"the label `{names.NAMESPACE_ENABLED}` of the pod's namespace",
    setting=f"`kubectl label namespace NAME {names.NAMESPACE_ENABLED}=true`",
    advice={Reason.NAMESPACE_NOT_ENABLED: "Label the namespace once its owners want Observer to act there."},
)
def namespace_enabled(context: GuardContext) -> No | None:
    """Acts only in namespaces labelled for it."""
    namespace = context.pod.ref.namespace
    if context.cluster.acts_in(namespace):
        return None
    detail = f"namespace {namespace} lacks the label {names.NAMESPACE_ENABLED}=true"
    return No(Reason.NAMESPACE_NOT_ENABLED, detail, final=True)


@guard(
    GuardName.SOURCES,
    looks_at="the share of scraped pods with fresh counters (at least 90 %), and the age of each kind of object",
    setting="`guards.kubernetes_stale`",
    advice={
        Reason.METRICS_INCOMPLETE: "See `observer doctor`: targets that are down, or a scrape interval that changed.",
        Reason.KUBERNETES_NOT_SYNCED: "Wait for the first list; if it does not end, see the permissions in the log.",
        Reason.KUBERNETES_STALE: "See whether the API server answers watches; `observer doctor` names the kind.",
    },
)
def sources(context: GuardContext) -> No | None:
    """The metric source saw this tick in full, and every kind of Kubernetes object we decide by is fresh."""
    if not context.judgement.complete:
        return No(Reason.METRICS_INCOMPLETE, "this tick lacks fresh counters of at least 90 % of the pods")
    limit = context.settings.guards.kubernetes_stale
    fresh = context.cluster.fresh
    ages = {kind: context.at - fresh[kind] for kind in ResourceKind if kind in fresh}
    missing = [kind.value for kind in ResourceKind if kind not in ages]
    if missing:
        return No(Reason.KUBERNETES_NOT_SYNCED, f"never listed: {', '.join(missing)}")
    old = [f"{kind.value} {age:.0f} s" for kind, age in ages.items() if age > limit]
    return No(Reason.KUBERNETES_STALE, f"older than {limit:g} s: {', '.join(old)}") if old else None


@guard(
    GuardName.DEFERRED,
    looks_at="how long the API server asked to wait (`Retry-After`), or one tick",
    advice={
        Reason.DEFERRED: "Nothing: it is tried again by itself. The decision before this one says what was put off."
    },
)
def deferred(context: GuardContext) -> No | None:
    """The API server asked us to come back later."""
    until = context.memory.not_before.get(context.incident.id, 0.0)
    if context.at >= until:
        return None
    return No(Reason.DEFERRED, f"the API server asked to wait {until - context.at:.0f} s more")


GUARDS = (kill_switch, leader, namespace_enabled, sources, deferred)
