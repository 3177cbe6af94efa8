"""Who asks and who answers: lone callers, waiting for lost calls, silent siblings, nodes judged over services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from observer.domain.attribution import Attribution, AttributionInputs, Cause, CauseKind, Measure
from observer.domain.reasons import Reason
from observer.domain.suspect import Culprit, CulpritKind, Suppression
from observer.engine.attribution.attribute import attribute
from observer.engine.attribution.removal import permits_removal
from tests.support.builders import NOW, SHOP, catalog, group_suspect, health, judgement, pod, suspect
from tests.support.incidents import call, calm, edge, first, graph, named, placement, ref, series, traced

CALLS = (("", "front"), ("front", "cart"), ("front", "pay"), ("cart", "store"), ("pay", "store"))
PODS = catalog(4)


def asked(*edges: Any, **changes: Any) -> Attribution:
    return attribute(AttributionInputs(at=NOW, graph=graph(*edges), usual_graph=calm(*CALLS), **changes))


def failing(cart: float, pay: float, *, calls: float = 1000.0) -> Attribution:
    """Errors that ``store`` answers its two callers with."""
    return asked(
        edge("front", "cart", errors=cart),
        edge("front", "pay", errors=pay),
        edge("cart", "store", errors=cart, callee_errors=cart),
        edge("pay", "store", calls, errors=pay, callee_errors=pay),
    )


def test_a_service_that_fails_one_caller_only_is_asked_wrongly() -> None:
    found = failing(200.0, 1.0)

    assert first(found) == f"caller {SHOP}/cart of {SHOP}/store"
    assert found.ranked[0].cause.suspected_service == ref("cart")
    assert named(found)[f"workload {SHOP}/store"] < 0.1


def test_a_service_that_fails_all_its_callers_is_itself_to_blame() -> None:
    assert first(failing(200.0, 150.0)) == f"workload {SHOP}/store"


def test_one_other_call_proves_nothing_of_the_caller() -> None:
    assert first(failing(200.0, 0.0, calls=3.0)) == f"workload {SHOP}/store"


def test_a_single_caller_cannot_be_told_from_the_callee() -> None:
    found = asked(edge("front", "cart", errors=200.0), edge("cart", "store", errors=200.0, callee_errors=200.0))

    assert first(found) == f"workload {SHOP}/store"


def test_callers_outside_are_many() -> None:
    found = asked(edge("", "front", errors=200.0), edge("pay", "front", errors=0.0))

    assert first(found) == f"workload {SHOP}/front"


def test_who_waits_for_lost_calls_does_not_work_slowly() -> None:
    slow = tuple(series(name, Measure.LATENCY, 0.1, 0.6) for name in ("front", "cart"))
    lost = edge("cart", "store", errors=300.0, errors_by_flag={"UF": 300.0})
    around = edge("front", "cart", errors=300.0), edge("pay", "store"), edge("", "front", errors=300.0)

    found = asked(*around, lost, readings=slow)
    answered = asked(
        edge("", "front"), edge("front", "cart"), edge("pay", "store"), edge("cart", "store"), readings=slow
    )

    assert first(found) == f"edge {SHOP}/cart -> {SHOP}/store"
    assert first(answered) == f"workload {SHOP}/cart"


def test_calls_in_vain_are_no_work_of_the_callers_in_traces() -> None:
    path = (("front", 1), ("cart", 1), ("store", 1))
    usual = traced(*(call(f"u{i}", path, start=NOW - 500.0 + i) for i in range(80)))
    vain = [call(f"t{i}", path, way={"store": 1.0}, unanswered="store", start=NOW + i) for i in range(30)]
    found = asked(traces=traced(*vain), usual_traces=usual)

    assert all("own work" not in line.text for one in found.ranked for line in one.lines if one.cause.name == "cart")


def test_what_follows_a_failed_call_breaks_nothing_off() -> None:
    """Services that call one after the other call nobody after the first failure."""

    def both(trace: str, *, fails: bool) -> list[Any]:
        first_, second = (("front", 1), ("cart", 1)), (("front", 1), ("pay", 1))
        whole = call(trace, first_, fails="cart" if fails else "")
        if not fails:
            rest = [replace(span, span=f"{span.span}x", parent=f"{span.parent}") for span in call(trace, second)]
            whole += [
                replace(span, parent=f"{span.parent}x" if span.service == "pay" else span.parent)
                for span in rest
                if span.parent
            ]
        return whole

    usual = traced(*(both(f"u{i}", fails=False) for i in range(60)))
    now = traced(*(both(f"t{i}", fails=True) for i in range(30)))
    found = asked(traces=now, usual_traces=usual)

    assert first(found) == f"workload {SHOP}/cart" or first(found).startswith(f"pod {SHOP}/cart")
    assert all(line.word != "lost_calls" for one in found.ranked for line in one.lines if one.cause.name == "front")


def test_the_only_silent_sibling_leads_and_may_not_be_killed() -> None:
    silent = Suppression(
        PODS[0].service,
        Reason.UNREACHED,
        "silent",
        Culprit(CulpritKind.POD, SHOP, PODS[0].ref.name, PODS[0].service, PODS[0].ref),
    )
    told = judgement(suppressions=(silent,), services=health(PODS))
    lost = {"UF": 200.0}
    found = asked(
        edge("front", "catalog", errors=200.0, errors_by_flag=lost),
        edge("pay", "catalog", errors=200.0, errors_by_flag=lost),
        judgement=told,
    )

    assert first(found) == f"pod {PODS[0].ref}"
    assert not permits_removal(found, PODS[0].ref).allowed


def test_a_node_judged_over_services_is_named_for_all_of_them() -> None:
    sick = [pod("catalog-1"), pod("cart-1")]
    members = tuple(Culprit(CulpritKind.POD, SHOP, one.ref.name, one.service, one.ref) for one in sick)
    node = replace(group_suspect(CulpritKind.NODE, "n1"), also=members)
    found = attribute(AttributionInputs(at=NOW, judgement=judgement(suspects=(node,), services=health(PODS))))

    assert first(found) == "node n1"
    assert sum(line.score for line in found.ranked[0].lines if line.word == "peers") == pytest.approx(12.0)


def test_a_near_group_ranks_behind_its_pod_and_keeps_it_from_being_killed() -> None:
    near = suspect(PODS[0], ceiling_reason="tie_group", also=(Culprit(CulpritKind.NODE, "", "n1"),))
    found = attribute(AttributionInputs(at=NOW, judgement=judgement(suspects=(near,), services=health(PODS))))

    assert found.ranked[0].cause.pod == PODS[0].ref
    assert any("shared_cause" in reason for reason in permits_removal(found, PODS[0].ref).reasons)


def test_a_few_traces_do_not_outweigh_counters_that_say_all_alike() -> None:
    path = (("front", 1), ("store", 1)), (("front", 1), ("store", 2))
    spans = [call(f"a{i}", path[0], fails="store") for i in range(12)]
    spans += [call(f"b{i}", path[1], fails="store" if i < 6 else "") for i in range(12)]
    placements = dict([placement("store", 1), placement("store", 2)])
    alike = Suppression(ref("store"), Reason.WORKLOAD_FAILING, "all replicas fail alike")
    edges = edge("front", "store", errors=300.0, callee_errors=300.0)

    found = asked(edges, traces=traced(*spans), placements=placements, judgement=judgement(suppressions=(alike,)))
    blind = asked(edges, traces=traced(*spans), placements=placements)

    assert first(found) == f"workload {SHOP}/store"
    assert any(cause.startswith("pod") for cause in named(blind))
    assert not any(cause.startswith("pod") for cause in named(found))


def test_a_service_that_breaks_off_for_one_caller_only_is_asked_wrongly_too() -> None:
    """It fails before it calls anybody, which is another shape than usual: that is the caller's doing as well."""
    path = (("front", 1), ("cart", 1), ("store", 1), ("disk", 1))
    usual = traced(*(call(f"u{i}", path, start=NOW - 500.0 + i) for i in range(80)))
    now = traced(*(call(f"t{i}", path[:3], fails="store", start=NOW + i) for i in range(30)))
    found = asked(
        edge("front", "cart", errors=200.0),
        edge("cart", "store", errors=200.0, callee_errors=200.0),
        edge("pay", "store", callee_errors=0.0),
        traces=now,
        usual_traces=usual,
    )

    assert any(line.word == "lost_calls" for one in found.ranked for line in one.lines)
    assert first(found) == f"caller {SHOP}/cart of {SHOP}/store"


def test_a_caller_says_who_it_is_and_of_whom() -> None:
    cause = Cause(CauseKind.CALLER, SHOP, "cart", ref("cart"), None, ref("store"))

    assert str(cause) == f"caller {SHOP}/cart of {SHOP}/store"
