"""A mesh of any width with one slow and failing pod, by hand: what blame costs, and what it says."""

from __future__ import annotations

import numpy as np

from observer.domain.attribution import AttributionInputs, Placement
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet

AT = 1_800_000_000.0
PODS = 4
FANOUT = 2


def incident(*, services: int, traces: int, seed: int = 4) -> tuple[AttributionInputs, str]:
    """
    A binary tree of ``services``, each with four pods; the first pod of the middle one answers one call in two wrongly.

    Returns the question and the right cause as it prints.
    """
    random = np.random.default_rng(seed)
    names = [ServiceRef("wide", f"s{number:03d}") for number in range(services)]
    sick = max(services // (FANOUT**4), 1)
    graph, usual = _graph(names, sick, 0.125), _graph(names, sick, 0.0005)
    placements = {
        ("wide", _pod(name, i)): Placement(
            PodRef("wide", _pod(name, i), f"uid-{name.name}-{i}"), name, name.name, f"n{i}"
        )
        for name in names
        for i in range(PODS)
    }
    now = [span for number in range(traces) for span in _trace(f"t{number}", names, sick, random, AT - traces + number)]
    then = [span for number in range(traces) for span in _trace(f"u{number}", names, -1, random, AT - 9000.0 + number)]
    inputs = AttributionInputs(
        at=AT,
        since=AT - traces,
        graph=graph,
        usual_graph=usual,
        traces=TraceSet(AT, float(traces), tuple(now)),
        usual_traces=TraceSet(AT - 8000.0, float(traces), tuple(then)),
        placements=placements,
    )
    return inputs, f"pod wide/{_pod(names[sick], 0)}"


def _pod(service: ServiceRef, number: int) -> str:
    return f"{service.name}-{number}"


def _graph(names: list[ServiceRef], sick: int, rate: float) -> CallGraph:
    above = set()
    place = sick
    while place > 0:
        above.add(place)
        place = (place - 1) // FANOUT
    edges = []
    for number, name in enumerate(names[1:], start=1):
        errors = 4000.0 * (rate if number in above else 0.0005)
        caller = names[(number - 1) // FANOUT]
        edges.append(Edge(caller, name, 4000.0, errors, sources=frozenset({EdgeSource.METRICS})))
    return CallGraph(AT, 300.0, tuple(edges))


def _trace(trace: str, names: list[ServiceRef], sick: int, random: np.random.Generator, start: float) -> list[Span]:
    """One walk from the root to a leaf, two spans a call."""
    spans: list[Span] = []
    place, parent = 0, ""
    path = [0]
    while place * FANOUT + 1 < len(names):
        children = [one for one in range(place * FANOUT + 1, place * FANOUT + 1 + FANOUT) if one < len(names)]
        towards = [one for one in children if sick > 0 and _leads(one, sick)]
        place = towards[0] if towards and random.random() < 0.5 else children[int(random.integers(len(children)))]
        path.append(place)
    pods = [int(random.integers(PODS)) for _ in path]
    failed_at = next((i for i, one in enumerate(path) if one == sick and pods[i] == 0 and random.random() < 0.5), -1)
    for depth, (one, pod) in enumerate(zip(path, pods, strict=True)):
        failed = depth <= failed_at
        seconds = 0.01 * (len(path) - depth) + float(random.exponential(0.002))
        server = f"{trace}-{depth}s"
        spans.append(_span(trace, server, parent, SpanSide.SERVER, names[one], pod, start, seconds, failed))
        if depth + 1 < len(path) and depth != failed_at:
            parent = f"{trace}-{depth}c"
            fails = depth + 1 <= failed_at
            spans.append(_span(trace, parent, server, SpanSide.CLIENT, names[one], pod, start, seconds * 0.9, fails))
        if depth == failed_at:
            break
    return spans


def _leads(place: int, goal: int) -> bool:
    while goal > place:
        goal = (goal - 1) // FANOUT
    return goal == place


def _span(
    trace: str, span: str, parent: str, side: SpanSide, service: ServiceRef, pod: int, start: float, seconds: float,
    failed: bool,
) -> Span:  # fmt: skip
    name = _pod(service, pod)
    return Span(trace, span, parent, side, "wide", service.name, name, "", f"n{pod}", "", "get", start, seconds, failed)
