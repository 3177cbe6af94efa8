"""
Did an eviction hurt anybody else? Siblings and callers since the act, against what they were before it.

A replacement may be fine while its siblings break under what they had to carry, or callers under what they lost. Both
are compared by their bad rates: errors for siblings always, and what the suspicion was about for both.
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
from observer.engine.messages.decisions import percent
from observer.engine.remediation.drain_experiment import TINY, bad_of, kullback
from observer.engine.remediation.verify import CREATION_SLACK

CLEAR: Final = 9.0
"""Nats of surprise: some hundred looks at a handful of rates, and a twentieth of a false word about all of them."""
ENOUGH: Final = 100.0
"""Requests on either side below which nothing is compared."""
RATIO: Final = 2.0
_SLOWER: Final = 0.1
"""Part of the requests that must be slower than the cut, beyond what was."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One group's requests and bad ones before and since the act; ``excess`` is the least growth of the rate."""

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
        """Clearly worse: twice as bad and ``excess`` more, with ``CLEAR`` nats over the overdispersion."""
        before, since = self.rates
        if not self.enough or since < RATIO * before or since < before + self.excess:
            return False
        both = _inside(_rate(self.bad_before + self.bad_since, self.before + self.since))
        surprise = self.before * kullback(before, both) + self.since * kullback(since, both)
        return surprise / max(dispersion, 1.0) >= CLEAR

    def __str__(self) -> str:
        before, since = self.rates
        return (
            f"{self.who} {self.what} {percent(since)} of {self.since:.0f} requests since the eviction, "
            f"{percent(before)} of {self.before:.0f} before"
        )


def observed(baseline: Baseline, incident: Incident, context: TickContext) -> Baseline:
    """
    With this tick's counts of siblings and callers since the act.

    A tick in which the service is known to pass on another's errors is nobody's fault here and is left out.
    """
    if incident.service is None or _inherits(incident, context):
        return baseline
    replacement = incident.check.replacement if incident.check is not None else None
    evicted = incident.check.evicted if incident.check is not None else 0.0
    requests = errors = bad = 0.0
    for ref in context.cluster.by_service.get(incident.service, ()):
        pod, tally = context.cluster.pods.get(ref), context.tally(ref)
        # Newcomers warm up: they are no siblings of before.
        if (
            pod is None
            or tally is None
            or pod.created >= evicted - CREATION_SLACK
            or ref in (replacement, incident.culprit.pod)
        ):
            continue
        requests, errors, bad = requests + tally.requests, errors + tally.errors, bad + bad_of(tally, incident.cut)
    seen = context.judgement.callers.get(incident.service)
    calls = (seen.requests, bad_of(seen, incident.cut)) if seen is not None else (0.0, 0.0)
    workload_peers, before = baseline.peers_since, baseline.callers_since
    return replace(
        baseline,
        peers_since=(workload_peers[0] + requests, workload_peers[1] + errors, workload_peers[2] + bad),
        callers_since=(before[0] + calls[0], before[1] + calls[1]),
    )


def compared(baseline: Baseline, incident: Incident, impact: ImpactSettings) -> Iterator[Comparison]:
    """Everything that can be compared; what was not counted before the act is not in it."""
    requests, errors, bad = baseline.peers_since
    known, failed = baseline.peer_requests, baseline.peer_errors
    if known < ENOUGH and incident.cut < 0 and incident.share > 0.0:
        # Suspected for a moment only: what the suspicion compared with is a past too.
        known = incident.requests * (1.0 - incident.share) / incident.share
        failed = incident.p0 * known
    yield Comparison("its siblings", "fail", known, failed, requests, errors, impact.error_rate)
    what, excess = ("fail", impact.error_rate) if incident.cut < 0 else ("are slow in", _SLOWER)
    if 0 <= incident.cut < len(baseline.peer_slow):
        slow = baseline.peer_slow[incident.cut]
        yield Comparison("its siblings", what, baseline.peer_requests, slow, requests, bad, excess)
    calls, lost = baseline.callers_since
    seen = "lose" if incident.cut < 0 else "wait in"
    yield Comparison("its callers", seen, baseline.requests, baseline.bad, calls, lost, excess)


def side_effect(baseline: Baseline, incident: Incident, impact: ImpactSettings) -> Comparison | None:
    """The clear deterioration of somebody else since the act, None when there is none or nothing can be told."""
    found = (one for one in compared(baseline, incident, impact) if one.worse(baseline.dispersion))
    return next(found, None)


def waits(baseline: Baseline, incident: Incident, impact: ImpactSettings) -> bool:
    """Whether somebody was known before the act and has had too few requests since to be compared."""
    return any(one.before >= ENOUGH > one.since for one in compared(baseline, incident, impact))


def figures(baseline: Baseline, incident: Incident, impact: ImpactSettings) -> dict[str, float | str | bool | None]:
    """Bad rates before and since by whom, of those that could be compared."""
    found: dict[str, float | str | bool | None] = {}
    for one in compared(baseline, incident, impact):
        if one.enough:
            who = one.who.removeprefix("its ").replace("siblings", "peers")
            name = f"slow_{who}" if one.what == "are slow in" else who
            found[f"{name}_before"], found[f"{name}_since"] = (round(rate, 5) for rate in one.rates)
    return found


def _inherits(incident: Incident, context: TickContext) -> bool:
    return any(
        one.service == incident.service and one.reason == Reason.INHERITED for one in context.judgement.suppressions
    )


def _rate(bad: float, requests: float) -> float:
    return min(bad / requests, 1.0) if requests > 0.0 else 0.0


def _inside(rate: float) -> float:
    return min(max(rate, TINY), 1.0 - TINY)
