"""Laws of the detectors that hold whatever the traffic."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.domain.counts import SeriesHistory
from observer.domain.settings import EngineSettings
from observer.domain.suspect import Tier
from observer.engine.detect.bins import BinState, due_bins, fill, widths
from observer.engine.detect.clumps import overdispersion_bound
from observer.engine.detect.counters import Increments
from observer.engine.detect.hypergeometric import ln_choose
from observer.engine.detect.peer_test import likelihood
from observer.engine.detect.recheck import recheck_errors, recheck_latency
from observer.engine.detect.roster import ComparisonGroups, comparison_of
from tests.support.builders import CUTS, NOW, catalog, cluster
from tests.support.judging import Did, Feed, acting

Floats = npt.NDArray[np.float64]
TILTS = np.array(EngineSettings().detection.effect_sizes)
FEW = settings(max_examples=25, deadline=None)
counts = st.integers(0, 40)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Did]]:
    """Some ticks of four pods with any counts."""
    names = [pod.ref.name for pod in catalog(4)]
    ticks = draw(st.integers(3, 12))
    return [{name: (float(draw(counts)), float(draw(counts))) for name in names} for _ in range(ticks)]


@settings(max_examples=300, deadline=None)
@given(own=st.integers(1, 60), rest=st.integers(1, 300), bad=st.integers(1, 80))
def test_evidence_is_worth_at_most_one_bet(own: int, rest: int, bad: int) -> None:
    """Under "like its siblings" the mean of the winsorised likelihood ratio is at most one: nothing comes for free."""
    bad = min(bad, own + rest)
    k = np.arange(max(0, bad - rest), min(own, bad) + 1, dtype=np.float64)
    ones = np.ones_like(k)
    chance = np.exp(
        ln_choose(own * ones, k) + ln_choose(rest * ones, bad - k) - ln_choose((own + rest) * ones, bad * ones)
    )
    score = likelihood(k, own * ones, bad * ones, (own + rest) * ones, effect_sizes=TILTS)

    means = (chance[:, None] * np.exp(np.minimum(score, 6.0))).sum(axis=0)

    assert chance.sum() == pytest.approx(1.0, abs=1e-6)
    assert (means <= 1.006).all()


@FEW
@given(total=st.integers(0, 60), bad=st.lists(st.integers(0, 60), min_size=5, max_size=15))
def test_what_hits_all_siblings_alike_speaks_against_nobody(total: int, bad: list[int]) -> None:
    pods = catalog(4)
    feed = Feed(pods)
    for errors in bad:
        judgement = feed.tick({pod.ref.name: (float(total), float(errors)) for pod in pods})
        assert judgement.suspects == ()


@FEW
@given(requests=st.lists(st.lists(counts, min_size=4, max_size=4), min_size=3, max_size=20))
def test_a_quiet_week_is_no_evidence(requests: list[list[int]]) -> None:
    """Without errors nothing is gathered, whatever the load does."""
    pods = catalog(4)
    feed = Feed(pods)
    for loads in requests:
        feed.tick({pod.ref.name: (float(load), 0.0) for pod, load in zip(pods, loads, strict=True)})

    assert not feed.state.errors.evidence.mixture.any()


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
        told = np.ones(3, dtype=np.bool_)
        new = Increments(np.hstack([each, np.zeros((3, len(CUTS) + 1))]), last, until, until, told, told, 0, 0.0)
        state = fill(widths(state, comparison, np.full(3, 5.0), 5.0, 0.0, at), comparison, new, slice(0, 2))
        for after, ready in due_bins(state, comparison, at, 0.9):
            judged, state = judged + ready.counts, after
        last = until

    kept = judged.sum() + state.open.sum() + state.late
    assert kept == pytest.approx(rounds * each.sum())
    assert np.array_equal(state.open, np.rint(state.open))
    assert state.late == 0.0


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


@settings(max_examples=300, deadline=None)
@given(share=st.floats(0.02, 0.6), bad=st.integers(2, 60), factor=st.floats(1.01, 8.0))
def test_clumps_are_worth_at_most_one_bet(share: float, bad: int, factor: float) -> None:
    """Under a null in which bad requests come in clumps, what is believed has a mean of at most one."""
    draws = np.arange(bad + 1, dtype=np.float64)
    ones = np.ones_like(draws)
    correlation = min(max((factor - 1.0) / (bad - 1.0), 1e-6), 1.0 - 1e-6)
    a, b = share * (1.0 / correlation - 1.0), (1.0 - share) * (1.0 / correlation - 1.0)
    chance = np.exp([_ln_beta_binomial(int(k), bad, a, b) for k in draws])
    most = overdispersion_bound(draws, bad * ones, share * ones, factor * ones, effect_sizes=TILTS)
    told = np.isfinite(most)

    assert chance.sum() == pytest.approx(1.0, abs=1e-6)
    assert (told == (draws > share * bad)[:, None]).all()
    assert ((chance[:, None] * np.exp(np.where(told, most, -np.inf))).sum(axis=0) <= 1.0 + 1e-6).all()


def _ln_beta_binomial(k: int, n: int, a: float, b: float) -> float:
    def rising(x: float, times: int) -> float:
        return math.lgamma(x + times) - math.lgamma(x)

    return math.log(math.comb(n, k)) + rising(a, k) + rising(b, n - k) - rising(a + b, n)


grown = st.lists(st.tuples(counts, counts), min_size=8, max_size=8)
THREE = [("shop", name) for name in "abc"]


def _second_look(steps: list[list[tuple[int, int]]]) -> list[SeriesHistory]:
    """One history a pod, growing by ``(ok, bad)`` in each step; slow requests are as many as bad ones."""
    made = []
    for key, one in zip(THREE, steps, strict=True):
        total = np.concatenate([np.zeros((1, 2)), np.cumsum(np.array(one, dtype=np.float64), axis=0)])
        every = total.sum(axis=1)
        requests = np.stack([total[:, 0], total[:, 1], 0.0 * every], axis=1)
        times = np.arange(0.0, 5.0 * len(total), 5.0, dtype=np.float64)
        made.append(SeriesHistory(key, "shop/x", times, requests, (100.0,), np.stack([total[:, 0], every], axis=1)))
    return made


def _again(histories: list[SeriesHistory], key: tuple[str, str]) -> tuple[float | None, float | None]:
    detection = EngineSettings().detection
    errors = recheck_errors(histories, frozenset(THREE), 5.0).acting_score([key], [1.0], detection)
    slow = recheck_latency(histories, dict.fromkeys(THREE, -1e9), 5.0, 50.0)
    return errors, slow.acting_score([key], [1.0] * len(slow.cuts), detection) if slow is not None else None


@FEW
@given(steps=st.lists(grown, min_size=3, max_size=3), order=st.permutations(range(3)))
def test_the_second_look_does_not_depend_on_the_order_of_the_answer(
    steps: list[list[tuple[int, int]]], order: list[int]
) -> None:
    histories = _second_look(steps)
    assert _again(histories, THREE[0]) == _again([histories[i] for i in order], THREE[0])


@FEW
@given(step=grown, factor=st.integers(1, 5))
def test_what_hits_all_alike_is_no_evidence_in_the_second_look(step: list[tuple[int, int]], factor: int) -> None:
    alike = [[(ok, bad * factor) for ok, bad in step]] * 3
    for found in _again(_second_look(alike), THREE[1]):
        assert found is not None and found < math.log(len(step) + 1.0)


@FEW
@given(loads=st.lists(st.lists(counts, min_size=8, max_size=8), min_size=3, max_size=3))
def test_without_a_bad_request_the_second_look_has_nothing_to_say(loads: list[list[int]]) -> None:
    for found in _again(_second_look([[(load, 0) for load in one] for one in loads]), THREE[2]):
        assert found == -math.inf
