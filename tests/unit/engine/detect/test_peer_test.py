"""The peer test: at most one bet, and nothing from silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.domain.settings import EngineSettings
from observer.engine.detect.hypergeometric import ln_choose
from observer.engine.detect.peer_test import likelihood
from tests.support.builders import catalog
from tests.support.judging import Feed

TILTS = np.array(EngineSettings().detection.effect_sizes)
FEW = settings(max_examples=25, deadline=None)
counts = st.integers(0, 40)


@settings(max_examples=300, deadline=None)
@given(own=st.integers(1, 60), rest=st.integers(1, 300), bad=st.integers(1, 80))
def test_evidence_is_worth_at_most_one_bet(own: int, rest: int, bad: int) -> None:
    """Under "like its peers" the mean of the winsorised likelihood ratio is at most one: nothing comes for free."""
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
