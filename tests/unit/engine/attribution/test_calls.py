"""The ledger of calls: inherited errors, lost calls, strangers, and graphs of several sources."""

from __future__ import annotations

from typing import Any

import pytest

from observer.domain.attribution import AffectedService, Attribution, AttributionInputs, Measure
from observer.domain.graph import Edge, EdgeSource
from observer.domain.ids import ServiceRef
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.calls import flow, union
from tests.support.builders import NOW
from tests.support.incidents import calm, edge, first, graph, named, ref

CHAIN = (("", "front"), ("front", "cart"), ("cart", "store"))


def asked(*edges: Edge, **changes: Any) -> Attribution:
    return attribute(AttributionInputs(at=NOW, graph=graph(*edges), usual_graph=calm(*CHAIN), **changes))


def test_the_deepest_service_that_fails_is_blamed_and_its_callers_are_victims() -> None:
    found = asked(
        edge("", "front", errors=100.0), edge("front", "cart", errors=100.0), edge("cart", "store", errors=100.0)
    )

    assert first(found) == "workload shop/store"
    assert found.ranked[0].probability > 0.99
    assert all(one.inherited == 0.0 for one in found.culprits if one.cause.service == ref("store"))


def test_errors_beyond_those_of_the_callees_are_ones_own() -> None:
    found = asked(
        edge("", "front", errors=300.0), edge("front", "cart", errors=30.0), edge("cart", "store", errors=30.0)
    )

    assert first(found) == "workload shop/front"
    front = found.ranked[0]
    assert front.inherited == pytest.approx(0.1, abs=0.02)


def test_quiet_calls_blame_nobody() -> None:
    found = asked(edge("", "front", errors=1.0), edge("front", "cart"), edge("cart", "store"))

    assert first(found) == "unknown"
    assert found.culprits == ()


def test_calls_that_only_one_caller_loses_are_the_ways_fault() -> None:
    lost = {"UF": 200.0}
    found = asked(
        edge("front", "store", errors=0.0),
        edge("front", "cart"),
        edge("cart", "store", errors=200.0, errors_by_flag=lost),
    )

    assert first(found) == "edge shop/cart -> shop/store"


def test_calls_that_every_caller_loses_are_the_callees_fault() -> None:
    lost = {"UF": 200.0}
    found = asked(
        edge("front", "store", errors=200.0, errors_by_flag=lost),
        edge("front", "cart"),
        edge("cart", "store", errors=200.0, errors_by_flag=lost),
    )

    assert first(found) == "workload shop/store"


def test_with_one_caller_way_and_callee_cannot_be_told_apart() -> None:
    found = asked(edge("front", "cart"), edge("cart", "store", errors=200.0, errors_by_flag={"UF": 200.0}))

    told = named(found)
    assert told["edge shop/cart -> shop/store"] == pytest.approx(told["workload shop/store"])
    assert first(found) == "edge shop/cart -> shop/store"


def test_errors_that_the_callee_did_not_count_never_reached_it() -> None:
    both: dict[str, Any] = {"errors": 200.0, "callee_errors": 200.0}
    counted = asked(edge("front", "store", **both), edge("cart", "store", **both))
    missing = asked(edge("front", "store"), edge("cart", "store", errors=200.0, callee_errors=0.0))

    assert first(counted) == "workload shop/store"
    assert first(missing) == "edge shop/cart -> shop/store"


def test_what_the_callee_counted_did_reach_it_whatever_the_flags_say() -> None:
    """Its process broke off the answer: the caller's proxy says UC, and so does the callee's own."""
    failed: dict[str, Any] = {"errors": 200.0, "errors_by_flag": {"UC": 200.0}, "callee_errors": 200.0}
    found = asked(edge("front", "store", **failed), edge("cart", "store", **failed))

    assert first(found) == "workload shop/store"
    assert "edge shop/cart -> shop/store" not in named(found)


@pytest.mark.parametrize("flag", ["", "-", "URX"])
def test_answers_by_any_spelling_are_no_lost_calls(flag: str) -> None:
    failed: dict[str, Any] = {"errors": 200.0, "errors_by_flag": {flag: 200.0}}
    found = asked(edge("front", "store", **failed), edge("cart", "store", **failed))

    assert first(found) == "workload shop/store"
    assert not any(name.startswith("edge") for name in named(found))


def test_calls_that_were_always_lost_are_no_news() -> None:
    """A client that always resets a part of its calls; somewhere else the trouble begins."""
    resets = edge("cart", "mail", 5000.0, 500.0, errors_by_flag={"UC": 500.0})
    usual = graph(*calm(*CHAIN).edges, resets)
    now = (edge("front", "cart", errors=90.0), edge("cart", "store", errors=90.0), resets)
    found = attribute(AttributionInputs(at=NOW, graph=graph(*now), usual_graph=usual))

    assert first(found) == "workload shop/store"
    assert not any("mail" in name for name in named(found))


