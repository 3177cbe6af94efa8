"""Increments in common bins: nothing is lost, nobody is waited for for ever."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.engine.detect.bins import BinState, due_bins, fill, widths
from observer.engine.detect.comparison_groups import ComparisonGroups, comparison_of
from observer.engine.detect.counters import Increments
from tests.support.builders import CUTS, NOW, catalog, cluster
from tests.support.judging import Feed, everybody

counts = st.integers(0, 40)
grown = st.lists(st.tuples(counts, counts), min_size=8, max_size=8)


def test_a_frozen_target_holds_its_siblings_up_for_a_while_only() -> None:
    pods = catalog(4)
    feed = Feed(pods)
    for _ in range(6):
        feed.tick(everybody(pods, (50.0, 0.0)))
    frozen = feed.at
    for _ in range(12):
        feed.did(everybody(pods, (50.0, 0.0), catalog_2=(35.0, 15.0)))
        feed.at += 5.0
        frame = feed.frame()
        stale = np.array([key[1] == "catalog-4" for key in frame.pods])
        feed.look(replace(frame, scraped=np.where(stale, frozen, frame.scraped)))

    # The other three go on being judged without the silent one.
    position = next(i for i, ref in enumerate(feed.state.comparison.refs) if ref.name == "catalog-2")
    assert feed.state.errors.evidence.bins[position, 0] >= 3
    assert feed.state.errors.bins.next[0] * 5.0 > frozen + 30.0


def test_a_missed_scrape_is_made_good_by_the_next_one() -> None:
    pods = catalog(4)
    feed = Feed(pods)
    for i in range(12):
        feed.did(everybody(pods, (50.0, 1.0)))
        feed.at += 5.0
        frame = feed.frame()
        missed = np.array([i == 6 and key[1] == "catalog-1" for key in frame.pods])
        feed.look(replace(frame, scraped=np.where(missed, feed.at - 5.0, frame.scraped)))

    retained = feed.state.errors.bins
    assert retained.late == 0.0
    assert (np.diff(retained.covered) == 0.0).all()


@settings(max_examples=60, deadline=None)
@given(
    grown=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 50)), min_size=3, max_size=3),
    offsets=st.lists(st.floats(0.0, 4.99), min_size=3, max_size=3),
    rounds=st.integers(2, 8),
)
def test_spreading_over_bins_loses_no_request_whatever_the_offsets(
    grown: list[tuple[int, int]], offsets: list[float], rounds: int
) -> None:
    pods = catalog(3)
    feed = Feed(pods)
    feed.did(dict.fromkeys((pod.ref.name for pod in pods), (1.0, 0.0)))
    comparison = comparison_of(cluster(pods), feed.frame(), ComparisonGroups())
    state = BinState(np.zeros((3, 8, 2)), np.full(3, -np.inf), np.zeros(1), np.full(1, -np.inf), np.full(1, -1), 0.0)
    each = np.array([(ok, bad, 0) for ok, bad in grown], dtype=np.float64)
    judged, last = np.zeros((3, 2)), NOW + np.array(offsets)
    for i in range(1, rounds + 1):
        until, at = NOW + 5.0 * i + np.array(offsets), NOW + 5.0 * (i + 1)
        reported = np.ones(3, dtype=np.bool_)
        new = Increments(
            np.hstack([each, np.zeros((3, len(CUTS) + 1))]), last, until, until, reported, reported, 0, 0.0
        )
        state = fill(widths(state, comparison, np.full(3, 5.0), 5.0, 0.0, at), comparison, new, slice(0, 2))
        for after, ready in due_bins(state, comparison, at, 0.9):
            judged, state = judged + ready.counts, after
        last = until

    retained = judged.sum() + state.open.sum() + state.late
    assert retained == pytest.approx(rounds * each.sum())
    assert np.array_equal(state.open, np.rint(state.open))
    assert state.late == 0.0
