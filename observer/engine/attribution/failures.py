"""
Where errors of traces begin: the deepest span that failed, and whether anybody answered it.

And calls that end early or take another way: an operation that suddenly calls others than it used to, or nobody. A
fault in code shows there even where spans carry no status.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from observer.domain.attribution import AttributionInputs, Cause, CauseKind, Measure, edge_cause
from observer.domain.ids import ServiceRef
from observer.domain.traces import SpanSide
from observer.engine.attribution.calls import Pair
from observer.engine.attribution.evidence import MOST, ServiceEvidence, more
from observer.engine.attribution.trees import Place, SpanNode, downwards

_UNSURE: Final = 6.0
"""Score at most while nobody knows how the traces were picked."""
_ENOUGH: Final = 20
"""Failed calls from which it is known how often they fail their caller too."""


@dataclass(slots=True)
class Failures:
    """
    Attributes:
        begun: failures that began at a pod. calls: all calls that the pod answered.
        unanswered: failed calls that nobody answered, by caller and what was called (a service, or a name).
        below: failed calls by caller and callee: how many, and how many failed the caller's own answer.
        inherited: failed answers of each service that had a failed call below, and all its failed answers.
        roots: traces that failed at all; traces: all.
    """

    begun: Counter[Place] = field(default_factory=Counter)
    calls: Counter[Place] = field(default_factory=Counter)
    unanswered: Counter[tuple[ServiceRef, ServiceRef | str]] = field(default_factory=Counter)
    below: dict[Pair, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    inherited: dict[ServiceRef, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    roots: int = 0
    traces: int = 0

    def handed_up(self) -> dict[Pair, float]:
        """Part of a callee's failures that fail the caller too, where enough were seen."""
        return {pair: failed / calls for pair, (calls, failed) in self.below.items() if calls >= _ENOUGH}


def failures(forest: list[list[SpanNode]]) -> Failures:
    """Count how errors begin and spread."""
    counted = Failures()
    answers = _who_answers(forest)
    for nodes in forest:
        counted.traces += 1
        counted.roots += any(node.span.error for node in nodes)
        parents = {id(child): node for node in nodes for child in node.children}
        for node in nodes:
            above = parents.get(id(node))
            if above is None or above.place != node.place:
                counted.calls[node.place] += 1
                if node.span.error:
                    counted.inherited[node.place.service][0] += _failed_below(node)
                    counted.inherited[node.place.service][1] += 1
            if node.span.error:
                _begin(counted, node, above, answers)
    return counted


def _begin(
    counted: Failures, node: SpanNode, above: SpanNode | None, answers: Mapping[tuple[ServiceRef, str], ServiceRef]
) -> None:
    service = node.place.service
    if node.answered is not None:
        pair = (service, node.answered.place.service)
        counted.below[pair][0] += 1
        counted.below[pair][1] += above is not None and above.span.error
        if not node.answered.span.error:
            counted.unanswered[pair] += 1
    elif node.span.side is SpanSide.CLIENT:
        called = answers.get((service, node.span.operation))
        counted.unanswered[(service, called if called is not None else node.span.peer or node.span.operation)] += 1
    elif not any(child.span.error for child in node.children):
        counted.begun[node.place] += 1


def _failed_below(node: SpanNode) -> bool:
    return any(child.span.error for child in node.children)


def _who_answers(forest: list[list[SpanNode]]) -> dict[tuple[ServiceRef, str], ServiceRef]:
    """Who usually answers an operation that a service calls."""
    answered: dict[tuple[ServiceRef, str], Counter[ServiceRef]] = defaultdict(Counter)
    for nodes in forest:
        for node in nodes:
            if node.answered is not None:
                answered[(node.place.service, node.span.operation)][node.answered.place.service] += 1
    return {key: min(counts, key=lambda callee: (-counts[callee], callee)) for key, counts in answered.items()}


