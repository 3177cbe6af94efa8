"""
Did an eviction hurt anybody else? Peers and callers since the act, against what they were before it.

A replacement may be fine while its peers break under what they had to carry, or callers under what they lost. Both
are compared by their bad rates: errors for peers always, and what the suspicion was about for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from observer.domain.incident import Incident
from observer.domain.reasons import Reason
from observer.domain.settings import ImpactSettings
from observer.engine.context import TickContext
from observer.engine.memory import Baseline
from observer.engine.messages import decisions as say
from observer.engine.remediation.drain_experiment import TINY, bad_of, kullback

CLEAR: Final = 9.0
"""Evidence: some hundred looks at a handful of rates, and a twentieth of a false word about all of them."""
ENOUGH: Final = 100.0
"""Requests on either side below which nothing is compared."""
RATIO: Final = 2.0
CREATION_SLACK: Final = 2.0
"""Seconds: creation times are whole seconds of another clock."""
_SLOWER: Final = 0.1
"""Part of the requests that must be slower than the cut, beyond what was."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    One group's requests and bad ones before and since the act.

    ``who`` is ``peers`` or ``callers``, ``what`` says what they do; ``excess`` is the least growth of the rate.
    """

    who: str
    what: str
    before: float
    bad_before: float
    since: float
    bad_since: float
    excess: float

    @property
    def rates(self) -> tuple[float, float]:
        """Before and since, 0..1."""
        return _rate(self.bad_before, self.before), _rate(self.bad_since, self.since)

    @property
    def enough(self) -> bool:
        return self.before >= ENOUGH and self.since >= ENOUGH

    def worse(self, dispersion: float) -> bool:
        """Clearly worse: twice as bad and ``excess`` more, with ``CLEAR`` evidence over the overdispersion."""
        before, since = self.rates
        if not self.enough or since < RATIO * before or since < before + self.excess:
            return False
        both = _inside(_rate(self.bad_before + self.bad_since, self.before + self.since))
        surprise = self.before * kullback(before, both) + self.since * kullback(since, both)
        return surprise / max(dispersion, 1.0) >= CLEAR

    def __str__(self) -> str:
        before, since = self.rates
        return say.worse_elsewhere(self.who, self.what, (since, self.since), (before, self.before))


def observed(baseline: Baseline, incident: Incident, context: TickContext) -> Baseline:
    """
    With this tick's counts of peers and callers since the act.

    A tick in which the service is known to pass on another's errors is nobody's fault here and is left out.
    """
    if incident.service is None or _inherits(incident, context):
        return baseline
    replacement = incident.check.replacement if incident.check is not None else None
    evicted = incident.check.evicted if incident.check is not None else 0.0
    requests = errors = bad = 0.0
    for ref in context.cluster.by_service.get(incident.service, ()):
        pod, tally = context.cluster.pods.get(ref), context.tally(ref)
        if pod is None or tally is None or ref in (replacement, incident.culprit.pod):
            continue
        if pod.created >= evicted - CREATION_SLACK:
            continue  # newcomers warm up: they were no peers before
        requests, errors, bad = requests + tally.requests, errors + tally.errors, bad + bad_of(tally, incident.cut)
    callers = context.judgement.callers.get(incident.service)
    calls, lost = (callers.requests, bad_of(callers, incident.cut)) if callers is not None else (0.0, 0.0)
    peers, before = baseline.peers_since, baseline.callers_since
    return replace(
        baseline,
        peers_since=(peers[0] + requests, peers[1] + errors, peers[2] + bad),
        callers_since=(before[0] + calls, before[1] + lost),
    )


def compared(baseline: Baseline, incident: Incident, impact: ImpactSettings) -> Iterator[Comparison]:
    """Everything that can be compared; what was not counted before the act is not in it."""
    requests, errors, bad = baseline.peers_since
    before, failed = baseline.peer_requests, baseline.peer_errors
    if before < ENOUGH and incident.cut < 0 and incident.share > 0.0:
        # Suspected for a moment only: what the suspicion compared with is a past too.
        before = incident.requests * (1.0 - incident.share) / incident.share
        failed = incident.p0 * before
    yield Comparison("peers", "fail", before, failed, requests, errors, impact.error_rate)
    what, excess = ("fail", impact.error_rate) if incident.cut < 0 else ("are slow in", _SLOWER)
    if 0 <= incident.cut < len(baseline.peer_slow):
        slow = baseline.peer_slow[incident.cut]
        yield Comparison("peers", what, baseline.peer_requests, slow, requests, bad, excess)
    calls, lost = baseline.callers_since
    verb = "lose" if incident.cut < 0 else "wait in"
    yield Comparison("callers", verb, baseline.requests, baseline.bad, calls, lost, excess)


def side_effect(baseline: Baseline, incident: Incident, impact: ImpactSettings) -> Comparison | None:
    """The clear deterioration of somebody else since the act, None when there is none or nothing can be told."""
    worse = (group for group in compared(baseline, incident, impact) if group.worse(baseline.dispersion))
    return next(worse, None)


def waits(baseline: Baseline, incident: Incident, impact: ImpactSettings) -> bool:
    """Whether somebody was known before the act and has had too few requests since to be compared."""
    return any(group.before >= ENOUGH > group.since for group in compared(baseline, incident, impact))


def figures(baseline: Baseline, incident: Incident, impact: ImpactSettings) -> dict[str, float | str | bool | None]:
    """Bad rates before and since by whom, of those that could be compared."""
    rates: dict[str, float | str | bool | None] = {}
    for group in compared(baseline, incident, impact):
        if group.enough:
            name = f"slow_{group.who}" if group.what == "are slow in" else group.who
            rates[f"{name}_before"], rates[f"{name}_since"] = (round(rate, 5) for rate in group.rates)
    return rates


def _inherits(incident: Incident, context: TickContext) -> bool:
    suppressions = context.judgement.suppressions
    return any(entry.service == incident.service and entry.reason == Reason.INHERITED for entry in suppressions)


def _rate(bad: float, requests: float) -> float:
    return min(bad / requests, 1.0) if requests > 0.0 else 0.0


def _inside(rate: float) -> float:
    return min(max(rate, TINY), 1.0 - TINY)
