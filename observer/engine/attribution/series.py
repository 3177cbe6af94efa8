"""
Series of services: what rose, how much of the target's trouble each can account for, and who merely passes it on.

Resources count too, weakly: a pod that suddenly works much harder may do so for load and retries.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.attribution import AffectedService, AttributionInputs, Measure, Reading
from observer.domain.ids import ServiceRef
from observer.engine.attribution.calls import Line, Pair, flow, placed, tops
from observer.engine.attribution.evidence import Contrast, ServiceEvidence, contrast, mean_over
from observer.engine.messages.wording import percent

_HALF_SURE = 3.0
"""Score at which a rise counts half when it is to explain another."""
_MATTERS = {Measure.LATENCY: 0.05, Measure.ERROR_RATE: 0.01}
"""A rise that can account for less than this part of the target's time or requests counts accordingly less."""
_LOST = 3.0
_LOST_PART = 0.01
"""So many lost calls, and so large a part of all on their way, keep their caller waiting."""
_STRANGER = 0.5
"""A callee known by name only is a caller's view of somebody: it accounts for half as much as one seen from inside."""


@dataclass(frozen=True, slots=True)
class _Risen:
    reading: Reading
    contrast: Contrast
    impact: float
    """In parts of the target's requests (errors) or of its usual time (latency)."""

    @property
    def weight(self) -> float:
        """Score, less for what hardly matters to the target."""
        return self.contrast.score * min(self.impact / _MATTERS[self.reading.measure], 1.0)

    @property
    def passes(self) -> float:
        """Impact, less for what is hardly certain."""
        score = self.contrast.score
        return self.impact * score / (score + _HALF_SURE)


def series_evidence(
    inputs: AttributionInputs, calls: Iterable[Pair], lines: Mapping[Pair, Line]
) -> list[ServiceEvidence]:
    """
    Evidence for each of latency and errors, where the target's own measure is known or no target was named.

    ``lines``: the ledger of calls. Whoever loses calls waits for them: that is the way's doing, not its own work.
    """
    pairs = sorted(set(calls))
    all_evidence = []
    for measure in (Measure.ERROR_RATE, Measure.LATENCY):
        if inputs.target is not None and inputs.target.measure is not measure:
            continue
        service_evidence = _service_evidence(inputs, measure, pairs, lines if measure is Measure.LATENCY else {})
        if service_evidence is not None:
            all_evidence.append(service_evidence)
    return all_evidence


def _service_evidence(
    inputs: AttributionInputs, measure: Measure, pairs: list[Pair], lines: Mapping[Pair, Line]
) -> ServiceEvidence | None:
    risen = _risen(inputs, measure)
    target = inputs.target.service if inputs.target is not None else None
    troubled = {service: rise_of for service, rise_of in risen.items() if rise_of.contrast.score > 0.0}
    strangers = inputs.external
    passed = {
        (caller, callee): troubled[callee].passes * (_STRANGER if callee in strangers else 1.0)
        for caller, callee in pairs
        if callee in troubled and (caller in troubled or caller == target)
    }
    own = {service: max(rise_of.passes - _below(service, passed), 0.0) for service, rise_of in troubled.items()}
    waited = _waited(own, lines)
    for (caller, _), amount in waited.items():
        own[caller] = max(own[caller] - amount, 0.0)
    amounts = {service: troubled[service].passes for service in sorted(troubled)}
    called = {callee for caller, callee in passed if caller != callee}
    start = {target: 1.0} if target is not None else tops(amounts, called)
    stay = flow(start, own, passed, waited)
    if not stay.services and not stay.edges:
        return None
    guilty = set(stay.services) | {caller for caller, _ in stay.edges}
    score = max(troubled[service].weight for service in guilty)
    services, others = placed(stay, lines, inputs)
    onset = min(
        (
            rise_of.contrast.onset
            for service, rise_of in troubled.items()
            if rise_of.contrast.onset is not None and service in services
        ),
        default=None,
    )
    word = "latency" if measure is Measure.LATENCY else "errors"
    return ServiceEvidence(word, score, services, others, _texts(troubled), stay.inherited, onset)


def _waited(own: Mapping[ServiceRef, float], lines: Mapping[Pair, Line]) -> dict[Pair, float]:
    """What of a service's own rise is waiting for calls that never arrived, by the way they took."""
    lost: dict[ServiceRef, dict[Pair, float]] = {}
    for pair, line in lines.items():
        if line.more_lost >= max(_LOST, _LOST_PART * line.requests):
            lost.setdefault(pair[0], {})[pair] = line.more_lost
    return {
        pair: own[caller] * count / sum(ways.values())
        for caller, ways in lost.items()
        if own.get(caller, 0.0) > 0.0
        for pair, count in ways.items()
    }