def failures_evidence(
    inputs: AttributionInputs, now: Failures, usual: Failures | None, most: float = MOST
) -> ServiceEvidence | None:
    """
    Who the failures begin with; None when none is beyond the usual.

    ``most``: how certain the counters are that anything fails at all. Traces are picked, often for their errors: they
    tell where failures begin, not how many there are.
    """
    if (inputs.target is not None and inputs.target.measure is not Measure.ERROR_RATE) or not now.roots:
        return None
    part = now.traces / usual.traces if usual is not None and usual.traces else 0.0
    services: dict[ServiceRef, float] = defaultdict(float)
    for spot, count in now.begun.items():
        before = usual.begun[spot] * part if usual is not None else 0.0
        services[spot.service] += max(count - before, 0.0)
    others: dict[Cause, float] = defaultdict(float)
    for (caller, called), count in now.unanswered.items():
        before = usual.unanswered[(caller, called)] * part if usual is not None else 0.0
        _lost(caller, called, max(count - before, 0.0), services, others)
    whole = sum(services.values()) + sum(others.values())
    if whole <= 0.0:
        return None
    before_roots, before_all = (usual.roots, usual.traces) if usual is not None else (0.5, 500.0)
    score = min(more(now.roots, now.traces, before_roots, before_all), MOST if usual is not None else _UNSURE, most)
    texts = {
        service: f"{count:.0f} of {whole:.0f} failures in traces begin there" for service, count in services.items()
    }
    return ServiceEvidence(
        "failures",
        score,
        {service: count / whole for service, count in services.items()},
        {cause: count / whole for cause, count in others.items()},
        texts,
        {service: below / failed for service, (below, failed) in now.inherited.items() if failed},
    )


def _lost(
    caller: ServiceRef, called: ServiceRef | str, count: float, services: dict[ServiceRef, float],
    others: dict[Cause, float],
) -> None:  # fmt: skip
    """A call that nobody answered: the way's fault, or as likely that of whoever should have answered."""
    if isinstance(called, str):
        others[Cause(CauseKind.EXTERNAL, "", called)] += count
        return
    others[edge_cause(caller, called)] += count / 2
    services[called] += count / 2


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
    for shape, times in during.items():
        operation = shape[0]
        usually, whole = before.get(shape, 0), before_all.get(operation, 0)
        if whole >= _LEAST and usually <= _USUAL * whole:
            score = more(times, during_all[operation], usually, whole) - price
            if score > 0.0:
                new[shape] = score
    origins: Counter[ServiceRef] = Counter()
    for nodes in now:
        origins.update(_origins(nodes, new))
    if not origins:
        return None
    whole = sum(origins.values())
    shares = {service: count / whole for service, count in origins.items()}
    score = max(value for (operation, _), value in new.items() if operation[0] in origins)
    texts = {service: f"{count} calls took a way not usual for their operation" for service, count in origins.items()}
    return ServiceEvidence("lost_calls", min(score, MOST), shares, texts=texts)


def _call(node: SpanNode) -> bool:
    """Somebody else should have answered: that nobody did is no break of the caller's own."""
    return node.span.side is SpanSide.CLIENT


def _failed(node: SpanNode) -> bool:
    """A call that it made failed: what it then left out is a consequence."""
    return any(child.span.error for child in node.children)


def _shape(node: SpanNode) -> Shape:
    called = frozenset((child.place.service, child.span.operation) for child in node.children)
    return (node.place.service, node.span.operation), called


def _count(forest: list[list[SpanNode]]) -> tuple[Counter[Shape], Counter[Operation]]:
    shapes: Counter[Shape] = Counter(_shape(node) for nodes in forest for node in nodes if not _call(node))
    operations: Counter[Operation] = Counter()
    for (operation, _), times in shapes.items():
        operations[operation] += times
    return shapes, operations


def _origins(nodes: list[SpanNode], new: dict[Shape, float]) -> list[ServiceRef]:
    """Services of new shapes below which, in other services, nothing is new: the deepest ones."""
    odd = {id(node) for node in nodes if not _call(node) and not _failed(node) and _shape(node) in new}
    if not odd:
        return []
    deepest = set(odd)
    below: dict[int, set[ServiceRef]] = {}
    for node in reversed(downwards(nodes)):
        new_below: set[ServiceRef] = set()
        for child in node.children:
            new_below |= below.pop(id(child))
            if id(child) in odd:
                new_below.add(child.place.service)
        below[id(node)] = set(sorted(new_below)[:2])  # one other service is all it takes
        if new_below - {node.place.service}:
            deepest.discard(id(node))
    return [node.place.service for node in nodes if id(node) in deepest]
