"""Missing sources, forged spans, namesakes and circles: each makes the answer doubt more, none makes it wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.domain.attribution import Attribution, AttributionInputs, CauseKind
from observer.domain.suspect import Judgement
from observer.domain.traces import TraceSet
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.posterior import seats_of
from observer.engine.attribution.removal import permits_removal
from tests.support.builders import NOW, SHOP, catalog, cluster, health, judgement, pod, suspect
from tests.support.incidents import call, calm, edge, first, graph, named, ref, traced

SICK = pod("catalog-1")
PODS = catalog(4)
EDGES = (edge("", "front", errors=90.0), edge("front", "catalog", errors=90.0))


def told(*, sick: int, count: int = 80, start: float = NOW, share: int = 4) -> TraceSet:
    """Calls of ``front`` to four pods; those of pod ``sick`` fail."""
    requests = []
    for number in range(count):
        place = 1 + number % share
        path = (("front", 1 + number % 2), ("catalog", place))
        fails = "catalog" if place == sick else ""
        requests.append(call(f"{start}-{number}", path, start=start + 0.1 * number, fails=fails))
    return traced(*requests)


def judged(*, complete: bool = True) -> Judgement:
    return judgement(suspects=[suspect(SICK)], services=health(PODS), complete=complete)


FULL = AttributionInputs(
    at=NOW,
    graph=graph(*EDGES),
    usual_graph=calm(("", "front"), ("front", "catalog")),
    traces=told(sick=1),
    usual_traces=told(sick=0, start=NOW - 900.0),
    judgement=judged(),
    placements=seats_of(cluster(PODS)),
)


def test_everything_together_names_the_pod() -> None:
    assert first(attribute(FULL)) == "pod shop/catalog-1"
    assert permits_removal(attribute(FULL), SICK.ref).allowed


@pytest.mark.parametrize(
    "without",
    [
        {"graph": None, "usual_graph": None},
        {"traces": None, "usual_traces": None},
        {"graph": None, "usual_graph": None, "traces": None, "usual_traces": None},
        {"judgement": judged(complete=False)},
    ],
    ids=["graph", "traces", "both", "a part of the pods"],
)
def test_whatever_is_missing_it_still_answers_and_doubts_more(without: dict[str, Any]) -> None:
    found = attribute(replace(FULL, **without))

    assert first(found) == "pod shop/catalog-1"
    assert found.unknown > attribute(FULL).unknown
    assert len(found.gaps) > len(attribute(FULL).gaps)


def test_the_more_is_missing_the_more_it_doubts() -> None:
    graph_only = attribute(replace(FULL, traces=None, usual_traces=None))
    neither = attribute(replace(FULL, traces=None, usual_traces=None, graph=None, usual_graph=None))

    assert neither.unknown > graph_only.unknown


@pytest.mark.parametrize("counters", [True, False], ids=["the counters see trouble", "nobody counts"])
def test_spans_alone_kill_nobody(counters: bool) -> None:
    """Whoever may send spans to the collector writes what they like, with any pod's name on it."""
    forged = AttributionInputs(
        at=NOW,
        traces=told(sick=2, count=4000),
        usual_traces=told(sick=0, count=400, start=NOW - 900.0),
        graph=FULL.graph if counters else None,
        usual_graph=FULL.usual_graph if counters else None,
        placements=FULL.placements,
    )
    found = attribute(forged)
    named_pod = PODS[1]

    assert first(found) == f"pod {SHOP}/{named_pod.ref.name}"
    reasons = permits_removal(found, named_pod.ref).reasons
    assert any(reason.startswith("spans_only") for reason in reasons)


def test_forged_spans_turn_no_suspicion_onto_another_pod() -> None:
    """The counters name one pod; thousands of spans that name another permit neither."""
    found = attribute(replace(FULL, traces=told(sick=2, count=4000)))

    assert not permits_removal(found, PODS[1].ref).allowed


def test_spans_of_an_earlier_pod_of_the_same_name_are_not_held_against_it() -> None:
    """The StatefulSet's pod was replaced a minute ago; the traces still show its predecessor."""
    old = told(sick=1, start=NOW - 300.0)
    fresh = [replace(one, created=NOW - 60.0) if one.ref == SICK.ref else one for one in PODS]
    asked = replace(FULL, traces=old, judgement=None)

    assert first(attribute(asked)) == "pod shop/catalog-1"
    found = attribute(replace(asked, placements=seats_of(cluster(fresh))))
    assert "pod shop/catalog-1" not in named(found)
    assert first(found) == "workload shop/catalog"


def test_who_calls_each_other_in_a_circle_are_all_victims_as_far_as_one_can_tell() -> None:
    """Names must not decide it: whichever of the two comes first in the alphabet."""
    for one, other in (("a", "b"), ("b", "a")):
        calls = (edge("", one, errors=100.0), edge(one, other, errors=100.0), edge(other, one, errors=100.0))
        doubtful = suspect(pod(f"{other}-1"))
        found = attribute(
            AttributionInputs(
                at=NOW,
                graph=graph(*calls),
                usual_graph=calm(("", one), (one, other), (other, one)),
                judgement=judgement(suspects=[doubtful]),
            )
        )
        assert not permits_removal(found, doubtful.culprit.pod or SICK.ref).allowed


def test_a_pod_without_a_namespace_is_nobodys_pod() -> None:
    """An application that does not tell its namespace: its service is named, its pod cannot be killed."""
    nameless = [replace(one, namespace="") for one in FULL.traces.spans] if FULL.traces else []
    found = attribute(
        AttributionInputs(at=NOW, traces=TraceSet(NOW, 60.0, tuple(nameless)), placements=FULL.placements)
    )

    assert all(not one.cause.pod.uid for one in found.ranked if one.cause.kind is CauseKind.POD and one.cause.pod)
    assert not any(permits_removal(found, one.ref).allowed for one in PODS)


def _sure(found: Attribution, name: str) -> float:
    return named(found).get(name, 0.0)


@pytest.mark.parametrize("step", range(5))
def test_more_failing_spans_of_a_pod_never_make_it_less_likely(step: int) -> None:
    few, more = (replace(FULL, traces=told(sick=1, count=20 * (step + extra + 1))) for extra in (0, 1))

    assert _sure(attribute(more), "pod shop/catalog-1") >= _sure(attribute(few), "pod shop/catalog-1") - 1e-12


def test_unicode_names_are_names() -> None:
    odd = "каталог-\u2028-\U0001f408"
    calls = (edge("", odd, errors=90.0),)
    found = attribute(AttributionInputs(at=NOW, graph=graph(*calls), usual_graph=calm(("", odd))))

    assert found.ranked[0].cause.service == ref(odd)
