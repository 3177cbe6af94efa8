"""Bad requests that come in clusters are worth less."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.domain.settings import EngineSettings
from observer.engine.detect.overdispersion import overdispersion_bound
from tests.support.builders import catalog
from tests.support.judging import SICK, Feed, everybody, fed

TILTS = np.array(EngineSettings().detection.effect_sizes)


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
    reported = np.isfinite(most)

    assert chance.sum() == pytest.approx(1.0, abs=1e-6)
    assert (reported == (draws > share * bad)[:, None]).all()
    assert ((chance[:, None] * np.exp(np.where(reported, most, -np.inf))).sum(axis=0) <= 1.0 + 1e-6).all()


def _ln_beta_binomial(k: int, n: int, a: float, b: float) -> float:
    def rising(x: float, times: int) -> float:
        return math.lgamma(x + times) - math.lgamma(x)

    return math.log(math.comb(n, k)) + rising(a, k) + rising(b, n - k) - rising(a + b, n)


def test_clusters_are_learned_and_temper_evidence_up_to_the_cap() -> None:
    """Peers whose bad requests come by the dozen teach that a dozen on one of them is no rarity."""
    pods, random = catalog(4), np.random.default_rng(1)
    alike, clustered = Feed(pods), Feed(pods)
    for _ in range(60):
        for feed, size in ((alike, 1), (clustered, 12)):
            hits = random.poisson(6 / size, 4) * size
            feed.tick({pod.ref.name: (50.0, float(bad)) for pod, bad in zip(pods, hits, strict=True)})
    cap = EngineSettings().detection.overdispersion_cap
    plain, much = (feed.state.errors.overdispersion(feed.state.comparison, cap)[:4] for feed in (alike, clustered))

    assert (plain >= 1.0).all() and (much <= cap).all()
    assert much.mean() > 3.0 * plain.mean()


def test_a_pod_under_suspicion_does_not_excuse_itself() -> None:
    pods = catalog(6)
    feed = fed(fed(Feed(pods), 10, everybody(pods, (49.0, 1.0))), 40, everybody(pods, (49.0, 1.0), catalog_2=SICK))
    state = feed.state
    row = next(i for i, ref in enumerate(state.comparison.refs) if ref.name == "catalog-2")

    assert state.errors.overdispersion(state.comparison, 20.0)[row, 0] < 1.5
