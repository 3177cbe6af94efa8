"""What the detectors found, as evidence: which services have trouble of their own, and who merely passes it on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from observer.domain.attribution import AttributionInputs, Measure
from observer.domain.ids import ServiceRef
from observer.domain.reasons import Reason
from observer.domain.suspect import Judgement, ServiceHealth, Suppression, Suspect, Symptom
from observer.engine.attribution.calls import Pair, flow, tops
from observer.engine.attribution.evidence import MOST, ServiceEvidence

_OWN_FAULT: Final = frozenset({Reason.WORKLOAD_FAILING, Reason.CORRELATED_FAILURE})
_SYMPTOMS: Final = {
    Measure.ERROR_RATE: ("errors", frozenset({Symptom.ERRORS, Symptom.UNREACHED})),
    Measure.LATENCY: ("latency", frozenset({Symptom.LATENCY})),
}


def unsuspected(judgement: Judgement | None, services: Iterable[ServiceRef]) -> frozenset[ServiceRef]:
    """
    Of these services those where the judges, who count every request, suspect nobody: a few traces do not know better.

    None without a judgement, or where it saw only a part of the pods.
    """
    if judgement is None or not judgement.complete:
        return frozenset()
    alike = {suppression.service for suppression in judgement.suppressions if suppression.reason in _OWN_FAULT}
    named = {suspect.culprit.service for suspect in judgement.suspects}
    named |= {member.service for suspect in judgement.suspects for member in suspect.also}
    return frozenset(
        service for service in services if service in alike or (service in judgement.services and service not in named)
    )


def judged_evidence(
    inputs: AttributionInputs, calls: frozenset[Pair], counted: frozenset[ServiceRef]
) -> list[ServiceEvidence]:
    """
    Evidence for each symptom that somebody is suspected of.

    ``calls``: who is known to call whom. Without them a service is a victim only where the detectors said so.
    ``counted``: services whose errors the ledger knows by caller; it tells their own errors from inherited ones better.
    """
    if inputs.judgement is None:
        return []
    target = inputs.target.measure if inputs.target is not None else None
    all_evidence = [
        _service_evidence(inputs.judgement, measure, calls, counted)
        for measure in _SYMPTOMS
        if target in {None, measure}
    ]
    return [service_evidence for service_evidence in all_evidence if service_evidence is not None]


def _service_evidence(
    judgement: Judgement, measure: Measure, calls: frozenset[Pair], counted: frozenset[ServiceRef]
) -> ServiceEvidence | None:
    word, symptoms = _SYMPTOMS[measure]
    if measure is not Measure.ERROR_RATE:
        counted = frozenset()
    troubles = _Troubles()
    for suspect in judgement.suspects:
        service = suspect.culprit.service
        if suspect.evidence.symptom in symptoms and service is not None and service not in counted:
            troubles.suspected(suspect, service)
    for suppression in judgement.suppressions if measure is Measure.ERROR_RATE else ():
        if suppression.service not in counted:
            troubles.suppressed(suppression, judgement.services.get(suppression.service))
    own, passed = troubles.own, troubles.passed
    own.update({callee: 1.0 for _, callee in passed if not own[callee]})
    _inherit(own, passed, calls)
    amounts = {
        service: own.get(service, 0.0) + sum(amount for (caller, _), amount in passed.items() if caller == service)
        for service in sorted(set(own) | {caller for caller, _ in passed})
    }
    stay = flow(tops(amounts, {callee for caller, callee in passed if caller != callee}), own, passed)
    if not stay.services:
        return None
    onset = min(troubles.onsets, default=None)
    return ServiceEvidence(
        word, troubles.score, stay.services, texts=troubles.texts, inherited=stay.inherited, onset=onset
    )


@dataclass(slots=True)
class _Troubles:
    """Bad requests that are a service's own, or that it got from another."""

    own: dict[ServiceRef, float] = field(default_factory=lambda: defaultdict(float))
    passed: dict[Pair, float] = field(default_factory=dict)
    texts: dict[ServiceRef, str] = field(default_factory=dict)
    onsets: list[float] = field(default_factory=list)
    score: float = 0.0

    def suspected(self, suspect: Suspect, service: ServiceRef) -> None:
        self.onsets.append(suspect.evidence.onset)
        self.score = max(self.score, min(suspect.evidence.score, MOST))
        origin = _inherited_from(suspect)
        if origin is not None and origin != service:
            self.passed[(service, origin)] = max(self.passed.get((service, origin), 0.0), _excess(suspect))
            return
        self.own[service] = max(self.own[service], _excess(suspect))
        self.texts.setdefault(service, f"{suspect.evidence.bad:.0f} bad of {suspect.evidence.requests:.0f} requests")

    def suppressed(self, suppression: Suppression, health: ServiceHealth | None) -> None:
        errors = max(health.errors if health is not None else 1.0, 1.0)
        origin = suppression.cause.service if suppression.cause is not None else None
        if suppression.reason == Reason.INHERITED and origin is not None and origin != suppression.service:
            self.passed[(suppression.service, origin)] = errors
            self.own[suppression.service] = 0.0
        elif suppression.reason in _OWN_FAULT:
            self.own[suppression.service] = max(self.own[suppression.service], errors)
            self.texts.setdefault(suppression.service, suppression.detail)
        else:
            return
        self.score = MOST


def _excess(suspect: Suspect) -> float:
    evidence = suspect.evidence
    return max(evidence.bad - evidence.peer_bad_rate * evidence.requests, 0.5)


def _inherited_from(suspect: Suspect) -> ServiceRef | None:
    """A suspect that only passes on what it got names whom it got it from first."""
    return suspect.also[0].service if suspect.ceiling_reason == Reason.INHERITED and suspect.also else None


def _inherit(own: dict[ServiceRef, float], passed: dict[Pair, float], calls: frozenset[Pair]) -> None:
    """What a troubled service's troubled callees answered wrongly is theirs, as far as it reaches."""
    before = dict(own)
    for caller, callee in sorted(calls):
        amount = before.get(callee, 0.0)
        if caller != callee and before.get(caller, 0.0) > 0.0 and amount > 0.0 and (caller, callee) not in passed:
            passed[(caller, callee)] = min(amount, before[caller])
            own[caller] = max(own[caller] - amount, 0.0)
