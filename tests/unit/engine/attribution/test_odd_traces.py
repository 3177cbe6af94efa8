"""Traces that no sound tracer would tell: circles, doubles, two clocks. They never break the answer."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from observer.domain.attribution import AffectedService, AttributionInputs, Measure
from observer.domain.traces import Span, SpanSide, TraceSet
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.trees import downwards, trees
from tests.support.builders import NOW, SHOP
from tests.support.incidents import call, first, named, ref, traced

PATH = (("front", 1), ("cart", 1), ("store", 1))


def span(name: str, parent: str, start: float, seconds: float, service: str = "cart", **changes: Any) -> Span:
    plain = Span(
        "t", name, parent, SpanSide.INTERNAL, SHOP, service, f"{service}-1", "", "", "", name, NOW + start, seconds,
        error=False,
    )  # fmt: skip
    return replace(plain, **changes)


def own(spans: list[Span] | tuple[Span, ...]) -> dict[str, float]:
    (nodes,) = trees(TraceSet(NOW, 60.0, tuple(spans)))
    return {node.span.span: node.own for node in nodes}


def usual() -> TraceSet:
    return traced(*(call(f"u{number}", PATH, start=NOW - 600.0 + number) for number in range(60)))


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("service", ["cart", "front"])
def test_a_circle_of_parents_ends(size: int, service: str) -> None:
    """Every one of them is seen, one of them is the root, and the answer comes at all."""
    circle = [span(f"s{i}", f"s{(i + 1) % size}", 0.0, 1.0, service, error=True) for i in range(size)]
    tail = span("tail", "s0", 0.0, 1.0, "cart", operation="new", error=True)
    (nodes,) = trees(TraceSet(NOW, 60.0, (*circle, tail)))

    assert len(nodes) == size + 1
    assert sum(len(node.children) for node in nodes) == size
    found = attribute(AttributionInputs(at=NOW, traces=TraceSet(NOW, 60.0, (*circle, tail)), usual_traces=usual()))
    assert sum(one.probability for one in found.ranked) == pytest.approx(1.0)


def test_downwards_puts_callers_first_whatever_their_clocks_say() -> None:
    spans = [replace(one, start=NOW - i) for i, one in enumerate(reversed(call("t", PATH)))]
    (nodes,) = trees(traced(spans))

    seen: set[int] = set()
    for node in downwards(nodes):
        assert not any(id(child) in seen for child in node.children)
        seen.add(id(node))
    assert len(seen) == len(spans)


def test_a_long_chain_of_odd_calls_is_looked_at_once() -> None:
    """Each of them breaks a habit; walking up from each of them would take hours."""
    usually = [span(f"{t}-{i}", "", -600.0, 0.1, trace=f"u{t}", operation="work") for t in range(30) for i in range(20)]
    chain = [span(f"s{i}", f"s{i - 1}", 0.0, 1.0, operation="work") for i in range(30_000)]
    found = attribute(
        AttributionInputs(
            at=NOW, traces=TraceSet(NOW, 60.0, tuple(chain)), usual_traces=TraceSet(NOW, 60.0, tuple(usually))
        )
    )

    assert first(found) == "workload shop/cart"


def test_a_span_that_is_given_twice_is_one_span() -> None:
    """The very same object as well: an answer that is joined to itself is no second request."""
    once = span("a", "", 0.0, 1.0)
    (nodes,) = trees(TraceSet(NOW, 60.0, (once, once, replace(once))))

    assert [node.span for node in nodes] == [once]


def test_both_ends_of_a_call_may_share_one_id() -> None:
    spans = [
        span("a", "", 0.0, 1.0, "front", side=SpanSide.SERVER),
        span("b", "a", 0.1, 0.8, "front", side=SpanSide.CLIENT),
        span("b", "a", 0.2, 0.6, "cart", side=SpanSide.SERVER),
        span("c", "b", 0.3, 0.1, "cart", side=SpanSide.CLIENT),
    ]
    for order in permutations(spans):
        (nodes,) = trees(TraceSet(NOW, 60.0, order))
        shape = {(node.span.span, node.span.side): sorted(child.span.span for child in node.children) for node in nodes}
        assert shape == {
            ("a", SpanSide.SERVER): ["b"],
            ("b", SpanSide.CLIENT): ["b"],
            ("b", SpanSide.SERVER): ["c"],
            ("c", SpanSide.CLIENT): [],
        }
        answered = next(node for node in nodes if node.span.span == "b" and node.span.side is SpanSide.CLIENT)
        assert answered.answered is not None and answered.own == pytest.approx(0.2)


def test_doubles_give_one_answer_in_any_order() -> None:
    double = [span("a", "", 0.0, 1.0), span("a", "", 0.0, 2.0), span("a", "", 0.0, 1.0, error=True)]
    retained = {
        str([(node.span.seconds, node.span.error) for node in nodes])
        for order in permutations(double)
        for nodes in trees(TraceSet(NOW, 60.0, order))
    }
    assert len(retained) == 1


@pytest.mark.parametrize("skew", [-3600.0, -0.05, 0.0, 0.05, 3600.0])
def test_another_pods_clock_moves_no_time_to_its_caller(skew: float) -> None:
    """Only servers report: the caller's own time is what is left of its span, whatever the callee's clock says."""
    spans = [
        span("a", "", 0.0, 1.0, "front", side=SpanSide.SERVER),
        span("b", "a", 0.2 + skew, 0.6, "cart", side=SpanSide.SERVER),
    ]
    assert own(spans) == pytest.approx({"a": 0.4, "b": 0.6})


def test_calls_to_several_others_are_all_taken_off() -> None:
    """Without sides: one span that waited for two others one after the other, and one that is still at work."""
    spans = [
        span("a", "", 0.0, 1.0, "front"),
        span("b", "a", 0.1, 0.3, "cart"),
        span("c", "a", 0.5, 0.4, "store"),
    ]
    assert own(spans) == pytest.approx({"a": 0.3, "b": 0.3, "c": 0.4})


def test_who_is_slow_is_named_whatever_the_clocks_say() -> None:
    def told(begin: float, store: float) -> list[Span]:
        name = f"{begin}"
        return [
            span("a", "", begin, 0.1 + store, "front", trace=name, side=SpanSide.SERVER),
            span("b", "a", begin + 40.0, 0.05 + store, "cart", trace=name, side=SpanSide.SERVER),
            span("c", "b", begin - 40.0, store, "store", trace=name, side=SpanSide.SERVER),
        ]

    before = [told(number - 900.0, 0.02) for number in range(120)]
    now = [told(float(number), 0.5) for number in range(40)]
    found = attribute(
        AttributionInputs(
            at=NOW,
            target=AffectedService(ref("front"), Measure.LATENCY),
            traces=traced(*now),
            usual_traces=traced(*before),
        )
    )

    assert first(found) == "workload shop/store"
    assert found.ranked[0].probability > 0.9


def test_a_span_without_a_service_is_passed_over() -> None:
    spans = [
        replace(one, service="" if one.service == "cart" else one.service) for one in call("t", PATH, fails="store")
    ]
    found = attribute(AttributionInputs(at=NOW, traces=traced(spans), usual_traces=usual()))

    assert not any("shop/cart" in name or name.endswith("/") for name in named(found))
