"""What the judges found, weighed by the policy of each culprit's workload."""

from __future__ import annotations

from dataclasses import replace

from observer.domain.policy import PolicyBook
from observer.domain.settings import EngineSettings
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Judgement, Suspect
from observer.engine.impact import impact


def weigh(judgement: Judgement, snapshot: Snapshot, book: PolicyBook, settings: EngineSettings) -> Judgement:
    """The judgement with the impact gate of each pod's own policy; unchanged where the settings' gate holds."""
    if not book.applied or snapshot.cluster is None:
        return judgement

    def weighed(suspect: Suspect) -> Suspect:
        ref = suspect.culprit.pod
        pod = snapshot.cluster.pods.get(ref) if snapshot.cluster is not None and ref is not None else None
        gate = book.of(pod.workload, settings).impact if pod is not None else settings.impact
        if gate == settings.impact:
            return suspect
        hurts, why = impact(suspect.evidence, gate)
        return replace(suspect, impact=hurts, impact_reason=why)

    return replace(judgement, suspects=tuple(weighed(one) for one in judgement.suspects))
