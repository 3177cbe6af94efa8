"""Laws of the blame that hold whatever happened."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from observer.domain.attribution import AffectedService, AttributionInputs, CauseKind, Measure, RankedCause, Reading
from observer.domain.graph import CallGraph, Edge
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.evidence import ServiceEvidence
from observer.engine.attribution.posterior import posterior
from observer.engine.attribution.removal import permits_removal
from tests.support.builders import NOW, SHOP, judgement, pod, suspect
from tests.support.incidents import METRICS, call, graph, named, ref, series, traced

NAMES = ("a", "b", "c", "d", "e")
FEW = settings(max_examples=40, deadline=None)


@st.composite
def edges(draw: st.DrawFn) -> tuple[Edge, ...]:
    """Any calls among five services, circles included."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=8, unique=True))
    found = []
    for caller, callee in pairs:
        requests = float(draw(st.integers(0, 2000)))
        errors = float(draw(st.integers(0, int(requests))))
        lost = float(draw(st.integers(0, int(errors))))
        flags = {"": errors - lost, "UF": lost} if draw(st.booleans()) else {}
        found.append(Edge(ref(caller), ref(callee), requests, errors, flags, sources=METRICS))
    return tuple(found)


@st.composite
def incidents(draw: st.DrawFn) -> AttributionInputs:
    """Calls, a few traces, a few series, perhaps suspects and a target."""
    requests = []
    for number in range(draw(st.integers(0, 6))):
        path = tuple(
            (name, draw(st.integers(1, 2))) for name in draw(st.permutations(NAMES))[: draw(st.integers(1, 4))]
        )
        fails = draw(st.sampled_from(["", *(name for name, _ in path)]))
        requests.append(call(f"t{number}", path, start=NOW + number, fails=fails))
    readings = tuple(
        series(name, draw(st.sampled_from(list(Measure))), 0.1, draw(st.floats(0.05, 0.9)), points=4)
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    )
    suspects = [suspect(pod(f"{name}-1")) for name in draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))]
    target = (
        AffectedService(ref("a"), draw(st.sampled_from([Measure.ERROR_RATE, Measure.LATENCY])))
        if draw(st.booleans())
        else None
    )
    return AttributionInputs(
        at=NOW,
        graph=graph(*draw(edges())),
        traces=traced(*requests),
        usual_traces=traced(*(call(f"u{i}", (("a", 1), ("b", 1)), start=NOW - 90.0 + i) for i in range(40))),
        readings=readings,
        judgement=judgement(suspects=suspects) if draw(st.booleans()) else None,
        target=target,
    )


@FEW
@given(inputs=incidents())
def test_probabilities_sum_to_one_and_unknown_is_always_there(inputs: AttributionInputs) -> None:
    found = attribute(inputs)

    assert math.isclose(math.fsum(one.probability for one in found.ranked), 1.0, abs_tol=1e-9)
    assert sum(one.cause.kind is CauseKind.UNKNOWN for one in found.ranked) == 1
    assert all(0.0 <= one.probability <= 1.0 and 0.0 <= one.inherited <= 1.0 for one in found.ranked)
    assert [one.probability for one in found.ranked] == sorted((one.probability for one in found.ranked), reverse=True)


@FEW
@given(inputs=incidents(), random=st.randoms(use_true_random=False))
def test_the_order_of_what_is_known_does_not_matter(inputs: AttributionInputs, random: Random) -> None:
    assert inputs.graph is not None
    assert inputs.traces is not None
    calls, spans, readings = list(inputs.graph.edges), list(inputs.traces.spans), list(inputs.readings)
    for part in (calls, spans, readings):
        random.shuffle(part)
    other = replace(
        inputs,
        graph=CallGraph(NOW, 60.0, tuple(calls)),
        traces=replace(inputs.traces, spans=tuple(spans)),
        readings=tuple(readings),
    )

    told, again = named(attribute(inputs)), named(attribute(other))
    assert told.keys() == again.keys()
    assert all(math.isclose(told[cause], again[cause], abs_tol=1e-9) for cause in told)


