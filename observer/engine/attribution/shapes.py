"""
Calls that end early or take another way: an operation that suddenly calls others than it used to, or nobody. A fault in
code shows here even where spans carry no status.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from observer.domain.ids import ServiceRef
from observer.domain.traces import SpanSide
from observer.engine.attribution.ballots import ServiceEvidence
from observer.engine.attribution.binomial import more
from observer.engine.attribution.contrast import MOST
from observer.engine.attribution.trees import SpanNode, downwards

_USUAL: Final = 0.1
"""A shape that so large a part of an operation's calls has is usual, however often it is seen now."""
_LEAST: Final = 20

Operation = tuple[ServiceRef, str]
Shape = tuple[Operation, frozenset[Operation]]


def shapes_evidence(now: list[list[SpanNode]], usual: list[list[SpanNode]]) -> ServiceEvidence | None:
    """Who breaks off; None without enough usual traces, or when nothing is new."""
    if len(usual) < _LEAST or not now:
        return None
    before, before_all = _count(usual)
    during, during_all = _count(now)
    price = math.log(max(len(during), 1))
    new: dict[Shape, float] = {}
    for shape, seen in during.items():
        operation = shape[0]
        known, whole = before.get(shape, 0), before_all.get(operation, 0)
        if whole >= _LEAST and known <= _USUAL * whole:
            score = more(seen, during_all[operation], known, whole) - price
            if score > 0.0:
                new[shape] = score
    origins: Counter[ServiceRef] = Counter()
    for twigs in now:
        origins.update(_origins(twigs, new))
    if not origins:
        return None
    whole = sum(origins.values())
    shares = {service: count / whole for service, count in origins.items()}
    score = max(value for (operation, _), value in new.items() if operation[0] in origins)
    texts = {service: f"{count} calls took a way not usual for their operation" for service, count in origins.items()}
    return ServiceEvidence("lost_calls", min(score, MOST), shares, texts=texts)


def _call(twig: SpanNode) -> bool:
    """Somebody else should have answered: that nobody did is no break of the caller's own."""
    return twig.span.side is SpanSide.CLIENT


def _failed(twig: SpanNode) -> bool:
    """A call that it made failed: what it then left out is a consequence."""
    return any(child.span.error for child in twig.children)


def _shape(twig: SpanNode) -> Shape:
    called = frozenset((child.place.service, child.span.operation) for child in twig.children)
    return (twig.place.service, twig.span.operation), called


def _count(forest: list[list[SpanNode]]) -> tuple[Counter[Shape], Counter[Operation]]:
    shapes: Counter[Shape] = Counter(_shape(twig) for twigs in forest for twig in twigs if not _call(twig))
    operations: Counter[Operation] = Counter()
    for (operation, _), seen in shapes.items():
        operations[operation] += seen
    return shapes, operations


def _origins(twigs: list[SpanNode], new: dict[Shape, float]) -> list[ServiceRef]:
    """Services of new shapes below which, in other services, nothing is new: the deepest ones."""
    odd = {id(twig) for twig in twigs if not _call(twig) and not _failed(twig) and _shape(twig) in new}
    if not odd:
        return []
    deepest = set(odd)
    below: dict[int, set[ServiceRef]] = {}
    for twig in reversed(downwards(twigs)):
        known: set[ServiceRef] = set()
        for child in twig.children:
            known |= below.pop(id(child))
            if id(child) in odd:
                known.add(child.place.service)
        below[id(twig)] = set(sorted(known)[:2])  # one other service is all it takes
        if known - {twig.place.service}:
            deepest.discard(id(twig))
    return [twig.place.service for twig in twigs if id(twig) in deepest]
