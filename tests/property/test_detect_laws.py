"""Laws of the detectors that hold whatever the traffic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.domain.suspect import Tier
from tests.support.builders import catalog
from tests.support.judging import Did, Feed, acting

Floats = npt.NDArray[np.float64]
FEW = settings(max_examples=25, deadline=None)
counts = st.integers(0, 40)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Did]]:
    """Some ticks of four pods with any counts."""
    names = [pod.ref.name for pod in catalog(4)]
    ticks = draw(st.integers(3, 12))
    return [{name: (float(draw(counts)), float(draw(counts))) for name in names} for _ in range(ticks)]


@FEW
@given(ticks=st.integers(1, 20))
def test_no_data_is_no_evidence(ticks: int) -> None:
    pods = catalog(4)
    feed = Feed(pods)
    feed.tick(dict.fromkeys((pod.ref.name for pod in pods), (50.0, 1.0)))
    for _ in range(ticks):
        feed.at += 5.0
        frame = feed.frame()
        judgement = feed.look(replace(frame, requests=frame.requests * np.nan, buckets=frame.buckets * np.nan))
        assert judgement.suspects == ()


@FEW
@given(history=histories(), order=st.permutations([1, 2, 3, 4]))
def test_names_and_order_do_not_matter(history: list[dict[str, Did]], order: list[int]) -> None:
    """Permuting the pods permutes the evidence, nothing else."""
    pods = catalog(4)
    one, other = Feed(pods), Feed(pods)
    other.order = [f"catalog-{i}" for i in order]
    renamed = {f"catalog-{i + 1}": f"catalog-{order[i]}" for i in range(4)}
    for did in history:
        one.tick(did)
        other.tick({renamed[name]: what for name, what in did.items()})

    def evidence(feed: Feed, name: str) -> Floats:
        position = next(i for i, ref in enumerate(feed.state.comparison.refs) if ref.name == name)
        mixture: Floats = feed.state.errors.evidence.mixture[position]
        return mixture

    for name, new in renamed.items():
        np.testing.assert_allclose(evidence(one, name), evidence(other, new), rtol=1e-9)


@FEW
@given(history=histories())
def test_the_same_frames_give_the_same_judgement(history: list[dict[str, Did]]) -> None:
    pods = catalog(4)
    one, other = Feed(pods), Feed(pods)
    for did in history:
        first, second = one.tick(did), other.tick(did)
        assert first.suspects == second.suspects
        assert first.suppressions == second.suppressions
        assert (first.watch, first.recheck) == (second.watch, second.recheck)


@FEW
@given(history=histories(), who=st.integers(0, 3), when=st.integers(1, 5))
def test_a_counter_that_falls_is_never_read_as_errors(history: list[dict[str, Did]], who: int, when: int) -> None:
    """A reset that nobody can explain adds no evidence against its pod in that tick."""
    pods = catalog(4)
    feed = Feed(pods)
    name = pods[who].ref.name
    for i, did in enumerate(history):
        if i == when:
            feed.totals[name] *= 0.25
            feed.slow[name] *= 0.25
        judgement = feed.tick({one: (ok, 0.0) for one, (ok, *_) in did.items()})
        assert judgement.suspects == ()
    assert not feed.state.errors.evidence.mixture.any()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), part=st.floats(0.3, 0.9))
def test_thinned_traffic_never_convicts_somebody_else(seed: int, part: float) -> None:
    """Keeping each request by chance weakens the evidence and does not move it to another pod."""
    pods, random = catalog(4), np.random.default_rng(seed)
    feed = Feed(pods)
    for i in range(30):
        did: dict[str, Did] = {}
        for j, pod in enumerate(pods):
            requests = random.binomial(60, part)
            bad = random.binomial(requests, 0.3 if j == 2 and i >= 5 else 0.002)
            did[pod.ref.name] = (float(requests - bad), float(bad))
        judgement = feed.tick(did)
        assert acting(judgement, Tier.DRAIN) <= {"catalog-3"}
    assert acting(judgement, Tier.DRAIN) == {"catalog-3"}
