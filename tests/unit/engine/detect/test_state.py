"""What the detectors remember, and in which order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from observer.engine.detect.state import DetectorState, judged_cuts
from tests.support.builders import CUTS, catalog
from tests.support.judging import GOOD, SICK, Feed, everybody, fed


def suspected() -> Feed:
    pods = catalog(4)
    return fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_2=SICK))


def test_cuts_that_could_hurt_nobody_are_not_tested() -> None:
    assert judged_cuts(CUTS, 100.0) == (2, 3, 4, 5)
    assert judged_cuts((5.0, 10.0), 100.0) == (1,)
    assert judged_cuts((), 100.0) == ()


def test_what_was_gathered_follows_its_pod_into_a_new_order() -> None:
    feed = suspected()
    before = feed.state.errors.evidence.mixture[1].copy()
    feed.pods = [feed.pods[3], feed.pods[1]]
    feed.look(replace(feed.frame(), scraped=np.full(4, feed.at)))

    row = next(i for i, ref in enumerate(feed.state.comparison.refs) if ref.name == "catalog-2")
    assert len(feed.state.comparison.refs) == 2
    assert before.any()
    np.testing.assert_allclose(feed.state.errors.evidence.mixture[row], before)


def test_other_cut_points_are_a_new_beginning() -> None:
    feed = suspected()
    frame = feed.frame()
    fewer = replace(frame, cuts=CUTS[:3], buckets=frame.buckets[:, [0, 1, 2, 6]])

    fresh = feed.state.shaped(fewer, feed.settings)

    assert feed.state.shaped(frame, feed.settings) is feed.state
    assert fresh.cuts == CUTS[:3] and not fresh.comparison.refs
    assert fresh.last_complete == feed.state.last_complete > 0.0


def test_blindness_keeps_the_evidence_and_forgets_the_counters() -> None:
    state: DetectorState = suspected().state
    blind = state.blinded()

    assert np.array_equal(blind.errors.evidence.mixture, state.errors.evidence.mixture)
    assert np.isnan(blind.counters.scraped).all() and not blind.counters.known.any()
    assert (blind.errors.bins.next == -1).all()
