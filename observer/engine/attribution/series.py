"""Series of services: what rose, how much of the target's trouble each can account for, and who merely passes it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from observer.domain.attribution import AffectedService, AttributionInputs, Measure, Reading
from observer.domain.ids import ServiceRef
from observer.engine.attribution.ballots import ServiceEvidence
from observer.engine.attribution.contrast import Contrast, contrast, mean_over
from observer.engine.attribution.flow import Pair, flow
from observer.engine.attribution.ledger import Line, placed
from observer.engine.messages.wording import percent

_HALF_SURE = 3.0
"""Nats at which a rise counts half when it is to explain another."""
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
        """Nats, less for what hardly matters to the target."""
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
    One ballot for each of latency and errors, where the target's own measure is known or no target was named.

    ``lines``: the ledger of calls. Whoever loses calls waits for them: that is the way's doing, not its own work.
    """
    pairs = sorted(set(calls))
    found = []
    for measure in (Measure.ERROR_RATE, Measure.LATENCY):
        if inputs.target is not None and inputs.target.measure is not measure:
            continue
        ballot = _ballot(inputs, measure, pairs, lines if measure is Measure.LATENCY else {})
        if ballot is not None:
            found.append(ballot)
    return found


def _ballot(
    inputs: AttributionInputs, measure: Measure, pairs: list[Pair], lines: Mapping[Pair, Line]
) -> ServiceEvidence | None:
    risen = _risen(inputs, measure)
    target = inputs.target.service if inputs.target is not None else None
    troubled = {service: one for service, one in risen.items() if one.contrast.score > 0.0}
    strangers = inputs.external
    passed = {
        (caller, callee): troubled[callee].passes * (_STRANGER if callee in strangers else 1.0)
        for caller, callee in pairs
        if callee in troubled and (caller in troubled or caller == target)
    }
    own = {service: max(one.passes - _below(service, passed), 0.0) for service, one in troubled.items()}
    waited = _waited(own, lines)
    for (caller, _), amount in waited.items():
        own[caller] = max(own[caller] - amount, 0.0)
    start = {target: 1.0} if target is not None else _tops(troubled, passed)
    stay = flow(start, own, passed, waited)
    if not stay.services and not stay.edges:
        return None
    guilty = set(stay.services) | {caller for caller, _ in stay.edges}
    score = max(troubled[service].weight for service in guilty)
    known, others = placed(stay, lines, inputs)
    onset = min(
        (
            one.contrast.onset
            for service, one in troubled.items()
            if one.contrast.onset is not None and service in known
        ),
        default=None,
    )
    word = "latency" if measure is Measure.LATENCY else "errors"
    return ServiceEvidence(word, score, known, others, _texts(troubled), stay.inherited, onset)


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
    loads = {one.service: one for one in inputs.readings if one.measure is Measure.REQUESTS and not one.pod}
    mine = [one for one in inputs.readings if one.measure is measure and not one.pod]
    before = _onset(mine, inputs.target)
    found: dict[ServiceRef, _Risen] = {}
    usual = _usual_time(mine, inputs.target) if measure is Measure.LATENCY else 1.0
    for reading in mine:
        change = contrast(reading, before)
        if change is None:
            continue
        impact = change.excess * _share(loads, reading.service, inputs.target, change) / max(usual, 1e-9)
        one = _Risen(reading, change, impact)
        other = found.get(reading.service)
        if other is None or (one.contrast.score, reading.what) > (other.contrast.score, other.reading.what):
            found[reading.service] = one
    return found


def _onset(readings: list[Reading], target: AffectedService | None) -> float | None:
    """Just before the target's own rise began; None when it shows none."""
    rises = [
        change.onset
        for one in readings
        if target is not None and one.service == target.service and (change := contrast(one)) is not None
        if change.onset is not None
    ]
    return float(np.nextafter(min(rises), -np.inf)) if rises else None


def _usual_time(readings: list[Reading], target: AffectedService | None) -> float:
    times = [
        float(np.nanmedian(one.reference))
        for one in readings
        if (target is None or one.service == target.service) and np.any(~np.isnan(one.reference))
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


def _tops(troubled: Mapping[ServiceRef, _Risen], passed: Mapping[Pair, float]) -> dict[ServiceRef, float]:
    """Without a target: troubled services that no troubled caller has, by impact."""
    called = {callee for caller, callee in passed if caller != callee}
    tops = {one: troubled[one].passes for one in sorted(troubled) if one not in called} or {
        one: troubled[one].passes for one in sorted(troubled)
    }
    whole = sum(tops.values())
    return {one: amount / whole for one, amount in tops.items()} if whole > 0.0 else {}


def _texts(troubled: Mapping[ServiceRef, _Risen]) -> dict[ServiceRef, str]:
    texts = {}
    for service, one in troubled.items():
        change, measure = one.contrast, one.reading.measure
        if measure is Measure.LATENCY:
            rise = f"{change.usual * 1000:.3g} ms -> {(change.usual + change.excess) * 1000:.3g} ms"
        else:
            rise = f"errors {percent(change.usual)} -> {percent(change.usual + change.excess)}"
        texts[service] = f"{rise}, evidence {change.score:.1f}, {percent(one.impact)} of what the target serves"
    return texts
