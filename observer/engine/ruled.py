"""What the judges found, weighed by the policy of each culprit's workload."""

from __future__ import annotations

from dataclasses import replace

from observer.domain.policy import EffectivePolicies
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Judgement, Suspect
from observer.engine.slo.impact import impact


def weigh(judgement: Judgement, snapshot: Snapshot, policies: EffectivePolicies) -> Judgement:
    """
    The judgement with the impact gate of each pod's own policy; unchanged where no policy reaches the pod.

    A policy that names objectives is judged by these alone; one that names none by its ``impact``.
    """
    if not policies.applied or snapshot.cluster is None:
        return judgement

    def weighed(suspect: Suspect) -> Suspect:
        ref = suspect.culprit.pod
        pod = snapshot.cluster.pods.get(ref) if snapshot.cluster is not None and ref is not None else None
        policy = policies.applied.get(pod.workload) if pod is not None and pod.workload is not None else None
        if pod is None or policy is None:
            return suspect
        known = snapshot.objectives.get(pod.service, ())
        named = [one for one in known if one.objective.slo in policy.objectives]
        hurts, why = impact(suspect.evidence, policy.impact, named)
        return replace(suspect, impact=hurts, impact_reason=why)

    return replace(judgement, suspects=tuple(weighed(one) for one in judgement.suspects))
