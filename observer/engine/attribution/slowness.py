"""
Where the time goes: the part of each trace that a service spent itself, or that a call spent on the way, against what
the same operation usually takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.attribution import AttributionInputs, Cause, Measure, edge_cause
from observer.domain.counts import FloatArray
from observer.domain.ids import ServiceRef
from observer.domain.traces import SpanSide
from observer.engine.attribution.calls import Pair
from observer.engine.attribution.evidence import Contrast, ServiceEvidence, rise
from observer.engine.attribution.trees import SpanNode, root_seconds

_BLOCKS: Final = 24
_LEAST_TRACES: Final = 5
"""Traces a block; fewer than eight blocks of the usual time are no reference."""
_LEAST_BLOCKS: Final = 8
_LEAST_SPANS: Final = 5
_HALF_SURE: Final = 3.0
_ALIKE: Final = 0.25
"""Another edge shares the fault when its calls are late by at least this part of ours."""

Way = tuple[ServiceRef, ServiceRef | None]
"""A service's own work (None), or the way to another."""
Kind = tuple[ServiceRef, str, ServiceRef | None]
"""An operation of a service, with who answers it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What an operation usually takes: mean seconds without its slowest hundredth, and its 95th percentile."""

    mean: float
    q95: float


def kind(node: SpanNode) -> Kind:
    """Spans of one kind are compared with each other only."""
    callee = node.answered.place.service if node.answered is not None else None
    return (node.place.service, node.span.operation, callee)


def paces(forest: list[list[SpanNode]]) -> dict[Kind, Pace]:
    """What each operation takes in these traces."""
    times: dict[Kind, list[float]] = defaultdict(list)
    for nodes in forest:
        for node in nodes:
            times[kind(node)].append(node.own)
    result = {}
    for operation, values in times.items():
        if len(values) >= _LEAST_SPANS:
            seconds = np.array(values)
            result[operation] = Pace(
                float(np.minimum(seconds, np.quantile(seconds, 0.99)).mean()), float(np.quantile(seconds, 0.95))
            )
    return result


def slowness_evidence(
    inputs: AttributionInputs, now: list[list[SpanNode]], usual: list[list[SpanNode]], pace: Mapping[Kind, Pace]
) -> ServiceEvidence | None:
    """Who holds the requests up; None without enough usual traces."""
    if inputs.target is not None and inputs.target.measure is not Measure.LATENCY:
        return None
    size = max(len(usual) // _BLOCKS, _LEAST_TRACES)
    if len(usual) < _LEAST_BLOCKS * size or len(now) < _LEAST_TRACES:
        return None
    before, _ = _late(usual, pace, size)
    during, calls = _late(now, pace, min(size, max(len(now) // 3, _LEAST_TRACES)))
    typical = float(np.mean([root_seconds(nodes) for nodes in usual]))
    changes = _changes(before, during, 0.01 * max(typical, 1e-6))
    if not changes:
        return None
    whole = sum(slower.excess for slower in changes.values())
    services: dict[ServiceRef, float] = defaultdict(float)
    others: dict[Cause, float] = defaultdict(float)
    late = {way: 0.0 for way in calls if way[1] is not None}
    late |= {way: slower.excess / calls[way] for way, slower in changes.items()}
    for way in sorted(changes, key=str):
        change = changes[way]
        share = change.excess / whole * change.score / (change.score + _HALF_SURE)
        if way[1] is None:
            services[way[0]] += share
        else:
            _share_between_ends((way[0], way[1]), share, late, services, others)
    score = max(slower.score * min(slower.excess / (0.05 * typical), 1.0) for slower in changes.values())
    return ServiceEvidence("time", score, dict(services), dict(others), _texts(changes, typical))


def _late(
    forest: list[list[SpanNode]], pace: Mapping[Kind, Pace], size: int
) -> tuple[dict[Way, FloatArray], dict[Way, float]]:
    """For each way: seconds a trace beyond the usual, by blocks of ``size`` traces; and its calls a trace."""
    blocks = max(len(forest) // size, 1)
    sums: dict[Way, FloatArray] = {}
    counts: dict[Way, float] = defaultdict(float)
    traces = np.zeros(blocks)
    for number, nodes in enumerate(forest):
        block = min(number // size, blocks - 1)
        traces[block] += 1.0
        for node in nodes:
            span_kind = kind(node)
            usual_pace = pace.get(span_kind)
            if usual_pace is None or _in_vain(node):
                continue
            way = (span_kind[0], span_kind[2])
            if way not in sums:
                sums[way] = np.zeros(blocks)
            sums[way][block] += node.own - usual_pace.mean
            counts[way] += 1.0
    return {way: total / traces for way, total in sums.items()}, {
        way: count / len(forest) for way, count in counts.items()
    }


def _in_vain(node: SpanNode) -> bool:
    """A call that failed and that nobody answered: waiting for it is no work of the caller's."""
    return node.span.side is SpanSide.CLIENT and node.answered is None and node.span.error


def _changes(before: Mapping[Way, FloatArray], during: Mapping[Way, FloatArray], floor: float) -> dict[Way, Contrast]:
    changes = {}
    for way, values in during.items():
        if way in before:
            change = rise(before[way], values, floor)
            if change.score > 0.0 and change.excess > 0.0:
                changes[way] = change
    return changes


def _share_between_ends(
    pair: Pair, share: float, late: Mapping[Way, float], services: dict[ServiceRef, float], others: dict[Cause, float]
) -> None:
    """
    Split what a way took among its two ends and itself: an end is guilty when its other ways are late as well.
    """
    caller, callee = pair
    ends = {end: 0.1 + _shared(end, pair, late) for end in sorted({caller, callee})}
    alone = 0.1 + 0.2 * (1.0 - max(ends.values()) / 1.1)
    whole = sum(ends.values()) + alone
    for end, weight in ends.items():
        services[end] += share * weight / whole
    others[edge_cause(caller, callee)] += share * alone / whole


def _shared(end: ServiceRef, pair: Pair, late: Mapping[Way, float]) -> float:
    """Part of the end's other ways that are late too; one half when it is the callee and has no other."""
    others = [way for way in late if end in way and way[1] is not None and way != pair]
    if not others:
        return 0.5 if end == pair[1] else 0.0
    return sum(late[way] >= _ALIKE * late[pair] for way in others) / len(others)


def _texts(changes: Mapping[Way, Contrast], typical: float) -> dict[ServiceRef, str]:
    texts: dict[ServiceRef, str] = {}
    for (service, callee), change in sorted(changes.items(), key=lambda item: (item[1].excess, str(item[0]))):
        where = "its own work" if callee is None else f"the way to {callee}"
        texts[service] = (
            f"{change.excess * 1000:.3g} ms a request more in {where} (usually {typical * 1000:.3g} ms in all)"
        )
    return texts
