"""
The impact gate: does the culprit's own excess affect users enough to act?

With an objective: does that excess, gone on for the whole budget window, overdraw the budget? The suspect has ``share``
of the service's requests and fails ``p1`` of them where its peers fail ``p0``. Of the service's events its excess is
``share * (p1 - p0)``; over any window that is ``share * (p1 - p0) / allowed`` budgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from observer.domain.policy import EffectivePolicies
from observer.domain.settings import ImpactSettings
from observer.domain.slo import DataState, Objective, ObjectiveStatus, Preset, RatioSli
from observer.domain.snapshot import Snapshot
from observer.domain.suspect import Evidence, Judgement, Suspect, Symptom
from observer.engine.messages.wording import percent

ENOUGH: Final = 1.0
"""Budgets that the excess must overdraw."""
_KNOWN: Final = frozenset({DataState.OK, DataState.NEW})
_ERRORS: Final = frozenset({Preset.ISTIO_AVAILABILITY, Preset.ISTIO_GRPC_AVAILABILITY})


def excess_burn(evidence: Evidence, objective: Objective) -> float:
    """Budgets that the suspect's excess alone would use up in each budget window."""
    return evidence.share * max(evidence.bad_rate - evidence.peer_bad_rate, 0.0) / objective.allowed


def projected_burn(
    evidence: Evidence, objective: Objective, state: DataState, *, rate: float = 0.0
) -> tuple[bool, str]:
    """
    Whether the suspect's own excess overdraws this objective's budget, and why in words.

    ``rate`` (the service's events a second) only makes the text plainer. In any state but OK and NEW the answer is
    no: what is not known never lets anybody be drained. A NEW objective is known, only younger than its windows, and
    the projection needs none of them: the suspect's excess is what the detectors counted.
    """
    name = objective.display or objective.slo
    if state not in _KNOWN:
        return False, f"objective {name} is {state.value}: on unknown data no pod is drained"
    burn = excess_burn(evidence, objective)
    lost = f", {rate * burn * objective.allowed:.3g} events a second" if rate > 0 else ""
    text = (
        f"its own excess ({percent(evidence.bad_rate)} against {percent(evidence.peer_bad_rate)} on "
        f"{percent(evidence.share)} of the requests{lost}) burns {burn:.2f} times the budget of objective {name}"
    )
    return burn > ENOUGH, text


def objective_impact(evidence: Evidence, statuses: Sequence[ObjectiveStatus]) -> tuple[bool, str] | None:
    """
    The answer of all of the service's objectives that speak of the same symptom; None when none does.

    One that is overdrawn is enough. An objective that is not known takes no part, but does not bring back the gate
    without objectives either.
    """
    answers = [
        projected_burn(evidence, status.objective, status.state, rate=status.rate)
        for status in statuses
        if speaks_of(status.objective, evidence)
    ]
    if not answers or evidence.symptom is Symptom.UNREACHED:
        return None
    return next((answer for answer in answers if answer[0]), answers[0])


def speaks_of(objective: Objective, evidence: Evidence) -> bool:
    """
    Whether what the evidence calls bad is bad for the objective too.

    Slower than the evidence's cut is slower than the objective's only when the objective's bound is not higher.
    """
    slow = objective.cut_ms > 0 or objective.preset is Preset.ISTIO_LATENCY
    if evidence.symptom is Symptom.LATENCY:
        return slow and evidence.cut is not None and objective.cut_ms <= evidence.cut
    if slow or not isinstance(objective.sli, RatioSli):
        return False
    if objective.preset is not None:
        return objective.preset in _ERRORS
    queries = (objective.sli.good, objective.sli.bad, objective.sli.total)
    return objective.sli.counter and not any(query is not None and "_bucket" in query.expr for query in queries)


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
        return False, "it is not known which pod the lost requests were meant for"
    rate, usual = evidence.bad_rate, evidence.peer_bad_rate
    hurts = rate - usual >= settings.error_rate and rate >= settings.error_ratio * usual
    return hurts, f"it fails {percent(rate)} of its requests, its peers {percent(usual)}"


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
