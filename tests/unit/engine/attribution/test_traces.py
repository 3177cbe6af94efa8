"""Traces: where time goes, where failures begin, which calls are missing, and whose pod it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.domain.attribution import AffectedService, Attribution, AttributionInputs, Measure
from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.failures import failures
from observer.engine.attribution.trees import root_seconds, trees
from tests.support.builders import NOW, SHOP
from tests.support.incidents import call, first, named, placement, ref, traced

PATH = (("front", 1), ("cart", 1), ("store", 1))


def span(name: str, parent: str, start: float, seconds: float, *, side: SpanSide = SpanSide.INTERNAL) -> Span:
    return Span("t", name, parent, side, SHOP, "cart", "cart-1", "", "", "", name, NOW + start, seconds, error=False)


def requests(count: int, **changes: Any) -> list[list[Span]]:
    """So many requests, ten milliseconds apart, over two pods of each service."""
    start = changes.pop("start", NOW)
    told = []
    for number in range(count):
        path = tuple((name, 1 + (number + place) % 2) for place, (name, _) in enumerate(PATH))
        told.append(call(f"{start}-{number}", path, start=start + 0.01 * number, **changes))
    return told


def usual() -> TraceSet:
    return traced(*requests(200, start=NOW - 600.0))


def asked(*told: list[Span], **changes: Any) -> Attribution:
    return attribute(AttributionInputs(at=NOW, traces=traced(*told), usual_traces=usual(), **changes))


def test_parallel_children_count_once_and_never_outside_their_parent() -> None:
    spans = (span("a", "", 0, 10), span("b", "a", 1, 4), span("c", "a", 2, 5), span("d", "a", 9, 5))
    (nodes,) = trees(TraceSet(NOW, 60.0, spans))

    own = {node.span.span: node.own for node in nodes}
    assert own["a"] == pytest.approx(10 - (6 + 1))
    assert own["c"] == 5
    assert root_seconds(nodes) == 10


def test_the_way_is_what_the_caller_waited_beyond_the_answer_whatever_the_clocks() -> None:
    spans = call("t", PATH, way={"store": 0.2})
    skewed = [replace(one, start=one.start + 99.0) if one.service == "store" else one for one in spans]
    (nodes,) = trees(traced(skewed))

    late = next(node for node in nodes if node.span.side is SpanSide.CLIENT and node.span.service == "cart")
    assert late.own == pytest.approx(0.2)


def test_who_works_longer_is_blamed_and_who_waits_is_not() -> None:
    found = asked(*requests(60, own={"store": 0.1}))

    assert first(found) == "workload shop/store"
    assert found.ranked[0].probability > 0.95


def test_a_late_way_is_blamed_on_its_end_whose_other_ways_are_late_too() -> None:
    found = asked(*requests(60, way={"cart": 0.1, "store": 0.1}))

    assert first(found) == "workload shop/cart"


def test_a_latency_target_looks_at_no_failures() -> None:
    target = AffectedService(ref("front"), Measure.LATENCY)
    found = asked(*requests(60, fails="store"), target=target)

    assert all(line.word != "failures" for one in found.ranked for line in one.lines)


def test_who_is_not_below_the_target_cannot_hurt_it() -> None:
    told = requests(60, fails="cart")

    assert first(asked(*told, target=AffectedService(ref("front"), Measure.ERROR_RATE))) == "workload shop/cart"
    beside = asked(*told, target=AffectedService(ref("store"), Measure.ERROR_RATE))
    assert first(beside) == "unknown"
    assert "workload shop/cart" not in named(beside)


def test_a_failure_begins_with_the_deepest_span_that_failed() -> None:
    found = asked(*requests(40), *requests(20, start=NOW + 9.0, fails="cart"))

    assert first(found) == "workload shop/cart"
    assert named(found)["workload shop/cart"] > 0.99


def test_a_call_that_nobody_answered_is_the_ways_or_the_callees() -> None:
    found = asked(*requests(40), *requests(20, start=NOW + 9.0, unanswered="store"))

    told = named(found)
    assert told["edge shop/cart -> shop/store"] == pytest.approx(told["workload shop/store"], rel=0.2)
    assert told["edge shop/cart -> shop/store"] + told["workload shop/store"] > 0.9


def test_a_call_to_somebody_never_seen_is_external() -> None:
    lonely = [one for spans in requests(30, unanswered="store") for one in spans]
    found = attribute(AttributionInputs(at=NOW, traces=TraceSet(NOW, 60.0, tuple(lonely))))

    assert first(found) == "external store"


def test_an_operation_that_stops_calling_shows_where_code_broke_off() -> None:
    def retained(one: Span) -> bool:
        return one.service == "front" or (one.service == "cart" and one.side is SpanSide.SERVER)

    cut = [[one for one in spans if retained(one)] for spans in requests(60)]
    found = asked(*cut)

    assert first(found) == "workload shop/cart"
    assert any(line.word == "lost_calls" for line in found.ranked[0].lines)


def test_one_pod_of_two_that_begins_all_failures_is_likelier_than_both() -> None:
    told = []
    for number in range(60):
        pod = 1 + number % 2
        path = (("front", 1), ("cart", pod))
        told.append(call(f"n{number}", path, start=NOW + number, fails="cart" if pod == 1 else ""))
    found = asked(
        *told,
        placements=dict([placement("cart", 1, node="n1"), placement("cart", 2, node="n2"), placement("front", 1)]),
    )

    told_causes = named(found)
    assert first(found) == "pod shop/cart-1"
    assert told_causes["pod shop/cart-1"] > 10.0 * told_causes["workload shop/cart"]
    assert told_causes["node n1"] > 0.05, "with one pod on the node they cannot be told apart by this alone"


def test_how_often_a_callees_failure_fails_its_caller_is_learned() -> None:
    def failed(one: Span) -> bool:
        return one.service == "store" or (one.service == "cart" and one.side is SpanSide.CLIENT)

    retried = [[replace(one, error=failed(one)) for one in spans] for spans in requests(30, fails="store")]
    tolerated = failures(trees(traced(*retried)))
    strict = failures(trees(traced(*requests(30, fails="store"))))

    pair = (ref("cart"), ref("store"))
    assert tolerated.handed_up()[pair] == 0.0
    assert strict.handed_up()[pair] == 1.0
    assert failures(trees(traced(*requests(5, fails="store")))).handed_up() == {}


def test_spans_without_a_service_are_left_out() -> None:
    nameless = Span("t", "x", "", SpanSide.INTERNAL, "", "", "", "", "", "", "", NOW, 1.0, error=True)

    assert trees(TraceSet(NOW, 60.0, (nameless,))) == []
    assert ServiceRef(SHOP, "cart") == ref("cart")
