"""The judges' parts, one by one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from observer.domain.counts import CallerCounts, CallerFrame, ServiceBaseline
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.settings import ImpactSettings
from observer.domain.suspect import Culprit, CulpritKind, Symptom
from observer.engine.detect import history
from observer.engine.detect.callers import CallerState, Calls, advance
from observer.engine.detect.groups import contest, pods_of
from observer.engine.detect.hypergeometric import ln_factorial, ln_mgf
from observer.engine.detect.latency import judged_cuts, median, mixed, slowdown
from observer.engine.detect.roster import ComparisonGroups, carried, comparison_of
from observer.engine.detect.suppress import FailingServices, inherited
from observer.engine.slo.impact import impact
from tests.support.builders import CUTS, NOW, catalog, cluster, evidence, pod, service_ref
from tests.support.judging import Feed

STORE, CATALOG, FRONT = service_ref("store"), service_ref("catalog"), service_ref("front")


def test_factorials_are_those_of_the_gamma_function() -> None:
    x = np.array([0.0, 0.3, 1.0, 2.0, 7.5, 100.0, 1e6])
    np.testing.assert_allclose(ln_factorial(x), gammaln(x + 1.0), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    ("own", "bad", "total"), [(5, 3, 20), (50, 150, 200), (300, 40, 1000), (500, 2000, 5000), (1, 1, 2), (90, 100, 100)]
)
def test_the_exact_form_is_the_hypergeometric_law(own: int, bad: int, total: int) -> None:
    ln_effect_sizes = np.log(2.0 ** np.arange(1, 11))
    k = np.arange(0, min(own, bad) + 1)
    weight = stats.hypergeom(total, bad, own).logpmf(k)[:, None] + k[:, None] * ln_effect_sizes
    expected = np.log(np.exp(weight - weight.max(axis=0)).sum(axis=0)) + weight.max(axis=0)

    found = ln_mgf(np.array([float(own)]), np.array([float(bad)]), np.array([float(total)]), ln_effect_sizes)

    np.testing.assert_allclose(found[0], expected, atol=5e-3)


def test_the_median_is_interpolated_within_its_bucket() -> None:
    half = np.array([0.0, 0.0, 0.0, 100.0, 100.0, 100.0, 100.0])
    assert median(half, CUTS) == pytest.approx(175.0)
    assert median(np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0]), CUTS) == 5000.0
    assert np.isnan(median(np.zeros(7), CUTS))


def test_a_slowdown_needs_both_sides() -> None:
    fast, slow = np.array([0.0, 90, 100, 100, 100, 100, 100]), np.array([0.0, 0, 0, 10, 100, 100, 100])
    ratio, excess = slowdown(slow, fast, CUTS)
    assert ratio > 10.0 and excess > 400.0
    assert slowdown(np.zeros(7), fast, CUTS) == (1.0, 0.0)


def test_cuts_that_could_hurt_nobody_are_not_tested() -> None:
    assert judged_cuts(CUTS, 100.0) == (2, 3, 4, 5)
    assert judged_cuts((5.0, 10.0), 100.0) == (1,)
    assert judged_cuts((), 100.0) == ()


def test_mixing_cuts_is_a_mean_not_a_maximum() -> None:
    assert mixed(np.array([[10.0, -np.inf]]))[0] == pytest.approx(10.0 - np.log(2.0))
    assert mixed(np.full((1, 3), -np.inf))[0] == -np.inf
    assert mixed(np.zeros((2, 0))).tolist() == [-np.inf, -np.inf]


def test_history_is_the_worst_that_was_usual() -> None:
    known = {
        STORE: ServiceBaseline(STORE, 1000.0, 100.0, 0.02, 10.0, 0.0, 1.0),
        CATALOG: ServiceBaseline(CATALOG, 1000.0, 0.0, 0.0, 10.0, 0.0, 1.0),
    }
    rates = history.null_rates((STORE, CATALOG, FRONT), known, 0.005)
    assert rates[:2].tolist() == [0.1, 0.005]
    assert np.isnan(rates[2])


def test_a_service_fails_only_beyond_doubt() -> None:
    reference, need = np.full(4, 0.01), np.full(4, 9.0)
    bad, total = np.array([30.0, 2.0, 0.0, 15.0]), np.array([100.0, 4.0, 0.0, 1000.0])
    assert history.failing(bad, total, reference, need).tolist() == [True, False, False, False]


def test_impact_needs_share_and_ratio() -> None:
    settings = ImpactSettings()
    assert impact(evidence(bad_rate=0.3, peer_bad_rate=0.01), settings)[0]
    assert not impact(evidence(bad_rate=0.009, peer_bad_rate=0.0), settings)[0]
    assert not impact(evidence(bad_rate=0.3, peer_bad_rate=0.1), settings)[0]
    slow = evidence(symptom=Symptom.LATENCY, latency_ratio=3.0, latency_excess_ms=150.0)
    assert impact(slow, settings)[0]
    assert not impact(evidence(symptom=Symptom.LATENCY, latency_ratio=3.0, latency_excess_ms=50.0), settings)[0]
    assert not impact(evidence(symptom=Symptom.UNREACHED), settings)[0]


def _roster(*nodes: str) -> ComparisonGroups:
    pods = [pod(f"catalog-{i}", node=node) for i, node in enumerate(nodes)]
    feed = Feed(pods)
    feed.did(dict.fromkeys((one.ref.name for one in pods), (1.0, 0.0)))
    return comparison_of(cluster(pods), feed.frame(), ComparisonGroups())


def test_a_group_must_beat_its_best_pod_by_the_margin() -> None:
    comparison = _roster("a", "a", "b", "b")
    group = len(comparison.refs)
    assert comparison.culprit(group).kind is CulpritKind.NODE
    assert pods_of(comparison, group).tolist() == [0, 1]

    clear = contest(comparison, [0, group], {0: 10.0, group: 14.0}.__getitem__, 3.0)
    near = contest(comparison, [0, group], {0: 12.0, group: 14.0}.__getitem__, 3.0)
    far = contest(comparison, [0, group], {0: 20.0, group: 14.0}.__getitem__, 3.0)

    assert clear.winners == (group,) and clear.beaten == {group: (0, 1)}
    assert near.winners == (0,) and near.near == {0: group}
    assert far.winners == (0,) and far.near == {}


def test_groups_are_neither_single_pods_nor_whole_services() -> None:
    assert not [one for one in _roster("a", "b", "c").groups if one.kind is CulpritKind.NODE]
    assert not [one for one in _roster("a", "a", "a").groups if one.kind is CulpritKind.NODE]


def test_a_roster_is_kept_while_nothing_moved_and_carries_rows_when_it_did() -> None:
    pods = catalog(3)
    feed = Feed(pods)
    feed.did(dict.fromkeys((one.ref.name for one in pods), (1.0, 0.0)))
    view, frame = cluster(pods), feed.frame()
    first = comparison_of(view, frame, ComparisonGroups())
    assert comparison_of(view, frame, first) is first

    fewer = comparison_of(cluster([pods[2], pods[0]]), frame, first)
    assert [ref.name for ref in fewer.refs] == ["catalog-1", "catalog-3"]
    assert carried(fewer, first).tolist()[:2] == [0, 2]


def test_a_pod_that_is_being_deleted_or_has_no_sidecar_is_no_sibling() -> None:
    pods = [*catalog(2), pod("catalog-8", deleting=True), pod("catalog-9", sidecar=False)]
    feed = Feed(pods)
    feed.did(dict.fromkeys((one.ref.name for one in pods), (1.0, 0.0)))
    assert [ref.name for ref in comparison_of(cluster(pods), feed.frame(), ComparisonGroups()).refs] == [
        "catalog-1",
        "catalog-2",
    ]


def _calls(
    at: float, rows: Mapping[tuple[str, ServiceRef], tuple[float, float]], watched: frozenset[ServiceRef]
) -> CallerFrame:
    counts = {("shop", name, service): CallerCounts(ok, bad, 0.0, 0.0) for (name, service), (ok, bad) in rows.items()}
    return CallerFrame(at, watched, CUTS, counts)


def test_callers_counts_begin_with_a_baseline_and_drop_resets() -> None:
    view, watched = cluster(catalog(2, app="front")), frozenset({STORE})
    state = CallerState()
    told = []
    for i, rows in enumerate(
        (
            {("front-1", STORE): (100.0, 10.0)},
            {("front-1", STORE): (150.0, 12.0), ("front-2", STORE): (900.0, 90.0)},
            {("front-1", STORE): (5.0, 1.0), ("front-2", STORE): (910.0, 91.0)},
            {("front-1", STORE): (9.0, 1.0), ("front-2", STORE): (910.0, 91.0)},
        )
    ):
        state, tallies = advance(state, _calls(NOW + 5.0 * i, rows, watched), view, lambda _: 0.0, NOW + 5.0 * i)
        told.append((tallies[STORE].requests, tallies[STORE].errors) if STORE in tallies else None)

    # front-2 came back after it was gone: its first appearance is a baseline.
    assert told == [None, (52.0, 2.0), (11.0, 1.0), (4.0, 0.0)]
    assert state.edges[(FRONT, STORE)].errors > 0.0


def test_a_service_that_was_not_watched_before_has_no_tally() -> None:
    view = cluster(catalog(1, app="front"))
    state, _ = advance(CallerState(), _calls(NOW, {}, frozenset({CATALOG})), view, lambda _: 0.0, NOW)
    rows = {("front-1", STORE): (50.0, 5.0)}
    state, tallies = advance(state, _calls(NOW + 5.0, rows, frozenset({STORE})), view, lambda _: 0.0, NOW + 5.0)
    assert tallies == {}


def _picture(
    failing: set[ServiceRef], edges: Mapping[tuple[ServiceRef, ServiceRef], float], sick: object = None
) -> FailingServices:
    own: dict[ServiceRef, float] = dict.fromkeys(failing, 100.0)
    calls = {edge: Calls(1000.0, errors) for edge, errors in edges.items()}
    known = {STORE: sick} if isinstance(sick, Culprit) else {}
    return FailingServices(frozenset(failing), known, calls, own, {}, {})


def test_the_deepest_failing_service_is_blamed() -> None:
    found = inherited(_picture({FRONT, CATALOG, STORE}, {(FRONT, CATALOG): 90.0, (CATALOG, STORE): 95.0}))
    assert {service.name: culprit.name for service, culprit in found.items()} == {"front": "store", "catalog": "store"}


def test_calls_that_explain_too_little_explain_nothing() -> None:
    assert inherited(_picture({FRONT, STORE}, {(FRONT, STORE): 20.0})) == {}


def test_services_that_blame_each_other_are_not_believed() -> None:
    assert inherited(_picture({CATALOG, STORE}, {(CATALOG, STORE): 90.0, (STORE, CATALOG): 90.0})) == {}


def test_a_sick_pod_downstream_is_named_rather_than_its_service() -> None:
    sick = Culprit(CulpritKind.POD, "shop", "store-1", STORE, PodRef("shop", "store-1", "uid"))
    assert inherited(_picture({FRONT}, {(FRONT, STORE): 90.0}, sick)) == {FRONT: sick}
