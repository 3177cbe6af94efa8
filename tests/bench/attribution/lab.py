"""
The laboratory's recordings of a real mesh -> questions: counters by caller and callee, traces, the judges' word.

Each is asked some seconds after the fault, before anybody acted. Variants: pods under other names, everything in
another order, half of the requests and traces left out.
"""

from __future__ import annotations

import json
import lzma
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from observer.domain.attribution import AttributionInputs
from observer.domain.classify import is_unreached, request_class
from observer.domain.counts import RequestClass
from observer.domain.graph import CallGraph, Edge, EdgeSource
from observer.domain.ids import ServiceRef
from observer.domain.settings import EngineSettings
from observer.domain.suspect import Judgement
from observer.domain.traces import Span, SpanSide, TraceSet
from observer.engine.attribution.posterior import changes_of, seats_of
from tests.support.recordings import LAB, Recording, Replay, load

NAMES = ("gray-pod", "slow-pod", "bad-revision", "bad-dependency", "surge", "gray-pod-drained", "gray-pod-evicted")
AFTER = 38.0
"""Seconds after the fault at which is asked: 2 s before the first recording in which somebody acts."""
LATE = 86.0
"""And once more, with the traces that were kept, where nobody acted."""
ACTED = frozenset({"gray-pod-drained", "gray-pod-evicted"})
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "renamed": {"rename": True},
    "shuffled": {"order": 5},
    "halved": {"thin": 0.5},
}


@dataclass(frozen=True)
class Case:
    """``truth`` is ``kind name`` as a cause prints, ``unknown`` where nothing is wrong."""

    name: str
    variant: str
    after: float
    truth: str
    inputs: AttributionInputs


def cases() -> Iterator[Case]:
    """All recordings in all variants."""
    for name in NAMES:
        for variant in VARIANTS:
            yield case(name, variant)
            if name not in ACTED:
                yield case(name, variant, LATE)


def case(name: str, variant: str = "plain", after: float = AFTER) -> Case:
    """One recording, asked ``after`` seconds."""
    recording, options = load(name), VARIANTS[variant]
    replay = Replay(recording, **options)
    since, at = recording.fault_from, recording.fault_from + after
    judgement = _judged(replay, after)
    thin = float(options.get("thin", 1.0))
    view = replay.view(at)
    graph = _graph(recording, since, at, thin)
    usual = _graph(recording, float(recording.times[0]), since, thin)
    spans = [_renamed(span, replay) for span in _spans(name) if span.start < at]
    traces = sorted({span.trace for span in spans})
    retained = set(traces[:: round(1.0 / thin)])
    chosen = [span for span in spans if span.trace in retained]
    if "order" in options:
        random = np.random.default_rng(options["order"])
        chosen = [chosen[i] for i in random.permutation(len(chosen))]
        graph = CallGraph(graph.at, graph.seconds, tuple(graph.edges[i] for i in random.permutation(len(graph.edges))))
    inputs = AttributionInputs(
        at=at,
        since=since,
        graph=graph,
        usual_graph=usual,
        traces=TraceSet(at, after, tuple(chosen), truncated=True),
        judgement=judgement,
        changes=changes_of(view),
        placements=seats_of(view),
    )
    return Case(name, variant, after, _truth(recording, replay), inputs)


def _truth(recording: Recording, replay: Replay) -> str:
    truth = recording.truth
    if truth["kind"] == "pod":
        return f"pod shop/{replay.name(truth['pod'])}"
    if truth["kind"] == "revision":
        return f"revision shop/{truth['workload']}"
    if truth["kind"] == "workload":
        return f"workload shop/{truth['workload'].rsplit('-', 1)[0]}"
    return "unknown"


def _judged(replay: Replay, after: float) -> Judgement:
    found = None
    for seconds, judgement in replay.judged(EngineSettings(tick=replay.tick)):
        if seconds > after:
            break
        found = judgement
    assert found is not None
    return found


def _graph(recording: Recording, begin: float, end: float, thin: float) -> CallGraph:
    """Increments of the callers' and the callees' counters between two instants."""
    random = np.random.default_rng(11)
    low, high = np.searchsorted(recording.times, [begin, end])
    high = min(int(high), len(recording.times) - 1)
    sums: dict[tuple[ServiceRef, ServiceRef], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in recording.requests:
        labels, values = one.labels, np.nan_to_num(one.values)
        grown = max(float(values[high] - values[low]), 0.0)
        grown = float(random.binomial(int(grown), thin)) if thin < 1.0 else grown
        code, flags, side = labels["response_code"], labels["response_flags"], labels["reporter"]
        caller = ServiceRef(labels["source_workload_namespace"], labels["source_canonical_service"])
        callee = ServiceRef(labels["destination_service_namespace"], labels["destination_canonical_service"])
        if caller.name == "unknown":
            caller = ServiceRef("", "unknown")
        kind = request_class(code, flags)
        if kind is RequestClass.EXCLUDED or callee.name == "unknown":
            continue
        row = sums[(caller, callee)]
        row[side] += grown
        if kind is RequestClass.ERROR:
            row[f"{side} errors"] += grown
            if side == "source":
                row["unreached" if is_unreached(code, flags) else "answered"] += grown
    edges = []
    for (caller, callee), row in sums.items():
        told = row["source"] > 0.0
        by_flag = {"": row["answered"], "UF": row["unreached"]} if told else {}
        side = "source" if told else "destination"
        sources = frozenset({EdgeSource.METRICS})
        seen = (row["destination"], row["destination errors"])
        edges.append(Edge(caller, callee, row[side], row[f"{side} errors"], by_flag, *seen, sources=sources))
    return CallGraph(end, end - begin, tuple(edges))


@cache
def _spans(name: str) -> tuple[Span, ...]:
    """The recording's traces in the older of the two formats, each span once."""
    answers = json.loads(lzma.decompress((LAB / name / "jaeger.json.xz").read_bytes()))
    found: dict[tuple[str, str], Span] = {}
    for key, answer in sorted(answers.items()):
        for trace in answer["data"] if key != "services" else ():
            for span in trace["spans"]:
                found[(span["traceID"], span["spanID"])] = _span(span)
    return tuple(found.values())


def _span(span: Mapping[str, Any]) -> Span:
    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
    pod, _, namespace = tags["node_id"].split("~")[2].rpartition(".")
    code, flags = str(tags.get("http.status_code", "")), tags.get("response_flags", "")
    return Span(
        trace=span["traceID"],
        span=span["spanID"],
        parent=span["references"][0]["spanID"] if span["references"] else "",
        side=SpanSide(tags["span.kind"]),
        namespace=namespace,
        service=tags["istio.canonical_service"],
        pod=pod,
        workload="",
        node="",
        peer=tags.get("upstream_cluster.name", ""),
        operation=span["operationName"],
        start=span["startTime"] / 1e6,
        seconds=span["duration"] / 1e6,
        error=request_class(code, flags) is RequestClass.ERROR,
        code=code,
        flags=flags,
    )


def _renamed(span: Span, replay: Replay) -> Span:
    return Span(**{name: getattr(span, name) for name in Span.__slots__ if name != "pod"}, pod=replay.name(span.pod))
