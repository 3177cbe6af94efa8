"""Laws of the blame under input that no sound mesh would tell: any tree, any clock, any count, doubled and shuffled."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from observer.domain.attribution import AffectedService, Attribution, AttributionInputs, CauseKind, Measure, Placement
from observer.domain.graph import Edge
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.suspect import Suspect
from observer.domain.traces import Span, SpanSide, TraceSet
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.removal import permits_removal
from observer.engine.attribution.trees import downwards, trees
from tests.support.builders import NOW, SHOP, judgement, pod, suspect
from tests.support.incidents import METRICS, graph, placement, ref

NAMES = ("a", "b", "c")
IDS = ("1", "2", "3", "4", "5")
FEW = settings(max_examples=60, deadline=None)
counts = st.floats(0.0, 1e15) | st.sampled_from([0.0, 1.0, 1e15, 5e-324])


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Ids that collide, parents anywhere, clocks anywhere, pods of any service."""
    service = draw(st.sampled_from(["", *NAMES, "каталог\u2028"]))
    return Span(
        trace=draw(st.sampled_from(["t", "u"])),
        span=draw(st.sampled_from(IDS)),
        parent=draw(st.sampled_from(["", *IDS, "elsewhere"])),
        side=draw(st.sampled_from(list(SpanSide))),
        namespace=draw(st.sampled_from([SHOP, "", "other"])),
        service=service,
        pod=draw(st.sampled_from(["", f"{service}-1", f"{service}-2"])),
        workload="",
        node="",
        peer=draw(st.sampled_from(["", "b", "10.0.0.9:80"])),
        operation=draw(st.sampled_from(["", "GET", "PUT"])),
        start=NOW + draw(st.sampled_from([0.0, 0.5, -1e9, 1e9, -NOW])),
        seconds=draw(st.sampled_from([0.0, 0.25, 1.0, 1e8])),
        error=draw(st.booleans()),
    )


@st.composite
def counted(draw: st.DrawFn) -> Edge:
    ends = st.sampled_from([ref(name) for name in NAMES] + [ServiceRef("", "unknown")])
    flags = draw(st.dictionaries(st.sampled_from(["", "-", "UF", "URX", "URX,UF", "DC"]), counts, max_size=3))
    return Edge(
        draw(ends), draw(ends), draw(counts), draw(counts), flags,
        draw(st.none() | counts), draw(st.none() | counts), sources=METRICS,
    )  # fmt: skip


forests = st.lists(spans(), max_size=14).map(tuple)
ledgers = st.lists(counted(), max_size=6).map(tuple)


@st.composite
def incidents(draw: st.DrawFn) -> AttributionInputs:
    return AttributionInputs(
        at=NOW,
        target=draw(st.none() | st.builds(AffectedService, st.just(ref("a")), st.sampled_from(list(Measure)))),
        graph=draw(st.none() | ledgers.map(lambda edges: graph(*edges))),
        usual_graph=draw(st.none() | ledgers.map(lambda edges: graph(*edges))),
        traces=TraceSet(NOW, 60.0, draw(forests)),
        usual_traces=draw(st.none() | forests.map(lambda some: TraceSet(NOW - 60.0, 60.0, some))),
        judgement=draw(st.none() | st.just(judgement(suspects=[suspect(pod("a-1"))]))),
        placements=_seats(),
    )


def _seats() -> dict[tuple[str, str], Placement]:
    return dict(placement(name, number, node=f"n{number}") for name in NAMES for number in (1, 2))


@FEW
@given(inputs=incidents())
def test_anything_gives_probabilities_and_nobody_is_killed_for_spans(inputs: AttributionInputs) -> None:
    found = attribute(inputs)

    assert math.isclose(math.fsum(one.probability for one in found.ranked), 1.0, abs_tol=1e-9)
    assert all(math.isfinite(one.score) and 0.0 <= one.inherited <= 1.0 for one in found.ranked)
    assert all(math.isfinite(line.score) for one in found.ranked for line in one.lines)
    if inputs.judgement is None:
        pods = [one.cause.pod for one in found.ranked if one.cause.kind is CauseKind.POD and one.cause.pod]
        assert not any(permits_removal(found, one).allowed for one in pods)


@FEW
@given(inputs=incidents(), random=st.randoms(use_true_random=False))
def test_order_and_doubles_do_not_matter(inputs: AttributionInputs, random: Random) -> None:
    assert inputs.traces is not None
    told = list(inputs.traces.spans) * 2
    random.shuffle(told)
    edges = list(inputs.graph.edges) if inputs.graph is not None else []
    random.shuffle(edges)
    other = replace(
        inputs,
        traces=replace(inputs.traces, spans=tuple(told)),
        graph=graph(*edges) if inputs.graph is not None else None,
    )

    assert _rounded(attribute(inputs)) == _rounded(attribute(other))


def _rounded(found: Attribution) -> dict[str, float]:
    return {str(one.cause): round(one.probability, 6) for one in found.ranked}


@FEW
@given(some=forests)
def test_every_tree_is_a_tree(some: tuple[Span, ...]) -> None:
    """Each span is called at most once, no span calls itself by any way, own time is a part of its length."""
    for nodes in trees(TraceSet(NOW, 60.0, some)):
        called = [id(child) for node in nodes for child in node.children]
        assert len(called) == len(set(called)) < len(nodes)
        assert sorted(map(id, downwards(nodes))) == sorted(map(id, nodes))
        assert all(0.0 <= node.own <= node.span.seconds for node in nodes)


@FEW
@given(
    score=st.floats(9.0, 40.0),
    more=st.floats(0.0, 40.0),
    bad=st.integers(10, 200),
    others=st.lists(st.tuples(st.sampled_from(["a-2", "b-1", "c-1"]), st.floats(9.0, 40.0)), max_size=3),
    calls=ledgers,
)
def test_more_nats_against_a_pod_never_clear_it(
    score: float, more: float, bad: int, others: list[tuple[str, float]], calls: tuple[Edge, ...]
) -> None:
    rivals = [_doubt(name, amount, 50) for name, amount in others]
    before, after = (
        _sure(attribute(AttributionInputs(at=NOW, graph=graph(*calls), judgement=judgement(suspects=[one, *rivals]))))
        for one in (_doubt("a-1", score, bad), _doubt("a-1", score + more, bad))
    )

    assert after >= before - 1e-12


def _doubt(name: str, score: float, bad: int) -> Suspect:
    one = suspect(pod(name))
    return replace(one, evidence=replace(one.evidence, score=score, bad=float(bad), requests=400.0))


def _sure(found: Attribution) -> float:
    mine = PodRef(SHOP, "a-1", "uid-a-1")
    return sum(one.probability for one in found.ranked if one.cause.pod == mine)