@FEW
@given(inputs=incidents())
def test_names_have_no_meaning(inputs: AttributionInputs) -> None:
    """Renamed so that their order stays: the same answer under other names."""
    other = _renamed(inputs)

    told = {cause.replace(f"{SHOP}/", f"{SHOP}/x-"): sure for cause, sure in named(attribute(inputs)).items()}
    again = named(attribute(other))
    assert told.keys() == again.keys()
    assert all(math.isclose(told[cause], again[cause], abs_tol=1e-9) for cause in told)


def _renamed(inputs: AttributionInputs) -> AttributionInputs:
    def one(service: ServiceRef) -> ServiceRef:
        return ServiceRef(service.namespace, f"x-{service.name}")

    def span(old: Span) -> Span:
        peer = f"x-{old.peer}" if old.peer else ""
        return replace(old, service=f"x-{old.service}", pod=f"x-{old.pod}", operation=f"x-{old.operation}", peer=peer)

    assert inputs.graph is not None
    assert inputs.traces is not None
    assert inputs.usual_traces is not None
    suspects = [suspect(pod(f"x-{one.culprit.name}")) for one in inputs.judgement.suspects] if inputs.judgement else []
    return replace(
        inputs,
        graph=graph(*(replace(each, caller=one(each.caller), callee=one(each.callee)) for each in inputs.graph.edges)),
        traces=replace(inputs.traces, spans=tuple(map(span, inputs.traces.spans))),
        usual_traces=replace(inputs.usual_traces, spans=tuple(map(span, inputs.usual_traces.spans))),
        readings=tuple(replace(each, service=one(each.service)) for each in inputs.readings),
        judgement=judgement(suspects=suspects) if inputs.judgement else None,
        target=replace(inputs.target, service=one(inputs.target.service)) if inputs.target else None,
    )


shares = st.floats(0.0, 1.0)


@settings(max_examples=200, deadline=None)
@given(score=st.floats(0.0, 12.0), more=st.floats(0.0, 12.0), mine=shares, rest=shares)
def test_more_evidence_never_makes_a_cause_less_likely(score: float, more: float, mine: float, rest: float) -> None:
    """With the same share of a surer trouble, the cause that holds the greatest share gains."""
    other = min(rest, 1.0 - mine)
    assume(mine >= other and mine >= 1.0 - mine - other)
    split = {ref("a"): mine, ref("b"): other}

    before = _sure(posterior([ServiceEvidence("errors", score, split)], (), ()))
    after = _sure(posterior([ServiceEvidence("errors", score + more, split)], (), ()))
    assert after >= before - 1e-12


def _sure(ranked: Iterable[RankedCause]) -> float:
    return next((one.probability for one in ranked if one.cause.service == ref("a")), 0.0)


@FEW
@given(
    errors=st.integers(10, 400),
    requests=st.integers(400, 5000),
    depth=st.integers(1, 4),
    score=st.floats(0.0, 60.0),
    level=st.floats(0.0, 1.0),
)
def test_a_victim_whose_dependency_explains_everything_is_never_killed(
    errors: int, requests: int, depth: int, score: float, level: float
) -> None:
    chain = NAMES[: depth + 1]
    calls = [
        Edge(ref(caller), ref(callee), float(requests), float(errors), sources=METRICS)
        for caller, callee in zip(("z", *chain), chain, strict=False)
    ]
    usual = [replace(each, errors=0.0) for each in calls]
    for name in chain[:-1]:
        one = pod(f"{name}-1")
        doubt = suspect(one)
        strong = replace(doubt, evidence=replace(doubt.evidence, score=score, bad=doubt.evidence.requests * level))
        found = attribute(
            AttributionInputs(
                at=NOW, graph=graph(*calls), usual_graph=graph(*usual), judgement=judgement(suspects=[strong])
            )
        )
        assert not permits_removal(found, one.ref).allowed


@FEW
@given(
    values=st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=40),
    usual=st.lists(st.floats(1e-4, 10.0), min_size=8, max_size=60),
)
def test_any_series_gives_a_finite_answer(values: list[float], usual: list[float]) -> None:
    reading = Reading(
        ref("a"), Measure.LATENCY, np.array(usual), NOW + np.arange(len(values), dtype=np.float64), np.array(values)
    )
    found = attribute(AttributionInputs(at=NOW, target=AffectedService(ref("a"), Measure.LATENCY), readings=(reading,)))

    assert all(math.isfinite(one.score) for one in found.ranked)
