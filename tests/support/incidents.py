"""Incidents by hand: calls, spans and series of a small shop, healthy unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from observer.domain.attribution import Attribution, Measure, Placement, Reading
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet
from tests.support.builders import NOW, SHOP

METRICS = frozenset({EdgeSource.METRICS})


def ref(name: str) -> ServiceRef:
    return ServiceRef(SHOP, name)


def edge(caller: str, callee: str, requests: float = 1000.0, errors: float = 0.0, **changes: Any) -> Edge:
    """``caller`` ``""`` is the world outside."""
    origin = ref(caller) if caller else ServiceRef("", "unknown")
    return Edge(origin, ref(callee), requests, errors, **({"sources": METRICS} | changes))


def graph(*edges: Edge) -> CallGraph:
    return CallGraph(NOW, 60.0, edges)


def calm(*pairs: tuple[str, str]) -> CallGraph:
    """The same calls without an error."""
    return graph(*(edge(caller, callee, 5000.0, 1.0) for caller, callee in pairs))


def series(
    service: str, measure: Measure, usual: float, now: float, *, points: int = 5, noise: float = 0.02, **changes: Any
) -> Reading:
    """200 usual samples with a little noise, then ``points`` at a new level."""
    random = np.random.default_rng(len(service) + 7)
    return Reading(
        ref(service),
        measure,
        usual * (1.0 + noise * random.standard_normal(200)),
        NOW + 60.0 * np.arange(points, dtype=np.float64),
        now * (1.0 + noise * random.standard_normal(points)),
        **changes,
    )


def placement(service: str, number: int, *, node: str = "", revision: str = "") -> tuple[tuple[str, str], Placement]:
    name = f"{service}-{number}"
    return (SHOP, name), Placement(PodRef(SHOP, name, f"uid-{name}"), ref(service), revision, node)


def call(
    trace: str,
    path: tuple[tuple[str, int], ...],
    *,
    start: float = NOW,
    own: Mapping[str, float] | None = None,
    way: Mapping[str, float] | None = None,
    fails: str = "",
    unanswered: str = "",
) -> list[Span]:
    """
    One request along ``path`` of (service, pod number), two spans a call as sidecars report them.

    ``own``: seconds that a service works itself (10 ms); ``way``: seconds on the way to a service (1 ms); the failure
    begins at service ``fails``, or on the way to ``unanswered``, and fails everybody above.
    """
    own, way = own or {}, way or {}
    names = [name for name, _ in path]
    broken = names.index(fails or unanswered) if fails or unanswered else -1
    spans: list[Span] = []
    below = 0.0
    for depth in reversed(range(len(path))):
        name, number = path[depth]
        seconds = own.get(name, 0.01) + below
        error = depth <= broken
        answered = not (unanswered and depth == broken)
        parent = f"{trace}-{depth - 1}c" if depth else ""
        if answered:
            server = _span(trace, f"{trace}-{depth}s", parent, SpanSide.SERVER, name, number, start, seconds, error)
            spans.append(server)
        else:
            spans = []
        below = seconds + way.get(name, 0.001)
        if depth:
            caller, pod = path[depth - 1]
            above = f"{trace}-{depth - 1}s"
            spans.append(_span(trace, parent, above, SpanSide.CLIENT, caller, pod, start, below, error, operation=name))
    return spans


def _span(
    trace: str, span: str, parent: str, side: SpanSide, service: str, number: int, start: float, seconds: float,
    error: bool, operation: str = "",
) -> Span:  # fmt: skip
    name = operation or service
    return Span(
        trace, span, parent, side, SHOP, service, f"{service}-{number}", "", "", name, name, start, seconds, error
    )


def traced(*requests: list[Span]) -> TraceSet:
    return TraceSet(NOW + 60.0, 60.0, tuple(span for spans in requests for span in spans))


def named(attribution: Attribution) -> dict[str, float]:
    """Causes as they print, with their probability."""
    return {str(one.cause): one.probability for one in attribution.ranked}


def first(attribution: Attribution) -> str:
    return str(attribution.ranked[0].cause)
