"""EVICT: have a pod replaced, through the Eviction API only; its disruption budget has the last word."""

from __future__ import annotations

from observer.actions.model import CEL_ENABLED, ActionSpec, Effect, Fence, Rule
from observer.domain import names
from observer.domain.action import Action, ActionKind
from observer.domain.suspect import Tier


def diff(action: Action, _seconds: float) -> tuple[str, ...]:
    return (f"- {action.target.title}, through the Eviction API; its owner makes another",)


SPEC = ActionSpec(
    kind=ActionKind.EVICT,
    summary="Has the pod replaced through the Eviction API.",
    done="evicted",
    doing="Evicting",
    noun="eviction",
    harmful=True,
    reversible=False,
    tier=Tier.EVICT,
    effect=Effect.REPLACEMENT,
    first=True,
    keeps_evidence=True,
    diff=diff,
    event="Evicted",
    verb="Evict",
    role="evict",
    rules=(Rule("", ("pods/eviction",), ("create",)),),
    fences=(Fence(CEL_ENABLED, f"Observer evicts only in namespaces labelled {names.NAMESPACE_ENABLED}=true"),),
)
