"""Where errors of traces begin: the deepest span that failed, and whether anybody answered it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from observer.domain.attribution import AttributionInputs, Cause, CauseKind, Measure
from observer.domain.ids import ServiceRef
from observer.domain.traces import SpanSide
from observer.engine.attribution.ballots import ServiceEvidence
from observer.engine.attribution.binomial import more
from observer.engine.attribution.contrast import MOST
from observer.engine.attribution.flow import Pair
from observer.engine.attribution.trees import Place, SpanNode

_UNSURE: Final = 6.0
"""Nats at most while nobody knows how the traces were picked."""
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
    found = Failures()
    answers = _who_answers(forest)
    for twigs in forest:
        found.traces += 1
        found.roots += any(twig.span.error for twig in twigs)
        parents = {id(child): twig for twig in twigs for child in twig.children}
        for twig in twigs:
            above = parents.get(id(twig))
            if above is None or above.place != twig.place:
                found.calls[twig.place] += 1
                if twig.span.error:
                    found.inherited[twig.place.service][0] += _failed_below(twig)
                    found.inherited[twig.place.service][1] += 1
            if twig.span.error:
                _begin(found, twig, above, answers)
    return found


def _begin(
    found: Failures, twig: SpanNode, above: SpanNode | None, answers: Mapping[tuple[ServiceRef, str], ServiceRef]
) -> None:
    service = twig.place.service
    if twig.answered is not None:
        pair = (service, twig.answered.place.service)
        found.below[pair][0] += 1
        found.below[pair][1] += above is not None and above.span.error
        if not twig.answered.span.error:
            found.unanswered[pair] += 1
    elif twig.span.side is SpanSide.CLIENT:
        called = answers.get((service, twig.span.operation))
        found.unanswered[(service, called if called is not None else twig.span.peer or twig.span.operation)] += 1
    elif not any(child.span.error for child in twig.children):
        found.begun[twig.place] += 1


def _failed_below(twig: SpanNode) -> bool:
    return any(child.span.error for child in twig.children)


def _who_answers(forest: list[list[SpanNode]]) -> dict[tuple[ServiceRef, str], ServiceRef]:
    """Who usually answers an operation that a service calls."""
    seen: dict[tuple[ServiceRef, str], Counter[ServiceRef]] = defaultdict(Counter)
    for twigs in forest:
        for twig in twigs:
            if twig.answered is not None:
                seen[(twig.place.service, twig.span.operation)][twig.answered.place.service] += 1
    return {key: min(counts, key=lambda one: (-counts[one], one)) for key, counts in seen.items()}


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
    texts = {one: f"{count:.0f} of {whole:.0f} failures in traces begin there" for one, count in services.items()}
    return ServiceEvidence(
        "failures",
        score,
        {one: count / whole for one, count in services.items()},
        {one: count / whole for one, count in others.items()},
        texts,
        {one: below / failed for one, (below, failed) in now.inherited.items() if failed},
    )


def _lost(
    caller: ServiceRef, called: ServiceRef | str, count: float, services: dict[ServiceRef, float],
    others: dict[Cause, float],
) -> None:  # fmt: skip
    """A call that nobody answered: the way's fault, or as likely that of whoever should have answered."""
    if isinstance(called, str):
        others[Cause(CauseKind.EXTERNAL, "", called)] += count
        return
    others[Cause(CauseKind.EDGE, called.namespace, f"{caller.name}->{called.name}", caller, None, called)] += count / 2
    services[called] += count / 2
