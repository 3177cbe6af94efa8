"""
Many suspects in one tick: decided with reasons, within the budgets.

One pod of every service falls sick at once in a world where nobody may act (mode shadow), until all are certain;
then the next tick is decided in mode enforce. What it costs is that one tick.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace

from observer.domain.action import ActionKind, Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.settings import EngineSettings
from observer.engine.decide import decide
from observer.engine.memory import Memory
from tests.bench.world import REGIMES, Fault, World

SERVICES = 500
SIZE = 10
SINCE = 60
UNTIL = 180


@dataclass(frozen=True)
class Suspects:
    """
    One tick.

    Attributes:
        suspects: incidents that stand at the drain tier. answered: those with a verdict and a reason in this tick.
        acts: decided. over_budget: budgets that the acts exceed. reasons: how often each brake spoke.
        seconds: CPU of the tick.
    """

    suspects: int
    answered: int
    acts: int
    over_budget: tuple[str, ...]
    reasons: dict[str, int]
    seconds: float


def measure(*, seed: int, services: int = SERVICES) -> Suspects:
    """One sick pod in each of ``services`` services, all found, then one tick in which Observer may act."""
    world = World(REGIMES[0], services, size=SIZE, latency=False, seed=seed, fault=Fault(SINCE, 0.5))
    settings = replace(EngineSettings(), tick=float(world.tick))
    memory, spent = Memory(), 0.0
    decisions: tuple[Decision, ...] = ()
    for snapshot in world.stream(UNTIL):
        if world.seconds == UNTIL:
            # What was held or told in shadow is told anew, so that the tick pays for all of its texts.
            settings = replace(settings, mode=Mode.ENFORCE)
            memory = replace(memory, published={})
        began = time.process_time()
        memory, decisions = decide(snapshot, memory, settings)
        spent = time.process_time() - began
        world.asked, world.watched = memory.recheck, memory.watch
    open_ = {incident.id for incident in memory.open_incidents()}
    answered = {d.incident for d in decisions if d.verdict in (Verdict.ACT, Verdict.BLOCKED) and d.reason}
    return Suspects(
        suspects=len(open_),
        answered=len(open_ & answered),
        acts=sum(d.verdict is Verdict.ACT for d in decisions),
        over_budget=_over_budget(decisions, settings),
        reasons=dict(Counter(hold.reason for d in decisions for hold in d.blocked_by).most_common()),
        seconds=spent,
    )


def row(found: Suspects) -> str:
    """One printed line."""
    most = ", ".join(f"{reason} {count}" for reason, count in list(found.reasons.items())[:4])
    return (
        f"{found.suspects} suspects at once: {found.answered} answered with reasons in {found.seconds:.2f} s CPU, "
        f"{found.acts} acts, budgets exceeded: {', '.join(found.over_budget) or 'none'} (held by {most} ...)"
    )


def _over_budget(decisions: tuple[Decision, ...], settings: EngineSettings) -> tuple[str, ...]:
    """Counted anew from what was decided, not asked of the brakes."""
    guards = settings.guards
    harm = [d for d in decisions if d.verdict is Verdict.ACT and d.action_kind in (ActionKind.DRAIN, ActionKind.EVICT)]
    spaces = Counter(d.pod.namespace for d in harm if d.pod is not None)
    owners = Counter(d.workload for d in harm)
    found = []
    if len(harm) > guards.cluster_actions:
        found.append("cluster")
    if any(count > guards.namespace_actions for count in spaces.values()):
        found.append("namespace")
    if any(count > guards.in_flight_per_workload for count in owners.values()):
        found.append("workload")
    return tuple(found)
