"""
The impact gate with an objective: does the suspect's own excess, gone on for the whole budget window, overdraw it?

The suspect has ``share`` of the service's requests and fails ``p1`` of them where its peers fail ``p0``. Of the
service's events its excess is ``share * (p1 - p0)``; over any window that is ``share * (p1 - p0) / allowed`` budgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from observer.domain.slo import DataState, Objective, ObjectiveStatus, Preset, RatioSli
from observer.domain.suspect import Evidence, Symptom

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
        return False, f"objective {name} is {state.value}: what is not known lets nobody be drained"
    burn = excess_burn(evidence, objective)
    lost = f", {rate * burn * objective.allowed:.3g} events a second" if rate > 0 else ""
    text = (
        f"its own excess ({100 * evidence.bad_rate:.2f} % against {100 * evidence.peer_bad_rate:.2f} % on "
        f"{100 * evidence.share:.0f} % of the requests{lost}) burns {burn:.2f} times the budget of objective {name}"
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
