"""What callers counted."""

from __future__ import annotations

from collections.abc import Mapping

from observer.domain.counts import CallerCounts, CallerFrame
from observer.domain.graph import Reach
from observer.domain.ids import ServiceRef
from observer.engine.detect.callers import CallerState, advance
from tests.support.builders import CUTS, NOW, catalog, cluster, service_ref

STORE, CATALOG, FRONT = service_ref("store"), service_ref("catalog"), service_ref("front")


def _calls(
    at: float, rows: Mapping[tuple[str, ServiceRef], tuple[float, float]], watched: frozenset[ServiceRef]
) -> CallerFrame:
    counts = {("shop", name, service): CallerCounts(ok, bad, 0.0, 0.0) for (name, service), (ok, bad) in rows.items()}
    return CallerFrame(at, watched, CUTS, counts)


def test_callers_counts_begin_with_a_baseline_and_drop_resets() -> None:
    view, watched = cluster(catalog(2, app="front")), frozenset({STORE})
    state = CallerState()
    reported = []
    for i, rows in enumerate(
        (
            {("front-1", STORE): (100.0, 10.0)},
            {("front-1", STORE): (150.0, 12.0), ("front-2", STORE): (900.0, 90.0)},
            {("front-1", STORE): (5.0, 1.0), ("front-2", STORE): (910.0, 91.0)},
            {("front-1", STORE): (9.0, 1.0), ("front-2", STORE): (910.0, 91.0)},
        )
    ):
        state, tallies = advance(state, _calls(NOW + 5.0 * i, rows, watched), view, lambda _: 0.0, NOW + 5.0 * i)
        reported.append((tallies[STORE].requests, tallies[STORE].errors) if STORE in tallies else None)

    # front-2 came back after it was gone: its first appearance is a baseline.
    assert reported == [None, (52.0, 2.0), (11.0, 1.0), (4.0, 0.0)]
    assert state.edges[(FRONT, STORE)].errors > 0.0


def test_a_service_that_was_not_watched_before_has_no_tally() -> None:
    view = cluster(catalog(1, app="front"))
    state, _ = advance(CallerState(), _calls(NOW, {}, frozenset({CATALOG})), view, lambda _: 0.0, NOW)
    rows = {("front-1", STORE): (50.0, 5.0)}
    state, tallies = advance(state, _calls(NOW + 5.0, rows, frozenset({STORE})), view, lambda _: 0.0, NOW + 5.0)
    assert tallies == {}


def test_what_callers_gave_up_or_were_refused_is_lost_too() -> None:
    front, service = catalog(1, app="front"), service_ref()
    view = cluster(front, at=NOW)

    def frame(at: float, *counts: float) -> CallerFrame:
        row = CallerCounts(counts[0], counts[1], counts[2], counts[3])
        return CallerFrame(at, frozenset({service}), CUTS, {("shop", "front-1", service): row})

    state, _ = advance(CallerState(), frame(NOW, 10.0, 1.0, 2.0, 1.0), view, lambda _: 0.0, NOW)
    assert state.new == {}
    state, _ = advance(state, frame(NOW + 5, 110.0, 4.0, 7.0, 3.0), view, lambda _: 0.0, NOW + 5)
    assert state.new == {service: Reach(108.0, 7.0)}
    state, _ = advance(state, None, view, lambda _: 0.0, NOW + 10)
    assert state.new == {}