def _risen(inputs: AttributionInputs, measure: Measure) -> dict[ServiceRef, _Risen]:
    """The strongest rise of each service, with its impact on the target."""
    loads = {
        reading.service: reading
        for reading in inputs.readings
        if reading.measure is Measure.REQUESTS and not reading.pod
    }
    mine = [reading for reading in inputs.readings if reading.measure is measure and not reading.pod]
    before = _onset(mine, inputs.target)
    strongest: dict[ServiceRef, _Risen] = {}
    usual = _usual_time(mine, inputs.target) if measure is Measure.LATENCY else 1.0
    for reading in mine:
        change = contrast(reading, before)
        if change is None:
            continue
        impact = change.excess * _share(loads, reading.service, inputs.target, change) / max(usual, 1e-9)
        candidate = _Risen(reading, change, impact)
        other = strongest.get(reading.service)
        if other is None or (candidate.contrast.score, reading.what) > (other.contrast.score, other.reading.what):
            strongest[reading.service] = candidate
    return strongest


def _onset(readings: list[Reading], target: AffectedService | None) -> float | None:
    """Just before the target's own rise began; None when it shows none."""
    rises = [
        change.onset
        for reading in readings
        if target is not None and reading.service == target.service and (change := contrast(reading)) is not None
        if change.onset is not None
    ]
    return float(np.nextafter(min(rises), -np.inf)) if rises else None


def _usual_time(readings: list[Reading], target: AffectedService | None) -> float:
    times = [
        float(np.nanmedian(reading.reference))
        for reading in readings
        if (target is None or reading.service == target.service) and np.any(~np.isnan(reading.reference))
    ]
    return max(times, default=1.0)


def _share(
    loads: Mapping[ServiceRef, Reading], service: ServiceRef, target: AffectedService | None, change: Contrast
) -> float:
    """Requests of a service for each of the target's; 1 when either is unknown."""
    mine = loads.get(service)
    theirs = loads.get(target.service) if target is not None else None
    if mine is None or theirs is None:
        return 1.0
    whole = mean_over(theirs.values, change.first, change.last)
    part = mean_over(mine.values, change.first, change.last)
    return part / whole if whole > 0.0 else 1.0


def _below(service: ServiceRef, passed: Mapping[Pair, float]) -> float:
    return sum(amount for (caller, _), amount in passed.items() if caller == service)


def _texts(troubled: Mapping[ServiceRef, _Risen]) -> dict[ServiceRef, str]:
    texts = {}
    for service, risen in troubled.items():
        change, measure = risen.contrast, risen.reading.measure
        if measure is Measure.LATENCY:
            rise = f"{change.usual * 1000:.3g} ms -> {(change.usual + change.excess) * 1000:.3g} ms"
        else:
            rise = f"errors {percent(change.usual)} -> {percent(change.usual + change.excess)}"
        texts[service] = f"{rise}, evidence {change.score:.1f}, {percent(risen.impact)} of what the target serves"
    return texts


_MOST: Final = 5.0
"""Score that resources may add: they say who is busy, not who is at fault."""


def saturation_evidence(inputs: AttributionInputs) -> ServiceEvidence | None:
    """Who is busier than usual, by how certain that is and by how much; None when nobody is."""
    rises: dict[ServiceRef, float] = defaultdict(float)
    strongest: dict[ServiceRef, tuple[float, str, Contrast]] = {}
    for reading in inputs.readings:
        if reading.measure is not Measure.SATURATION:
            continue
        change = contrast(reading)
        if change is None or change.score <= 0.0:
            continue
        weight = change.score * math.log1p(change.excess / max(change.usual, 1e-9))
        rises[reading.service] = max(rises[reading.service], weight)
        rival = strongest.get(reading.service)
        if rival is None or (change.score, reading.what) > (rival[0], rival[1]):
            strongest[reading.service] = (change.score, reading.what, change)
    whole = sum(rises.values())
    if whole <= 0.0:
        return None
    score = min(max(busiest[0] for busiest in strongest.values()), _MOST)
    texts = {
        service: f"{what} {change.usual:.3g} -> {change.usual + change.excess:.3g}"
        for service, (_, what, change) in strongest.items()
    }
    return ServiceEvidence(
        "saturation", score, {service: weight / whole for service, weight in rises.items()}, texts=texts
    )
