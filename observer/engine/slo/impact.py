"""The impact gate: does the culprit's own excess hurt users enough to act?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from observer.domain.policy import EffectivePolicies
from observer.domain.settings import ImpactSettings
from observer.domain.slo import ObjectiveStatus
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Evidence, Judgement, Suspect, Symptom
from observer.engine.slo.projection import objective_impact


def impact(
    evidence: Evidence, settings: ImpactSettings, objectives: Sequence[ObjectiveStatus] = ()
) -> tuple[bool, str]:
    """
    Whether a drain is worth it, and why in words.

    With an objective for the symptom, its budget must be overdrawn by the culprit's own excess. Without one, errors:
    the excess over the siblings' rate is at least ``error_rate`` of the culprit's requests and its rate at least
    ``error_ratio`` times theirs; latency: the median at least ``latency_ratio`` times theirs and
    ``latency_excess_ms`` more. A certain but harmless oddity is told, not replaced.
    """
    if (answer := objective_impact(evidence, objectives)) is not None:
        return answer
    if evidence.symptom is Symptom.LATENCY:
        ratio, excess = evidence.latency_ratio, evidence.latency_excess_ms
        text = f"its median is {ratio:.1f} times its peers' and {excess:.0f} ms more"
        return ratio >= settings.latency_ratio and excess >= settings.latency_excess_ms, text
    if evidence.symptom is Symptom.UNREACHED:
        return False, "nobody can tell which pod the lost requests were meant for"
    rate, usual = evidence.bad_rate, evidence.peer_bad_rate
    hurts = rate - usual >= settings.error_rate and rate >= settings.error_ratio * usual
    return hurts, f"it fails {100.0 * rate:.2f} % of its requests, its peers {100.0 * usual:.2f} %"


def weigh(judgement: Judgement, snapshot: Snapshot, policies: EffectivePolicies) -> Judgement:
    """
    The judgement with the impact gate of each pod's own policy; unchanged where no policy reaches the pod.

    A policy that names objectives is judged by these alone; one that names none by its ``impact``.
    """
    cluster = snapshot.cluster
    if not policies.applied or cluster is None:
        return judgement

    def weighed(suspect: Suspect) -> Suspect:
        pod = cluster.pods.get(suspect.culprit.pod) if suspect.culprit.pod is not None else None
        policy = policies.applied.get(pod.workload) if pod is not None and pod.workload is not None else None
        if pod is None or policy is None:
            return suspect
        statuses = snapshot.objectives.get(pod.service, ())
        named = [status for status in statuses if status.objective.slo in policy.objectives]
        hurts, why = impact(suspect.evidence, policy.impact, named)
        return replace(suspect, impact=hurts, impact_reason=why)

    return replace(judgement, suspects=tuple(weighed(suspect) for suspect in judgement.suspects))
