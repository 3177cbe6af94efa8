"""The only entry of a tick: judge the snapshot, then conclude. Pure; the same input gives the same decisions."""

from __future__ import annotations

from dataclasses import replace

from observer.domain.decision import Decision
from observer.domain.policy import NO_POLICIES, EffectivePolicies
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.engine.detect.held import OpenActions
from observer.engine.detect.judge import judge
from observer.engine.detect.tiers import tier_scores
from observer.engine.memory import DRAIN_PHASES, Memory
from observer.engine.remediation.conclude import conclude
from observer.engine.remediation.outcomes import settle
from observer.engine.ruled import weigh

__all__ = ["decide", "in_progress", "settle"]


def decide(
    snapshot: Snapshot, memory: Memory, settings: EngineSettings, policies: EffectivePolicies = NO_POLICIES
) -> tuple[Memory, tuple[Decision, ...]]:
    """
    Judge one snapshot and decide.

    ``policies`` holds the policy of each workload; where it says nothing the settings do. Detection, the budgets of the
    whole cluster and the breaker are the settings' alone.

    Returns the next memory and the decisions of this tick, each with its evidence; those with verdict ACT carry an
    ``Action``. Whoever carries them out answers each with ``settle`` before the next call.
    """
    detector, judgement = judge(memory.detector, snapshot, settings, in_progress(memory))
    ruled = weigh(judgement, snapshot, policies)
    return conclude(snapshot, ruled, replace(memory, detector=detector), settings, tier_scores(settings), policies)


def in_progress(memory: Memory) -> OpenActions:
    """What the judges must know of the ladder: whose silence is ours, and whose series may have changed names."""
    standing = memory.open_incidents()
    return OpenActions(
        drained=frozenset(i.culprit.pod for i in standing if i.phase in DRAIN_PHASES and i.culprit.pod is not None),
        label_writes=memory.label_writes,
        cleared=memory.cleared,
        services=frozenset(i.service for i in standing if i.service is not None),
    )
