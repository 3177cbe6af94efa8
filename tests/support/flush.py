"""An action that no release knows, on a target of a kind of its own: its one file, and whoever carries it out."""

from __future__ import annotations

from dataclasses import dataclass, field

from observer.actions.model import CEL_ENABLED, ActionSpec, Effect, Fence, Rule
from observer.domain.action import Action, ActionKind
from observer.domain.cluster import Pod
from observer.domain.ids import Target, TargetKind
from observer.domain.incident import Incident
from observer.domain.outcome import Outcome, Result
from observer.domain.suspect import Tier


def cache_of(_incident: Incident, pod: Pod) -> Target:
    """The cache beside the pod."""
    return Target(TargetKind("cache"), pod.ref.namespace, f"{pod.ref.name}-cache", f"cache-{pod.ref.uid}")


def diff(action: Action, _seconds: float) -> tuple[str, ...]:
    return (f"~ {action.target.title}", "- every entry")


KIND = ActionKind.register("flush")
ActionKind.forget(KIND)  # it counts while a test has registered it

SPEC = ActionSpec(
    kind=KIND,
    target=TargetKind("cache"),
    targets=cache_of,
    summary="Empties the cache beside the pod.",
    done="flushed",
    doing="Flushing",
    noun="flush",
    harmful=True,
    reversible=True,
    tier=Tier.DRAIN,
    effect=Effect.ENDED,
    first=True,
    diff=diff,
    event="Flushed",
    verb="Flush",
    role="flush",
    rules=(Rule("caches.example.dev", ("caches/flush",), ("create",)),),
    fences=(Fence(CEL_ENABLED, "Observer flushes only in namespaces labelled observer.dev/enabled=true"),),
)


@dataclass
class FlushActuator:
    """Implements ``ports.actuators.Actuator``; ``silent`` = the write gets no answer."""

    flushed: list[Target] = field(default_factory=list)

    async def apply(self, action: Action) -> Outcome:
        if not action.dry_run:
            self.flushed.append(action.target)
        return Outcome(action.id, Result.APPLIED, "applied")

    async def look_up(self, action: Action) -> Outcome:
        result = Result.APPLIED if action.target in self.flushed else Result.DEFERRED
        return Outcome(action.id, result, "applied" if result is Result.APPLIED else "not_applied")
