from __future__ import annotations

import itertools
import re

import promql_parser as pp
import pytest

from observer.domain.classify import request_class
from observer.domain.counts import RequestClass
from observer.domain.slo import Preset, Query
from observer.engine.slo.presets import AMBIENT, MeshNames, le_pattern, preset_sli
from tests.support.slo import CART

CODES = ("200", "404", "429", "500", "503", "0", "", "42836664")
FLAGS = ("-", "", "UF", "UH", "UF,URX", "DC", "DC,UF", "FI", "RL", "NR", "UC")
GRPC = ("", "0", "1", "2", "13", "14", "16", "UNAVAILABLE", "OK")


def selectors(query: Query | None) -> list[pp.VectorSelector]:
    assert query is not None
    waiting, found = [pp.parse(query.expr)], []
    while waiting:
        node = waiting.pop()
        if isinstance(node, pp.BinaryExpr):
            waiting += [node.rhs, node.lhs]
        else:
            assert isinstance(node, pp.VectorSelector)
            found.append(node)
    return found


def matches(node: pp.VectorSelector, labels: dict[str, str]) -> bool:
    """As Prometheus matches: whole values, absent labels are empty."""
    for one in node.matchers.matchers:
        value = labels.get(one.name, "")
        op = next(
            name
            for name, theirs in (
                ("=", pp.MatchOp.Equal),
                ("!=", pp.MatchOp.NotEqual),
                ("=~", pp.MatchOp.Re),
                ("!~", pp.MatchOp.NotRe),
            )
            if one.op == theirs
        )
        found = value == one.value if op in {"=", "!="} else re.fullmatch(one.value, value) is not None
        if found is op.startswith("!"):
            return False
    return True


@pytest.mark.parametrize("which", [Preset.ISTIO_AVAILABILITY, Preset.ISTIO_GRPC_AVAILABILITY])
def test_selectors_sort_every_series_as_the_daemon_does_and_count_none_twice(which: Preset) -> None:
    sli = preset_sli(which, CART)
    bad, total = selectors(sli.bad), selectors(sli.total)
    own = {
        "reporter": "source",
        "destination_service_name": "cart",
        "destination_service_namespace": "shop",
        "request_protocol": "grpc",
    }
    for code, flags, grpc in itertools.product(CODES, FLAGS, GRPC):
        labels = {**own, "response_code": code, "response_flags": flags, "grpc_response_status": grpc}
        kind = request_class(code, flags, grpc)
        assert sum(matches(one, labels) for one in bad) == (kind is RequestClass.ERROR), labels
        assert sum(matches(one, labels) for one in total) == (kind is not RequestClass.EXCLUDED), labels
    assert not any(matches(one, {**own, "reporter": "destination", "response_code": "500"}) for one in total)


def test_latency_is_the_pods_own_and_reads_both_spellings_of_a_bound() -> None:
    sli = preset_sli(Preset.ISTIO_LATENCY, CART, cut_ms=250.0)
    own = {"reporter": "destination", "destination_service_name": "cart", "destination_service_namespace": "shop"}
    (good,), (total,) = selectors(sli.good), selectors(sli.total)

    assert [le for le in ("250", "250.0", "2500", "25", "+Inf") if matches(good, {**own, "le": le})] == ["250", "250.0"]
    assert matches(total, {**own, "le": "+Inf"})
    assert not matches(good, {**own, "reporter": "source", "le": "250"})
    assert re.fullmatch(le_pattern(0.25), "0.25") and not re.fullmatch(le_pattern(0.25), "0x25")


def test_ambient_meshes_are_seen_by_their_waypoints() -> None:
    for which, cut in ((Preset.ISTIO_AVAILABILITY, 0.0), (Preset.ISTIO_LATENCY, 250.0)):
        sli = preset_sli(which, CART, cut_ms=cut, names=AMBIENT)
        assert sli.total is not None and 'reporter="waypoint"' in sli.total.expr


def test_a_gateway_is_seen_by_itself_and_extra_matchers_reach_every_selector() -> None:
    sli = preset_sli(Preset.ISTIO_GATEWAY_AVAILABILITY, CART, names=MeshNames(extra='cluster="east"'))
    for one in (*selectors(sli.bad), *selectors(sli.total)):
        found = {matcher.name: matcher.value for matcher in one.matchers.matchers}
        assert (found["source_workload"], found["source_workload_namespace"]) == ("cart", "shop")
        assert found["cluster"] == "east"


def test_a_latency_preset_without_a_bound_is_refused() -> None:
    with pytest.raises(ValueError, match=r"observer\.dev/cut-ms"):
        preset_sli(Preset.ISTIO_LATENCY, CART)
