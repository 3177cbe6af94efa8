"""The judges as a whole, fed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from observer.domain.suspect import Symptom, Tier
from tests.support.builders import NOW, catalog, service_ref
from tests.support.judging import GOOD, SICK, Feed, acting, everybody, fed, suspect_of


def test_a_pod_that_fails_among_healthy_siblings_is_the_only_suspect() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_2=SICK))
    assert feed.judgement is not None

    found = suspect_of(feed.judgement, "catalog-2")
    assert acting(feed.judgement, Tier.EVICT) == {"catalog-2"}
    assert found.impact
    assert found.evidence.symptom is Symptom.ERRORS
    assert found.evidence.bad_rate == pytest.approx(0.3)
    assert found.evidence.share == pytest.approx(0.25)
    assert found.evidence.peer_bad == 0.0
    assert found.evidence.bins >= 3
    assert NOW < found.evidence.onset <= feed.at
    assert feed.judgement.recheck == {service_ref()}
    assert service_ref() in feed.judgement.watch
    assert found.culprit.pod not in feed.judgement.services[service_ref()].healthy


def test_a_silent_scrape_alone_is_no_finding() -> None:
    pods = catalog(12)
    feed = fed(Feed(pods), 6, everybody(pods, GOOD))
    for _ in range(10):
        feed.did(everybody(pods, GOOD))
        feed.at += 5.0
        frame = feed.frame()
        scraped = frame.scraped.copy()
        scraped[0] = 0.0
        judgement = feed.look(replace(frame, scraped=scraped))

    assert judgement.suspects == () and judgement.suppressions == ()
    assert judgement.complete


def test_blindness_acts_on_nobody_and_forgets_nothing() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 4, everybody(pods, GOOD, catalog_2=SICK))
    before = feed.state

    feed.at += 5.0
    judgement = feed.look(None)

    assert not judgement.complete and judgement.suspects == ()
    assert feed.state is before


def test_too_many_stale_targets_make_a_tick_incomplete() -> None:
    pods = catalog(8)
    feed = fed(Feed(pods), 4, everybody(pods, GOOD))
    last = feed.at
    feed.at += 30.0
    frame = feed.frame()
    judgement = feed.look(replace(frame, scraped=np.where(np.arange(8) < 2, last, frame.scraped)))

    assert not judgement.complete
    assert [gap.reason for gap in judgement.gaps] == ["stale"]


def test_a_clock_that_goes_back_makes_everything_new() -> None:
    pods = catalog(4)
    feed = fed(fed(Feed(pods), 5, everybody(pods, GOOD)), 6, everybody(pods, GOOD, catalog_2=SICK))
    feed.at -= 3600.0
    judgement = feed.tick(everybody(pods, GOOD))

    assert not judgement.complete
    assert [gap.reason for gap in judgement.gaps] == ["clock"]
    assert judgement.suspects == ()