def test_trouble_elsewhere_makes_nothing_surer_about_the_target() -> None:
    """One stray error more at the target, and a disaster at a service that it never calls."""
    stray = (edge("", "front", 1000.0, 3.0), edge("front", "cart"), edge("cart", "store"))
    target = AffectedService(ref("front"), Measure.ERROR_RATE)
    alone = asked(*stray, target=target)
    beside = asked(*stray, edge("job", "mail", errors=900.0), target=target)

    assert first(alone) == first(beside) == "unknown"
    assert beside.unknown == pytest.approx(alone.unknown)


def test_noise_of_a_busy_service_outweighs_no_certain_trouble() -> None:
    """A thousandth of a million calls fails as always, give or take; forty calls of the other never failed before."""
    usual = graph(edge("", "busy", 5e6, 5000.0), edge("", "front", 5000.0, 0.0))
    now = (edge("", "busy", 1e6, 1060.0), edge("", "front", 1000.0, 40.0))
    found = attribute(AttributionInputs(at=NOW, graph=graph(*now), usual_graph=usual))

    assert first(found) == "workload shop/front"
    assert found.ranked[0].probability > 0.9


def test_a_service_that_is_called_unknown_is_one_like_others() -> None:
    found = asked(edge("", "unknown", errors=90.0), edge("unknown", "store", errors=90.0))

    assert first(found) == "workload shop/store"
    assert next(one for one in found.ranked if one.cause.service == ref("store")).probability > 0.9


def test_a_callee_that_nobody_observes_is_named_as_external() -> None:
    found = asked(edge("", "front", errors=90.0), edge("front", "mail", errors=90.0), external=frozenset({ref("mail")}))

    assert first(found) == "external shop/mail"


def test_from_the_target_only_what_is_below_it_is_looked_at() -> None:
    target = AffectedService(ref("cart"), Measure.ERROR_RATE)
    found = asked(
        edge("", "front", errors=500.0),
        edge("front", "cart", errors=90.0),
        edge("cart", "store", errors=90.0),
        target=target,
    )

    assert first(found) == "workload shop/store"
    assert "workload shop/front" not in named(found)


def test_without_a_past_it_is_less_certain() -> None:
    edges = (edge("", "front", 200.0, 9.0), edge("front", "cart", 200.0, 9.0))
    known = asked(*edges)
    new = attribute(AttributionInputs(at=NOW, graph=graph(*edges)))

    assert first(known) == first(new) == "workload shop/cart"
    assert new.unknown > known.unknown


def test_one_pair_of_services_is_counted_by_the_most_trusted_source_only() -> None:
    kiali = frozenset({EdgeSource.KIALI})
    merged = union(
        [
            graph(edge("front", "cart", 900.0, 9.0, sources=kiali), edge("cart", "store", 10.0, sources=kiali)),
            None,
            graph(edge("front", "cart", 1000.0, 10.0)),
        ]
    )

    assert merged is not None
    assert [(str(one.callee), one.requests) for one in merged.edges] == [("shop/store", 10.0), ("shop/cart", 1000.0)]
    assert union([None]) is None


def test_responsibility_is_neither_lost_nor_made() -> None:
    a, b, c = ref("a"), ref("b"), ref("c")
    stay = flow({a: 1.0}, {a: 1.0, b: 2.0, c: 5.0}, {(a, b): 3.0, (b, c): 4.0}, {(a, c): 1.0})

    assert sum(stay.services.values()) + sum(stay.edges.values()) == pytest.approx(1.0)
    assert stay.services[a] == pytest.approx(0.2)
    assert stay.edges[(a, c)] == pytest.approx(0.2)
    assert stay.services[b] == pytest.approx(0.6 * 2 / 6)
    assert stay.inherited[b] == pytest.approx(4 / 6)


def test_calls_in_a_circle_end_where_they_were_entered() -> None:
    a, b = ref("a"), ref("b")
    stay = flow({a: 1.0}, {a: 1.0, b: 1.0}, {(a, b): 3.0, (b, a): 3.0})

    assert stay.services == {a: pytest.approx(0.25), b: pytest.approx(0.75)}


def test_the_world_outside_is_nobodys_cause() -> None:
    found = asked(edge("", "front", errors=200.0))

    assert first(found) == "workload shop/front"
    assert all(one.cause.service != ServiceRef("", "unknown") for one in found.ranked)
